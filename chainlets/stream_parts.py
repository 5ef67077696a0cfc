"""The wire format of structured streams.

A part is one byte that says what it is, the length of its body in four bytes, big-endian, and the
body, JSON. Where the bytes are cut on their way does not matter.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterable
from enum import IntEnum

from chainlets.errors import ChainletsError

_PREFIX = struct.Struct(">BI")
_LONGEST = 2**32 - 1  # bytes of a body


class StreamCut(ChainletsError, ValueError):
    """A structured stream ended before it was complete."""


class Kind(IntEnum):
    """What a part is, by its first byte."""

    HEADER = 2
    ITEM = 3
    FOOTER = 4
    END = 5

    @property
    def word(self) -> str:
        """What messages call it."""
        return self.name.lower()


def pack_part(kind: Kind, body: bytes) -> bytes:
    """The bytes of one part.

    Raises:
        ValueError: the body is too long for its length to be written.
    """
    if len(body) > _LONGEST:
        raise ValueError(f"The {kind.word} has {len(body)} bytes of JSON; {_LONGEST} is the most. Split it.")
    return _PREFIX.pack(kind, len(body)) + body


class Parts:
    """Cuts a stream of bytes into parts; whatever the stream raises goes through as it is."""

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self._pieces = aiter(pieces)
        self._bytes = bytearray()

    async def peek(self) -> Kind | None:
        """What comes next; None at the end.

        Raises:
            ValueError: the bytes are no structured stream.
        """
        if not await self._have(1):
            return None
        try:
            return Kind(self._bytes[0])
        except ValueError:
            raise ValueError(
                f"These bytes are no structured stream: a part begins with the byte {self._bytes[0]}. Make every "
                "piece with `stream_writer`."
            ) from None

    async def take(self) -> bytes:
        """The body of what comes next.

        Raises:
            StreamCut: it is not whole.
        """
        end = _PREFIX.size
        if await self._have(end):
            end += _PREFIX.unpack_from(self._bytes)[1]
        if not await self._have(end):
            raise StreamCut(
                "The stream ended in the middle of a part. Its writer failed, or the connection was cut: call again."
            )
        body = bytes(self._bytes[_PREFIX.size : end])
        del self._bytes[:end]
        return body

    async def _have(self, count: int) -> bool:
        while len(self._bytes) < count:
            try:
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                return False
            if not isinstance(piece, (bytes, bytearray, memoryview)):
                raise TypeError(
                    f"A structured stream is made of bytes, and a {type(piece).__name__} came. Annotate the "
                    "`run_remote` that writes it with `-> AsyncIterator[bytes]`."
                )
            self._bytes += piece
        return True
