"""Wrong `run_remote`s, but for the types in them."""

from tests.unit.sdk.wrong.case import Wrong

METHODS = [
    Wrong(
        name="no run_remote",
        source="""
class Poet(chains.ChainletBase):  # here
    pass
""",
        where="Poet",
        kind="MISSING_API_ERROR",
        says=(
            "there is no method `run_remote`",
            "Write, for example:\n    async def run_remote(self, text: str",
        ),
    ),
    Wrong(
        name="run_remote under another name",
        source="""
class Poet(chains.ChainletBase):  # here
    def _rhyme(self) -> str:
        return ""

    async def write(self, words: str) -> str:
        return words
""",
        where="Poet",
        kind="MISSING_API_ERROR",
        says=("There is `write`; call it `run_remote` if it is meant",),
    ),
    Wrong(
        name="a ModelBase without predict",
        source="""
class Poet(chains.ModelBase):  # here
    async def run_remote(self, words: str) -> str:
        return words
""",
        where="Poet",
        kind="MISSING_API_ERROR",
        says=("there is no method `predict`", "There is `run_remote`", "async def predict(self"),
    ),
    Wrong(
        name="a static method",
        source="""
class Poet(chains.ChainletBase):
    @staticmethod
    async def run_remote(words: str) -> str:  # here
        return words
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("is a staticmethod and must be a plain method with `self`", "async def run_remote(self"),
    ),
    Wrong(
        name="a value",
        source="""
class Poet(chains.ChainletBase):  # here
    run_remote = "words"
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("is a str and must be a plain method",),
    ),
    Wrong(
        name="self forgotten",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(words: str) -> str:  # here
        return words
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("the first argument of `run_remote` must be `self`", "async def run_remote(self"),
    ),
    Wrong(
        name="self called otherwise",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(this, words: str) -> str:  # here
        return words
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("the first argument of `run_remote` must be `self`",),
    ),
    Wrong(
        name="an argument without a type",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, words, lines: int = 4) -> str:  # here
        return words
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("the argument `words` has no type. Write `words: str`",),
    ),
    Wrong(
        name="any number of arguments",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, *words: str) -> str:  # here
        return " ".join(words)
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("`*words` cannot be sent", "write `words: list[str]`"),
    ),
    Wrong(
        name="any named arguments",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, **words: str) -> str:  # here
        return " ".join(words)
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("`**words` cannot be sent", "write `words: dict[str, str]`"),
    ),
    Wrong(
        name="an argument without a name for callers",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, words: str, /) -> str:  # here
        return words
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("`words` must have a name for callers. Remove the `/`",),
    ),
    Wrong(
        name="an argument with a name that JSON input cannot have",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, _words: str) -> str:  # here
        return _words
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("an argument cannot be called `_words`. Call it `words_value`",),
    ),
    Wrong(
        name="a dependency of run_remote",
        source="""
class Rhyme(chains.ChainletBase):
    async def run_remote(self) -> str:
        return ""

@chains.mark_entrypoint
class Poet(chains.ChainletBase):
    async def run_remote(self, rhyme: Rhyme = chains.depends(Rhyme)) -> str:  # here
        return await rhyme.run_remote()
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("`rhyme` has a marker as its default. Markers belong into `__init__`",),
    ),
    Wrong(
        name="no type of the result",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, words: str):  # here
        return words
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("the type of the result is missing", "-> list[str]"),
    ),
    Wrong(
        name="no type of the pieces",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, words: str):  # here
        yield words
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("the type of the result is missing", "-> AsyncIterator[str]:\n        yield"),
    ),
    Wrong(
        name="a type that is imported for type checkers only",
        source="""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

class Poet(chains.ChainletBase):
    async def run_remote(self, words: str, day: date) -> str:  # here
        return words
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=(
            "the annotation of the argument `day`, `date`, cannot be read: name 'date' is not defined",
            "not under `if TYPE_CHECKING:`",
        ),
    ),
    Wrong(
        name="a default that does not fit",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, words: str, lines: int = "four") -> str:  # here
        return words
""",
        where="Poet.run_remote",
        kind="IO_TYPE_ERROR",
        says=("the argument `lines` is annotated `int`, and its default is 'four'", "Change one of them"),
    ),
    Wrong(
        name="None as a default, and not in the type",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, words: list[str] = None) -> str:  # here
        return ""
""",
        where="Poet.run_remote",
        kind="IO_TYPE_ERROR",
        says=("its default is None", "Write `words: list[str] | None = None`"),
    ),
    Wrong(
        name="a stream that is not async",
        source="""
from collections.abc import Iterator

class Poet(chains.ChainletBase):
    def run_remote(self, words: str) -> Iterator[str]:  # here
        yield words
""",
        where="Poet.run_remote",
        kind="IO_TYPE_ERROR",
        says=("a stream must be `async def`, annotated as `AsyncIterator`", "yield text"),
    ),
    Wrong(
        name="a stream that is annotated as a value",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, words: str) -> str:  # here
        yield words
""",
        where="Poet.run_remote",
        kind="IO_TYPE_ERROR",
        says=("`run_remote` yields, and is annotated `str`, which is no stream", "-> AsyncIterator[str]"),
    ),
    Wrong(
        name="a value that is annotated as a stream",
        source="""
from collections.abc import AsyncIterator

class Poet(chains.ChainletBase):
    async def run_remote(self, words: str) -> AsyncIterator[str]:  # here
        return words
""",
        where="Poet.run_remote",
        kind="IO_TYPE_ERROR",
        says=("is annotated `AsyncIterator[str]`, a stream, and never yields",),
    ),
    Wrong(
        name="a stream of numbers",
        source="""
from collections.abc import AsyncIterator

class Poet(chains.ChainletBase):
    async def run_remote(self, lines: int) -> AsyncIterator[int]:  # here
        yield lines
""",
        where="Poet.run_remote",
        kind="IO_TYPE_ERROR",
        says=("a stream is of `str` or `bytes`; for structured items see `chainlets.streaming`",),
    ),
    Wrong(
        name="a websocket and something else",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, websocket: chains.WebSocketProtocol, lines: int) -> None:  # here
        await websocket.close()
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=(
            "the websocket must be the only argument",
            "(self, websocket: chains.WebSocketProtocol) -> None",
        ),
    ),
    Wrong(
        name="a websocket that nobody can wait for",
        source="""
class Poet(chains.ChainletBase):
    def run_remote(self, websocket: chains.WebSocketProtocol) -> None:  # here
        return None
""",
        where="Poet.run_remote",
        kind="TYPE_ERROR",
        says=("a websocket endpoint must be `async def`, and yield nothing",),
    ),
    Wrong(
        name="a websocket that returns something",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, websocket: chains.WebSocketProtocol) -> str:  # here
        return await websocket.receive_text()
""",
        where="Poet.run_remote",
        kind="IO_TYPE_ERROR",
        says=("a websocket endpoint is annotated `-> None`: it answers by `send_text`",),
    ),
]
