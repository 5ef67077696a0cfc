"""Types that no argument and no result can have."""

from tests.unit.sdk.wrong.case import Wrong


def argument(name: str, annotation: str, *says: str, before: str = "") -> Wrong:
    """A chainlet with one argument of a type that cannot be sent."""
    return Wrong(
        name=name,
        source=f"""
{before}

@chains.mark_entrypoint
class Poet(chains.ChainletBase):
    async def run_remote(self, words: {annotation}) -> str:  # here
        return ""
""",
        where="Poet.run_remote",
        kind="IO_TYPE_ERROR",
        says=says,
    )


TYPES = [
    argument(
        "anything",
        "Any",
        "the argument `words` is annotated `Any`, so nothing can be checked",
        "`pydantic.JsonValue` is any JSON",
        before="from typing import Any",
    ),
    argument(
        "a chainlet",
        "list[Rhyme]",
        "is annotated `list[Rhyme]`, and a chainlet cannot be sent. Name it as a dependency in `__init__`",
        before="""
class Rhyme(chains.ChainletBase):
    async def run_remote(self) -> str:
        return ""
""",
    ),
    argument(
        "a function",
        "Callable[[str], str] | None",
        "and a function cannot be sent. Send what it needs, and call it here",
        before="from collections.abc import Callable",
    ),
    argument(
        "a stream",
        "AsyncIterator[str]",
        "is annotated `AsyncIterator[str]`, and a stream can only be a result, of `str` or `bytes`. Use a `list`",
        before="from collections.abc import AsyncIterator",
    ),
    argument(
        "a websocket that may be missing",
        "chains.WebSocketProtocol | None",
        "is annotated `WebSocketProtocol | None`, and a websocket is the only argument, or none",
    ),
    argument(
        "an array",
        "dict[str, np.ndarray]",
        "and `numpy.ndarray` cannot be sent. Use `chainlets.pydantic_numpy.NumpyArrayField`",
        before="import numpy as np",
    ),
    argument(
        "a class of one's own",
        "Verse",
        "is annotated `Verse`, and `Verse` cannot be sent. Use a Pydantic model, a dataclass or plain types",
        before="class Verse: ...",
    ),
    argument(
        "a class itself",
        "type",
        "is annotated `type`, which has no JSON form",
    ),
    argument(
        "any model",
        "BaseModel",
        "which has no fields, so those of what is given would be lost. Name a model of your own",
        before="from pydantic import BaseModel",
    ),
    argument(
        "a type that needs one which is nowhere",
        "Verse",
        "which needs `Line`, and that cannot be found",
        before="""
from pydantic import BaseModel

class Verse(BaseModel):
    lines: list[Line]
""",
    ),
    argument(
        "text or bytes",
        "list[str | bytes]",
        "and JSON writes `str` and `bytes` alike, so one comes back as the other",
    ),
    argument(
        "text or a moment",
        "datetime | str | None",
        "JSON writes `datetime` and `str` alike",
        before="from datetime import datetime",
    ),
    argument(
        "a list or a set",
        "list[int] | set[int]",
        "JSON writes `list[int]` and `set[int]` alike",
    ),
    argument(
        "one of two models with the same fields",
        "Ode | Sonnet",
        "JSON writes `Ode` and `Sonnet` alike",
        'models that differ in a field, such as `kind: Literal["a"]`',
        before="""
from pydantic import BaseModel

class Ode(BaseModel):
    title: str

class Sonnet(BaseModel):
    title: str
""",
    ),
    argument(
        "keys that JSON cannot have",
        "dict[tuple[int, int], str]",
        "JSON has only texts as keys, so no `tuple[int, int]`. Use `str` keys, or a list of pairs",
    ),
    argument(
        "an enum whose values JSON changes",
        "list[Metre]",
        "and `Metre.IAMB` has a value that JSON does not give back: (0, 1). Give it a text or a number",
        before="""
from enum import Enum

class Metre(Enum):
    IAMB = (0, 1)
""",
    ),
    argument(
        "one member of an enum",
        "Literal[Metre.IAMB]",
        "is annotated `Literal[Metre.IAMB]`, and JSON does not give a member of `Metre` back. Derive `Metre` from `StrEnum`, or write `Metre`",
        before="""
from enum import Enum
from typing import Literal

class Metre(Enum):
    IAMB = "iamb"
""",
    ),
    argument(
        "keys that are numbers in an enum",
        "dict[Metre, str]",
        "JSON has only texts as keys, so no `Metre`",
        before="""
from enum import Enum

class Metre(Enum):
    IAMB = 1
""",
    ),
    argument(
        "a constraint of another type",
        'Annotated[int, Field(gt="small")]',
        "is annotated `Annotated[int, …]`, which Pydantic does not understand: ValueError: 'gt' must be coercible to an integer",
        before="""
from typing import Annotated
from pydantic import Field
""",
    ),
    Wrong(
        name="a result that cannot be sent",
        source="""
class Poet(chains.ChainletBase):
    async def run_remote(self, words: str) -> tuple[str, complex | slice]:  # here
        return words, slice(0)
""",
        where="Poet.run_remote",
        kind="IO_TYPE_ERROR",
        says=("the result is annotated `tuple[str, complex | slice]`, and `slice` cannot be sent",),
    ),
]
