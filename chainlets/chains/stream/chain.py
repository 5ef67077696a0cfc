"""Breaks a text into lines while its words are still arriving, as from a language model."""

import asyncio
from collections.abc import AsyncIterator

from pydantic import BaseModel

import chainlets as chains
from chainlets import streaming


class Layout(BaseModel):
    """Comes first: how wide lines may be, in characters."""

    width: int


class Line(BaseModel):
    """One finished line; the first has number 1."""

    number: int
    text: str


class Summary(BaseModel):
    """Comes last."""

    lines: int
    words: int


LINES = streaming.stream_types(Line, header_type=Layout, footer_type=Summary)


class Words(chains.ChainletBase):
    """Says a text word by word."""

    async def run_remote(self, text: str, pause: float) -> AsyncIterator[str]:
        """Yield each word, then wait `pause` seconds."""
        for word in text.split():
            yield word
            await asyncio.sleep(pause)


class Lines(chains.ChainletBase):
    """Makes lines of the words that arrive, in a structured stream of `LINES`."""

    def __init__(self, words: Words = chains.depends(Words)) -> None:
        self._words = words

    async def run_remote(self, text: str, width: int, pause: float) -> AsyncIterator[bytes]:
        """Yield a `Layout`, each `Line` as soon as it is full, and a `Summary`."""
        out = streaming.stream_writer(LINES)
        yield out.yield_header(Layout(width=width))
        line, lines, words = "", 0, 0
        async for word in self._words.run_remote(text, pause):  # a stream is called without `await`
            words += 1
            if line and len(line) + 1 + len(word) > width:
                lines += 1
                yield out.yield_item(Line(number=lines, text=line))
                line = ""
            line = f"{line} {word}".lstrip()
        if line:
            lines += 1
            yield out.yield_item(Line(number=lines, text=line))
        yield out.yield_footer(Summary(lines=lines, words=words))


@chains.mark_entrypoint("stream")
class Stream(chains.ChainletBase):
    """Gives a text back in numbered lines, each as soon as it is full."""

    def __init__(self, lines: Lines = chains.depends(Lines)) -> None:
        self._lines = lines

    async def run_remote(self, text: str, width: int = 40, pause: float = 0.2) -> AsyncIterator[str]:
        """Read the structured stream of `Lines`, and stream plain text to whoever asked."""
        stream = streaming.stream_reader(LINES, self._lines.run_remote(text, width, pause))
        layout = await stream.read_header()
        yield f"{'=' * layout.width}\n"
        async for line in stream.read_items():
            yield f"{line.number:>3} {line.text}\n"
        summary = await stream.read_footer()
        yield f"{summary.words} words in {summary.lines} lines\n"
