"""Structured streams: what is written is read, however the bytes are cut, and nothing is lost silently."""

import asyncio
import struct
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import chainlets as chains
from chainlets import streaming


class Header(BaseModel):
    at: float


class Word(BaseModel):
    text: str


class Footer(BaseModel):
    words: int


FULL = streaming.stream_types(Word, header_type=Header, footer_type=Footer)
BARE = streaming.stream_types(Word)
MARKED = streaming.stream_types(Word, end_mark=True)


def written(types, *parts):
    """The bytes of some parts, each made by the method that fits it."""
    writer = streaming.stream_writer(types)
    methods = {Header: writer.yield_header, Word: writer.yield_item, Footer: writer.yield_footer}
    return b"".join(methods[type(part)](part) if part else writer.yield_end() for part in parts)


WHOLE = written(FULL, Header(at=1.5), Word(text="grüß"), Word(text=""), Footer(words=2))


async def in_pieces(*pieces, error=None):
    for piece in pieces:
        yield piece
    if error:
        raise error


def reader(types, *pieces, error=None):
    return streaming.stream_reader(types, in_pieces(*pieces, error=error))


async def all_of(types, *pieces, error=None):
    """What a reader finds: header, texts of the items, footer."""
    stream = reader(types, *pieces, error=error)
    header = await stream.read_header() if types.header_type else None
    words = [word.text async for word in stream.read_items()]
    footer = await stream.read_footer() if types.footer_type else None
    return header, words, footer


def test_the_bytes_are_those_of_truss_chains():
    assert written(FULL, Header(at=1.5), Word(text="a"), Footer(words=1)) == (
        b'\x02\x00\x00\x00\x0a{"at":1.5}\x03\x00\x00\x00\x0c{"text":"a"}\x04\x00\x00\x00\x0b{"words":1}'
    )
    assert written(MARKED, None) == b"\x05\x00\x00\x00\x00"


@given(cuts=st.lists(st.integers(min_value=0, max_value=len(WHOLE)), max_size=12))
def test_bytes_may_be_cut_anywhere(cuts):
    edges = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[start:end] for start, end in pairwise(edges)]
    assert asyncio.run(all_of(FULL, *pieces)) == (Header(at=1.5), ["grüß", ""], Footer(words=2))


async def test_single_bytes_and_bytes_like_pieces_will_do():
    pieces = [memoryview(WHOLE)[i : i + 1] for i in range(len(WHOLE))]
    assert (await all_of(FULL, *pieces))[1] == ["grüß", ""]
    assert (await all_of(FULL, bytearray(WHOLE)))[1] == ["grüß", ""]


async def test_a_stream_may_have_no_items_and_neither_header_nor_footer():
    assert await all_of(BARE) == (None, [], None)
    assert await all_of(BARE, written(BARE, Word(text="a"))) == (None, ["a"], None)
    assert await all_of(FULL, written(FULL, Header(at=0), Footer(words=0))) == (
        Header(at=0),
        [],
        Footer(words=0),
    )


async def test_items_arrive_before_the_stream_has_ended():
    go_on = asyncio.Event()

    async def slow():
        yield written(BARE, Word(text="first"))
        await go_on.wait()
        yield written(BARE, Word(text="second"))

    items = streaming.stream_reader(BARE, slow()).read_items()
    assert (await anext(items)).text == "first"
    go_on.set()
    assert (await anext(items)).text == "second"


async def test_every_cut_of_a_stream_with_a_footer_is_noticed():
    for end in range(len(WHOLE)):
        with pytest.raises(streaming.StreamCut, match="Its writer failed"):
            await all_of(FULL, WHOLE[:end])


async def test_an_end_mark_makes_cuts_between_items_noticed():
    whole = written(MARKED, Word(text="a"), Word(text="b"), None)
    assert await all_of(MARKED, whole) == (None, ["a", "b"], None)
    for end in range(len(whole)):
        with pytest.raises(streaming.StreamCut):
            await all_of(MARKED, whole[:end])


async def test_an_end_mark_may_follow_a_footer_and_be_there_without_being_asked_for():
    types = streaming.stream_types(Word, footer_type=Footer, end_mark=True)
    whole = written(types, Word(text="a"), Footer(words=1), None)
    assert (await all_of(types, whole))[1:] == (["a"], Footer(words=1))
    with pytest.raises(streaming.StreamCut, match="before its end"):
        await all_of(types, whole[:-5])
    assert (await all_of(BARE, written(MARKED, Word(text="a"), None)))[1] == ["a"]


async def test_what_the_stream_raises_goes_through_as_it_is():
    error = RuntimeError("the model fell over")
    for pieces in ([], [WHOLE[:20]], [WHOLE[:33]], [WHOLE]):
        with pytest.raises(RuntimeError) as caught:
            await all_of(FULL, *pieces, error=error)
        assert caught.value is error


async def test_text_in_place_of_bytes_says_what_to_write():
    with pytest.raises(TypeError, match=r"a str came.*-> AsyncIterator\[bytes\]"):
        await all_of(BARE, '{"text": "a"}')


