"""What an argument or a result may be, and that it comes out as it went in: as JSON and as bytes."""

import dataclasses
import enum
import json
import math
import typing
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field, JsonValue, computed_field

import chainlets as chains
from chainlets import definitions
from chainlets.describe import describe
from chainlets.pydantic_numpy import NumpyArrayField

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Mood(enum.StrEnum):
    CALM = "calm"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: float
    raw: bytes = b""
    next: Optional["Point"] = None


class Entry(TypedDict):
    word: str
    raw: NotRequired[bytes]


class Page(TypedDict, total=False):
    entries: list[Entry]


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Box(BaseModel, Generic[T]):
    content: T


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    name: str


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    colour: Colour = Colour.RED
    sizes: tuple[int, ...] = (1, 2)
    day: date = date(2026, 1, 2)
    score: float = -math.inf


class Renamed(BaseModel):
    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    both: int = Field(alias="b")
    out: int = Field(default=2, serialization_alias="o")
    given: int = Field(default=3, validation_alias="v")


class Rectangle(BaseModel):
    width: int

    @computed_field
    @property
    def area(self) -> int:
        return self.width**2


TRAVELS = [
    (int, 2**70),
    (float, math.inf),
    (list[float], [1.0, -math.inf]),
    (complex, 1 + 2j),
    (bool, True),
    (str, "ä\u2028\0'\""),
    (bytes, b"\xff\x00"),
    (type(None), None),
    (Optional[int], None),  # noqa: UP045
    (Optional[int], 3),  # noqa: UP045
    (int | str | None, "3"),
    (Union[int, float, bool], True),  # noqa: UP007
    (int | float, 1.0),
    (Literal["now"] | datetime, datetime(2026, 1, 2, tzinfo=UTC)),
    (Literal["now"] | datetime, "now"),
    (typing.List[typing.Dict[str, typing.Tuple[int, str]]], [{"a": (1, "b")}]),  # noqa: UP006
    (dict[str, list[dict[str, set[int]]]], {"a": [{"b": {1, 2}}]}),
    (dict[int, list[bytes]], {1: [b"\xff"]}),
    (dict[Mood, date], {Mood.CALM: date(2026, 1, 2)}),
    (dict[Literal["a"] | UUID, int], {"a": 1, UUID(int=3): 2}),
    (dict[bool, float], {True: 0.5}),
    (list, [1, "a", None]),
    (tuple[int, ...], (1, 2)),
    (tuple[()], ()),
    (frozenset[str], frozenset("a")),
    (deque[int], deque([1])),
    (Sequence[int], [1, 2]),
    (Mapping[str, int], {"a": 1}),
    (Colour, Colour.BLUE),
    (Mood | int, Mood.CALM),
    (Rights, Rights.READ | Rights.WRITE),
    (Literal["a", 1], 1),
    (Literal[Mood.CALM], Mood.CALM),
    (Point, Point(1.5, b"\xff", Point(2.0))),
    (list[Point], [Point(0.5)]),
    (Entry, {"word": "w", "raw": b"\xff"}),
    (Page | None, {"entries": [{"word": "w"}]}),
    (Pair, Pair(1, "b")),
    (Box[list[int]], Box[list[int]](content=[1])),
    (Box[Box[str]], Box[Box[str]](content=Box[str](content="s"))),
    (Tree, Tree(name="a", children=[Tree(name="b")])),
    (Cat | Dog, Dog(name="d")),
    (Annotated[Cat | Dog, Field(discriminator="kind")], Dog(name="d")),
    (list[Cat | str | int], ["a", 1, Cat(name="c")]),
    (Strict, Strict()),
    (Renamed, Renamed(b=1, v=4)),
    (Rectangle, Rectangle(width=3)),
    (Annotated[int, Field(gt=0)], 3),
    (datetime, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
    (date | None, date(2026, 1, 2)),
    (time, time(1, 2)),
    (timedelta, timedelta(days=1, seconds=1.5)),
    (Decimal, Decimal("1.10")),
    (UUID, UUID(int=3)),
    (Path, Path("/a/b")),
    (dict[str, Any], {"$buffer": [0, 1], "$$": {"$packed": None}}),
    (JsonValue, {"a": [1, None, {"b": 0.1}]}),
]


def endpoint_of(hint, default=...):
    """The endpoint of a chainlet that takes and gives a type."""
    with definitions.apart():
        if default is ...:

            class Echo(chains.ChainletBase):
                def run_remote(self, value: hint) -> hint: ...
        else:

            class Echo(chains.ChainletBase):
                def run_remote(self, value: hint = default) -> hint: ...

        return describe(Echo).endpoint


def as_stored(data):
    """JSON as a database gives it back: strictly JSON, with no numbers of Python's own."""
    return json.loads(json.dumps(data, allow_nan=False))


def journeys(hint, value):
    """What arrives as an argument and as a result, by JSON and by bytes."""
    endpoint = endpoint_of(hint)
    yield endpoint.decode_input(as_stored(endpoint.encode_input((value,), {})))["value"]
    yield endpoint.unpack_input(endpoint.pack_input((), {"value": value}))["value"]
    yield endpoint.decode_output(as_stored(endpoint.encode_output(value, chainlet="Echo")))
    yield endpoint.unpack_output(endpoint.pack_output(value, chainlet="Echo"))


@pytest.mark.parametrize(("hint", "value"), TRAVELS, ids=lambda part: str(part)[:40])
def test_a_value_comes_out_as_it_went_in(hint, value):
    for arrived in journeys(hint, value):
        assert arrived == value
        assert type(arrived) is type(value)


def test_what_is_no_number_stays_one_that_is_not():
    assert all(math.isnan(arrived) for arrived in journeys(float, math.nan))
    assert all(math.isnan(arrived.content) for arrived in journeys(Box[float], Box[float](content=math.nan)))


def test_an_array_keeps_its_type_and_shape_and_can_be_written_to():
    array = np.arange(6, dtype=">i2").reshape(2, 3).T
    for arrived in journeys(dict[str, NumpyArrayField], {"a": NumpyArrayField(array)}):
        np.testing.assert_array_equal(arrived["a"].array, array, strict=True)
        arrived["a"].array[:] = 0


def test_a_file_travels_as_its_handle(tmp_path):
    (tmp_path / "a.txt").write_text("words")
    file = chains.File.local(tmp_path / "a.txt")
    for arrived in journeys(list[chains.File], [file]):
        assert arrived == [file]
        assert arrived[0].path().read_text() == "words"


def test_defaults_are_filled_in_whatever_their_type():
    tree = Tree(name="default")
    assert endpoint_of(Tree, tree).decode_input(endpoint_of(Tree, tree).encode_input((), {})) == {
        "value": tree
    }
    assert endpoint_of(set[int] | None, {1}).encode_input((), {}) == {"value": [1]}
    assert endpoint_of(Pair, Pair(1)).unpack_input(endpoint_of(Pair, Pair(1)).pack_input((), {})) == {
        "value": Pair(1)
    }


def test_a_default_that_can_be_changed_is_every_calls_own():
    endpoint = endpoint_of(list[int], [])
    endpoint.decode_input({})["value"].append(1)
    assert endpoint.decode_input({}) == {"value": []}


def test_arguments_may_have_names_that_pydantic_uses_itself():
    class Named(chains.ChainletBase):
        def run_remote(
            self,
            json: int,
            copy: str,
            model_name: str,
            model_dump: list[int],
            schema: int = 1,
            model_fields: int = 2,
            model_validate: int = 3,
            model_post_init: int = 4,
            cls: str = "c",
        ) -> int: ...

    endpoint = describe(Named).endpoint
    given = {"json": 0, "copy": "c", "model_name": "m", "model_dump": [1]}
    whole = {**given, "schema": 1, "model_fields": 2, "model_validate": 3, "model_post_init": 4, "cls": "c"}

    assert endpoint.encode_input((), given) == whole
    assert endpoint.decode_input(given) == whole
    assert endpoint.unpack_input(endpoint.pack_input((), given)) == whole
    assert set(endpoint.input_model.model_json_schema()["properties"]) == set(whole)


def test_callers_of_the_api_may_write_a_field_by_its_alias_and_by_its_name():
    endpoint = endpoint_of(Renamed)
    value = Renamed(b=1, v=4)
    assert endpoint.read_input({"value": {"b": 1, "v": 4}}).value == value
    assert endpoint.read_input({"value": {"both": 1, "given": 4}}).value == value


def test_a_strict_model_is_strict_with_callers_of_the_api():
    with pytest.raises(ValueError, match="score"):
        endpoint_of(Strict).read_input({"value": {"score": "3"}})


def test_what_is_computed_is_shown_in_the_result():
    assert endpoint_of(Rectangle).encode_output(Rectangle(width=2), chainlet="Echo") == {
        "width": 2,
        "area": 4,
    }


def test_bytes_in_a_model_that_says_nothing_of_them_are_refused_with_the_way_out():
    endpoint = endpoint_of(Box[bytes])
    for write in (
        lambda: endpoint.encode_input((Box[bytes](content=b"\xff"),), {}),
        lambda: endpoint.encode_output(Box[bytes](content=b"\xff"), chainlet="Echo"),
    ):
        with pytest.raises(chains.ChainsUsageError, match=r'ser_json_bytes="base64".*`use_binary=True`'):
            write()
    packed = endpoint.pack_input((Box[bytes](content=b"\xff"),), {})
    assert endpoint.unpack_input(packed)["value"].content == b"\xff"


def test_half_a_character_is_refused_before_it_is_sent():
    endpoint = endpoint_of(str)
    for write in (endpoint.encode_input, endpoint.pack_input):
        with pytest.raises(chains.ChainsUsageError, match=r"An argument cannot .* has half a character"):
            write(("\ud800",), {})
    for write in (endpoint.encode_output, endpoint.pack_output):
        with pytest.raises(chains.ChainsUsageError, match=r"The result of `Echo` cannot .* half a character"):
            write("\ud800", chainlet="Echo")


def test_annotations_may_be_postponed_and_written_the_old_way(tmp_path):
    from chainlets.runtime.loader import Loader

    (tmp_path / "old.py").write_text("""
from __future__ import annotations
import typing
from typing import Dict, List, Optional, Tuple, TypedDict
import chainlets as chains
from pydantic import BaseModel

class Old(chains.ChainletBase):
    def __init__(self, context: Optional[chains.DeploymentContext] = chains.depends_context()) -> None: ...
    def run_remote(
        self, a: List[Later], b: Optional[Dict[str, typing.List[int]]] = None, c: "Word" = {"w": 1}
    ) -> Tuple[Later, Word]: ...

class Later(BaseModel):
    parts: List[Later] = []

class Word(TypedDict, total=False):
    w: int
""")
    loaded = Loader(modules=[], folder=tmp_path).current()

    assert loaded.problems == ()
    endpoint = loaded.chains["Old"].entrypoint.endpoint
    arguments = endpoint.decode_input({"a": [{"parts": [{}]}]})
    assert arguments["b"] is None
    assert arguments["c"] == {"w": 1}
    assert [type(part).__name__ for part in arguments["a"][0].parts] == ["Later"]
    result = endpoint.encode_output((arguments["a"][0], {"w": 2}), chainlet="Old")
    assert result == [{"parts": [{"parts": []}]}, {"w": 2}]
