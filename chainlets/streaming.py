"""Structured streams: a header, items and a footer, each a Pydantic model, in one stream of bytes.

A chainlet that yields bytes writes with `stream_writer`, its caller reads with `stream_reader`, and
both share what `stream_types` gives.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from pydantic import BaseModel

from chainlets.stream_parts import Kind, Parts, StreamCut, pack_part

__all__ = [
    "StreamCut",
    "StreamReader",
    "StreamTypes",
    "StreamWriter",
    "stream_reader",
    "stream_types",
    "stream_writer",
]

ItemT = TypeVar("ItemT", bound=BaseModel)
HeaderT = TypeVar("HeaderT", bound=BaseModel | None)
FooterT = TypeVar("FooterT", bound=BaseModel | None)
_H = TypeVar("_H", bound=BaseModel)
_F = TypeVar("_F", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class StreamTypes(Generic[ItemT, HeaderT, FooterT]):
    """What a stream is made of, as given to `stream_types`."""

    item_type: type[ItemT]
    header_type: type[HeaderT] | None
    footer_type: type[FooterT] | None
    end_mark: bool


@overload
def stream_types(item_type: type[ItemT], *, end_mark: bool = ...) -> StreamTypes[ItemT, None, None]: ...
@overload
def stream_types(
    item_type: type[ItemT], *, header_type: type[_H], end_mark: bool = ...
) -> StreamTypes[ItemT, _H, None]: ...
@overload
def stream_types(
    item_type: type[ItemT], *, footer_type: type[_F], end_mark: bool = ...
) -> StreamTypes[ItemT, None, _F]: ...
@overload
def stream_types(
    item_type: type[ItemT], *, header_type: type[_H], footer_type: type[_F], end_mark: bool = ...
) -> StreamTypes[ItemT, _H, _F]: ...
def stream_types(
    item_type: type[ItemT],
    *,
    header_type: type[BaseModel] | None = None,
    footer_type: type[BaseModel] | None = None,
    end_mark: bool = False,
) -> StreamTypes[ItemT, Any, Any]:
    """Say what a stream is made of.

    A reader notices a stream that was cut inside a part, and one whose footer is missing. Where
    there is no footer, an end mark lets it notice one that was cut between two items as well.

    Args:
        item_type: the model of every item.
        header_type: the model that comes first, if there is one.
        footer_type: the model that comes after the items, if there is one.
        end_mark: the writer says with `yield_end` that nothing follows, and the reader insists on it.
    """
    return StreamTypes(
        item_type=item_type, header_type=header_type, footer_type=footer_type, end_mark=end_mark
    )


class StreamWriter(Generic[ItemT, HeaderT, FooterT]):
    """Makes the bytes to yield, part by part."""

    def __init__(self, types: StreamTypes[ItemT, HeaderT, FooterT]) -> None:
        self._types = types
        self._last: Kind | None = None

    def yield_header(self, header: HeaderT) -> bytes:
        """The header's bytes; it comes before everything else.

        Raises:
            ValueError: the stream has none, or something came before.
        """
        if self._types.header_type is None:
            raise ValueError("This stream has no header. Give `stream_types` a `header_type`.")
        if self._last is not None:
            raise ValueError(
                f"The header comes after the {self._last.word}. Yield it once, before everything else."
            )
        return self._part(Kind.HEADER, self._types.header_type, header)

    def yield_item(self, item: ItemT) -> bytes:
        """One item's bytes.

        Raises:
            ValueError: the header was left out, or the footer came before.
        """
        self._check_header()
        if self._last in {Kind.FOOTER, Kind.END}:
            raise ValueError(
                f"An item comes after the {self._last.word}. Yield all items before `yield_{self._last.word}`."
            )
        return self._part(Kind.ITEM, self._types.item_type, item)

    def yield_footer(self, footer: FooterT) -> bytes:
        """The footer's bytes; it comes once, after all items.

        Raises:
            ValueError: the stream has none, the header was left out, or the footer came before.
        """
        if self._types.footer_type is None:
            raise ValueError("This stream has no footer. Give `stream_types` a `footer_type`.")
        self._check_header()
        if self._last in {Kind.FOOTER, Kind.END}:
            raise ValueError(f"The footer comes after the {self._last.word}. Yield it once, after all items.")
        return self._part(Kind.FOOTER, self._types.footer_type, footer)

    def yield_end(self) -> bytes:
        """The bytes of the end mark, the last ones.

        Raises:
            ValueError: the stream has none, or a part before it was left out.
        """
        if not self._types.end_mark:
            raise ValueError("This stream has no end mark. Write `stream_types(…, end_mark=True)`.")
        self._check_header()
        if self._last is Kind.END:
            raise ValueError("The end mark comes twice. Yield it once, as the last thing.")
        if self._types.footer_type is not None and self._last is not Kind.FOOTER:
            raise ValueError("The end mark comes without a footer before it. Yield the footer first.")
        self._last = Kind.END
        return pack_part(Kind.END, b"")

    def _check_header(self) -> None:
        if self._types.header_type is not None and self._last is None:
            raise ValueError("The header is missing. Yield `yield_header(…)` before everything else.")

    def _part(self, kind: Kind, model: type[Any], value: Any) -> bytes:
        if not isinstance(value, model):
            raise TypeError(
                f"`yield_{kind.word}` takes a `{model.__name__}` and got a `{type(value).__name__}`."
            )
        part = pack_part(kind, value.model_dump_json().encode())
        self._last = kind
        return part


class StreamReader(Generic[ItemT, HeaderT, FooterT]):
    """Reads a stream in its order: the header, the items, the footer.

    Whatever the stream of bytes raises goes through as it is.
    """

    def __init__(self, types: StreamTypes[ItemT, HeaderT, FooterT], pieces: AsyncIterable[bytes]) -> None:
        self._types = types
        self._parts = Parts(pieces)
        self._header_read = False
        self._complete = False

    async def read_header(self) -> HeaderT:
        """The header.

        Raises:
            ValueError: the stream has none, or it was read before.
            StreamCut: the stream ended before it.
        """
        if self._types.header_type is None:
            raise ValueError("This stream has no header. Give `stream_types` a `header_type`, or read none.")
        if self._header_read:
            raise ValueError("The header was read before. Keep what `read_header` returned.")
        header: HeaderT = await self._take(Kind.HEADER, self._types.header_type)
        self._header_read = True
        return header

    async def read_items(self) -> AsyncIterator[ItemT]:
        """The items, as they come.

        Raises:
            ValueError: the header was not read before, or the stream is not made of these types.
            StreamCut: the stream ended before it was complete.
        """
        self._check_header_read()
        while await self._parts.peek() is Kind.ITEM:
            yield await self._take(Kind.ITEM, self._types.item_type)
        if self._types.footer_type is None:
            await self._check_end()
        elif not self._complete:
            await self._expect(Kind.FOOTER)

    async def read_footer(self) -> FooterT:
        """The footer, once the items are read; the stream has come to its end then.

        Raises:
            ValueError: the stream has none, it was read before, or items are left.
            StreamCut: the stream ended before it.
        """
        if self._types.footer_type is None:
            raise ValueError("This stream has no footer. Give `stream_types` a `footer_type`, or read none.")
        self._check_header_read()
        if self._complete:
            raise ValueError("The footer was read before. Keep what `read_footer` returned.")
        if await self._parts.peek() is Kind.ITEM:
            raise ValueError("There are items left. Finish `async for … in read_items()` before the footer.")
        footer: FooterT = await self._take(Kind.FOOTER, self._types.footer_type)
        await self._check_end()
        return footer

    def _check_header_read(self) -> None:
        if self._types.header_type is not None and not self._header_read:
            raise ValueError("The stream begins with a header. Call `await read_header()` first.")

    async def _take(self, kind: Kind, model: type[Any]) -> Any:
        await self._expect(kind)
        # Both, since JSON of a model names its fields, and its aliases if it is set up so.
        return model.model_validate_json(await self._parts.take(), by_alias=True, by_name=True)

    async def _expect(self, kind: Kind) -> None:
        found = await self._parts.peek()
        if found is None:
            raise StreamCut(
                f"The stream ended before its {kind.word}. Its writer failed, or was cut off; if it did neither, "
                f"let it yield `yield_{kind.word}(…)`."
            )
        if found is not kind:
            raise ValueError(
                f"The {kind.word} is missing: the stream goes on with a part of kind {found.word}. Write and read "
                "it with the same `stream_types`."
            )

    async def _check_end(self) -> None:
        """See that nothing follows; what the writer raises after its last part is raised here."""
        if self._types.end_mark and not self._complete:
            await self._expect(Kind.END)
        if await self._parts.peek() is Kind.END:
            await self._parts.take()
        if (found := await self._parts.peek()) is not None:
            raise ValueError(
                f"The stream goes on after its end with a part of kind {found.word}. Write and read it with the same "
                "`stream_types`."
            )
        self._complete = True


def stream_writer(types: StreamTypes[ItemT, HeaderT, FooterT]) -> StreamWriter[ItemT, HeaderT, FooterT]:
    """A writer for one stream, to be made inside the `run_remote` that yields it."""
    return StreamWriter(types)


def stream_reader(
    types: StreamTypes[ItemT, HeaderT, FooterT], iterator: AsyncIterable[bytes]
) -> StreamReader[ItemT, HeaderT, FooterT]:
    """A reader for one stream of bytes, such as a call of a chainlet that yields them."""
    return StreamReader(types, iterator)
