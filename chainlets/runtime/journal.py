"""Names calls, so that a call made again by a later attempt of its parent is the same call.

The key is (parent invocation, chainlet, hash of the canonical input, occurrence): it does not
depend on the order in which concurrent calls were made.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

from chainlets.files import File

_FILE = File.model_fields.keys()
# `json.dumps` would make an encoder for each value.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def canonical(data: Any) -> bytes:
    """JSON with sorted keys and without white space: equal values give equal bytes."""
    return _encode(data).encode()


def input_hash(data: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal; a file counts by its content, not by its id."""
    text = canonical(data)
    if b'"sha256":' in text:
        text = canonical(_by_content(data))
    return hashlib.sha256(text).hexdigest()


def is_file(value: Any) -> bool:
    """Whether a JSON value is the handle of a stored file."""
    return isinstance(value, dict) and value.keys() == _FILE and bool(value["sha256"])


def _by_content(value: Any) -> Any:
    if is_file(value):
        return {key: entry for key, entry in value.items() if key != "id"}
    if isinstance(value, dict):
        return {key: _by_content(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_by_content(entry) for entry in value]
    return value


def call_id(*, parent: UUID, chainlet: str, digest: str, occurrence: int) -> UUID:
    """The id of a call, derived from its key.

    Args:
        parent: the calling invocation.
        chainlet: the called one's name.
        digest: `input_hash` of the input.
        occurrence: 0 for the first call of this kind in the attempt, 1 for the second, …
    """
    key = hashlib.sha256(f"{parent}|{chainlet}|{digest}|{occurrence}".encode()).digest()
    return UUID(bytes=key[:16], version=5)
