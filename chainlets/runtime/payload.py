"""Arguments and results of `use_binary` calls: bytes in a file, a handle in the row."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainlets.files import FileStore

_KEY = "$packed"
_MEDIA_TYPE = "application/vnd.chainlets.packed"


def to_file(data: bytes, *, files: FileStore, folder: Path, name: str) -> dict[str, Any]:
    """Put bytes into the file store; the JSON that stands for them in a row.

    Args:
        data: what `Endpoint.pack_input` or `pack_output` made.
        files: where they go; they are removed with the run's other temporary files.
        folder: for the moment between; on the file store's file system.
        name: for people who look.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as out:
        out.write(data)
    handle = files.add(Path(out.name), name=name, media_type=_MEDIA_TYPE, keep=False)
    return {_KEY: handle.model_dump(mode="json")}


def is_packed(value: Any) -> bool:
    """Whether a row's input stands for bytes in a file; no argument can have the name of the key."""
    return isinstance(value, Mapping) and value.keys() == {_KEY}


def from_file(value: Mapping[str, Any], *, files: FileStore) -> bytes:
    """The bytes that a row's input or result stands for.

    Raises:
        FileNotFoundError: the store no longer has them.
    """
    return files.path(value[_KEY]["id"]).read_bytes()