async def test_bytes_that_are_no_structured_stream_are_refused():
    with pytest.raises(ValueError, match=r"begins with the byte 123. Make every piece with `stream_writer`"):
        await all_of(BARE, b'{"text": "a"}')


async def test_a_part_that_does_not_fit_its_model_names_the_field():
    body = b'{"word": 1}'
    with pytest.raises(ValidationError, match="text"):
        await all_of(BARE, struct.pack(">BI", 3, len(body)) + body)


async def test_items_wait_for_the_header_to_be_read():
    stream = reader(FULL, WHOLE)
    with pytest.raises(ValueError, match=r"Call `await read_header\(\)` first"):
        await anext(stream.read_items())
    with pytest.raises(ValueError, match=r"Call `await read_header\(\)` first"):
        await stream.read_footer()


async def test_a_header_or_footer_that_is_not_there_is_named():
    with pytest.raises(
        ValueError, match="The header is missing: the stream goes on with a part of kind item"
    ):
        await reader(FULL, written(BARE, Word(text="a"))).read_header()
    with pytest.raises(ValueError, match="ended before its header"):
        await reader(FULL).read_header()
    with pytest.raises(ValueError, match="ended before its footer"):
        await all_of(FULL, written(FULL, Header(at=0), Word(text="a")))
    with pytest.raises(ValueError, match="This stream has no header"):
        await reader(BARE).read_header()
    with pytest.raises(ValueError, match="This stream has no footer"):
        await reader(BARE).read_footer()


async def test_parts_that_the_reader_was_not_told_of_are_refused():
    with pytest.raises(ValueError, match=r"kind header. Write and read it with the same `stream_types`"):
        await all_of(BARE, WHOLE)
    with pytest.raises(ValueError, match=r"kind footer. Write and read it with the same `stream_types`"):
        await all_of(streaming.stream_types(Word, header_type=Header), WHOLE)
    with pytest.raises(ValueError, match="goes on after its end with a part of kind header"):
        await all_of(FULL, WHOLE + WHOLE)


async def test_header_and_footer_are_read_once_and_the_footer_after_the_items():
    stream = reader(FULL, WHOLE)
    await stream.read_header()
    with pytest.raises(ValueError, match="Keep what `read_header` returned"):
        await stream.read_header()
    with pytest.raises(ValueError, match="There are items left"):
        await stream.read_footer()
    assert [word.text async for word in stream.read_items()] == ["grüß", ""]
    await stream.read_footer()
    with pytest.raises(ValueError, match="Keep what `read_footer` returned"):
        await stream.read_footer()
    assert [word async for word in stream.read_items()] == []


@pytest.mark.parametrize(
    ("types", "parts", "message"),
    [
        (FULL, [Word(text="a")], "The header is missing"),
        (FULL, [Footer(words=0)], "The header is missing"),
        (FULL, [Header(at=0), Header(at=1)], "The header comes after the header"),
        (FULL, [Header(at=0), Word(text="a"), Header(at=1)], "The header comes after the item"),
        (FULL, [Header(at=0), Footer(words=0), Word(text="a")], "Yield all items before `yield_footer`"),
        (FULL, [Header(at=0), Footer(words=0), Footer(words=0)], "The footer comes after the footer"),
        (BARE, [Header(at=0)], "Give `stream_types` a `header_type`"),
        (BARE, [Footer(words=0)], "Give `stream_types` a `footer_type`"),
        (BARE, [None], r"Write `stream_types\(…, end_mark=True\)`"),
        (MARKED, [None, Word(text="a")], "Yield all items before `yield_end`"),
        (MARKED, [None, None], "The end mark comes twice"),
        (streaming.stream_types(Word, footer_type=Footer, end_mark=True), [None], "Yield the footer first"),
    ],
)
def test_parts_in_the_wrong_order_are_refused_with_what_to_do(types, parts, message):
    with pytest.raises(ValueError, match=message):
        written(types, *parts)


def test_a_part_of_another_model_is_refused():
    with pytest.raises(TypeError, match="`yield_item` takes a `Word` and got a `Header`"):
        streaming.stream_writer(BARE).yield_item(Header(at=0))


async def test_models_with_aliases_come_back():
    class Aliased(BaseModel):
        model_config = ConfigDict(serialize_by_alias=True)
        text: str = Field(alias="Text")

    class ByName(BaseModel):
        text: str = Field(alias="Text")

    for model in (Aliased, ByName):
        types = streaming.stream_types(model)
        part = streaming.stream_writer(types).yield_item(model(Text="a"))
        assert [item.text async for item in reader(types, part).read_items()] == ["a"]


class Speaker(chains.ChainletBase):
    async def run_remote(self, count: int) -> AsyncIterator[bytes]:
        writer = streaming.stream_writer(FULL)
        yield writer.yield_header(Header(at=0))
        for number in range(count):
            yield writer.yield_item(Word(text=str(number)))
        yield writer.yield_footer(Footer(words=count))


async def test_a_chainlet_writes_and_its_caller_reads():
    stream = streaming.stream_reader(FULL, Speaker().run_remote(3))
    assert (await stream.read_header()).at == 0
    assert [word.text async for word in stream.read_items()] == ["0", "1", "2"]
    assert (await stream.read_footer()).words == 3
