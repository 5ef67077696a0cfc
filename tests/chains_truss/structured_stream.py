"""A structured stream with header, items and footer, read by the chainlet above."""

from collections.abc import AsyncIterator

from pydantic import BaseModel

import chainlets as chains
from chainlets import streaming


class Title(BaseModel):
    """Comes first."""

    name: str
    lines: int


class Line(BaseModel):
    """One item."""

    number: int
    text: str


class Totals(BaseModel):
    """Comes last."""

    letters: int


TYPES = streaming.stream_types(Line, header_type=Title, footer_type=Totals)
ITEMS_ONLY = streaming.stream_types(Line)


class TornPage(Exception):
    """Raised in the middle of a stream."""


class Poem(BaseModel):
    """What was read."""

    title: Title | None = None
    lines: list[Line]
    totals: Totals | None = None
    error: str = ""


class Reciter(chains.ChainletBase):
    """Streams a poem."""

    async def run_remote(self, name: str, lines: list[str], torn_at: int = -1) -> AsyncIterator[bytes]:
        writer = streaming.stream_writer(TYPES)
        yield writer.yield_header(Title(name=name, lines=len(lines)))
        for number, text in enumerate(lines):
            if number == torn_at:
                raise TornPage(f"line {number} cannot be read")
            yield writer.yield_item(Line(number=number, text=text))
        yield writer.yield_footer(Totals(letters=sum(map(len, lines))))


class Mumbler(chains.ChainletBase):
    """Streams items without header and footer."""

    async def run_remote(self, lines: list[str]) -> AsyncIterator[bytes]:
        writer = streaming.stream_writer(ITEMS_ONLY)
        for number, text in enumerate(lines):
            yield writer.yield_item(Line(number=number, text=text.lower()))


@chains.mark_entrypoint("truss-structured-stream")
class Listener(chains.ChainletBase):
    """Reads both."""

    def __init__(
        self, reciter: Reciter = chains.depends(Reciter), mumbler: Mumbler = chains.depends(Mumbler)
    ) -> None:
        self._reciter = reciter
        self._mumbler = mumbler

    async def run_remote(self, name: str, lines: list[str], torn_at: int = -1) -> list[Poem]:
        reader = streaming.stream_reader(TYPES, self._reciter.run_remote(name, lines, torn_at))
        title = await reader.read_header()
        heard: list[Line] = []
        try:
            async for line in reader.read_items():
                heard.append(line)  # noqa: PERF401 (kept if the stream breaks off)
            recited = Poem(title=title, lines=heard, totals=await reader.read_footer())
        except TornPage as error:
            recited = Poem(title=title, lines=heard, error=str(error))
        mumbled = streaming.stream_reader(ITEMS_ONLY, self._mumbler.run_remote(lines))
        return [recited, Poem(lines=[line async for line in mumbled.read_items()])]
