"""Values as bytes, for calls made with `use_binary`: arrays and byte strings travel as they are.

Layout: four bytes with the length of a JSON text, big-endian, the JSON text, then the raw buffers one
after another. In the JSON an object with the single key `_BUFFER` stands for a buffer; a key of the
value itself that begins with `$` has a second one.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

_BUFFER = "$buffer"
_LENGTH = struct.Struct(">I")


def pack(value: Any) -> bytes:
    """Write a tree of plain Python values, byte strings and numpy arrays."""
    buffers = _Buffers()
    text = json.dumps(_without_buffers(value, buffers), ensure_ascii=False).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *buffers.parts])


def unpack(data: bytes) -> Any:
    """The tree that `pack` wrote.

    Raises:
        ValueError: the bytes are not from `pack`, or were cut.
    """
    if len(data) < _LENGTH.size:
        raise ValueError("packed data is cut")
    end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    try:
        tree = json.loads(data[_LENGTH.size : end])
    except ValueError as error:
        raise ValueError("packed data is cut") from error
    return _with_buffers(tree, memoryview(data)[end:])


class _Buffers:
    """Raw bytes, one after another."""

    def __init__(self) -> None:
        self.parts: list[bytes | memoryview] = []
        self._size = 0

    def add(self, part: bytes | memoryview) -> tuple[int, int]:
        """Append one; where it begins, and its length."""
        begin, self._size = self._size, self._size + len(part)
        self.parts.append(part)
        return begin, len(part)


def _without_buffers(value: Any, buffers: _Buffers) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return {_BUFFER: buffers.add(bytes(value))}
    if _is_array(value):
        import numpy as np

        whole = np.ascontiguousarray(value)
        place = buffers.add(whole.reshape(-1).view(np.uint8).data)
        return {_BUFFER: [*place, whole.dtype.str, list(value.shape)]}
    if isinstance(value, Mapping):
        return {_escaped(_key(key)): _without_buffers(item, buffers) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_without_buffers(item, buffers) for item in value]
    return to_jsonable_python(value)


def _with_buffers(value: Any, rest: memoryview) -> Any:
    if isinstance(value, list):
        return [_with_buffers(item, rest) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() != {_BUFFER}:
        return {_unescaped(key): _with_buffers(item, rest) for key, item in value.items()}
    start, length, *array = value[_BUFFER]
    if start + length > len(rest):
        raise ValueError("packed data is cut")
    raw = bytes(rest[start : start + length])
    if not array:
        return raw
    import numpy as np

    dtype, shape = array
    return np.frombuffer(bytearray(raw), dtype=np.dtype(dtype)).reshape(shape)


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _escaped(key: str) -> str:
    """A key that is never `_BUFFER`."""
    return f"${key}" if key.startswith("$") else key


def _unescaped(key: str) -> str:
    return key.removeprefix("$")


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(to_jsonable_python(key))
