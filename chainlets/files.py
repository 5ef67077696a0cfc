"""Files: handles that travel in messages and rows in place of bytes.

A `File` names bytes that lie in a file store. Which store is decided where the code runs: the
runtime's inside a worker, a folder of the machine under `run_local` and in tests.
"""

from __future__ import annotations

import hashlib
import mimetypes
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePath
from typing import Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from chainlets.context import temporary_folder

_LOCAL = "file:"
_BLOCK = 1 << 20  # bytes read at a time
_LONGEST_ENDING = 20  # characters


class FileStore(Protocol):
    """Where a chainlet's files live."""

    def path(self, file_id: str) -> Path:
        """A local path to the bytes, good for the length of the call."""

    def add(self, path: Path, *, name: str, media_type: str, keep: bool) -> File:
        """Take the bytes of `path` into the store; `path` is gone afterwards."""

    def put_bytes(self, data: bytes, *, name: str, media_type: str) -> File:
        """Take bytes that stand for a value too large for its row; whoever writes the row records the file."""


class File(BaseModel):
    """A handle for bytes in the file store.

    Attributes:
        id: names the bytes; the only part that callers of the API send.
        name: what people call the file; never part of a path.
        size: bytes.
        media_type: such as "audio/flac".
        sha256: of the bytes, in hexadecimal.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str = ""
    size: int = 0
    media_type: str = "application/octet-stream"
    sha256: str = ""

    def path(self) -> Path:
        """A local path to the bytes, good for the length of the call.

        Raises:
            FileNotFoundError: the store no longer has them.
        """
        return _store.get().path(self.id)

    @classmethod
    def from_path(
        cls, path: Path | str, *, name: str | None = None, media_type: str | None = None, keep: bool = False
    ) -> File:
        """Put a file that a chainlet made into the store.

        Args:
            path: the bytes; they are moved, so `path` is gone afterwards.
            name: what people call it; the last part of `path` by default.
            media_type: guessed from the name by default.
            keep: it is a result for the user. Otherwise it is scratch, removed once the run succeeded.
        """
        source = Path(path)
        name = name or source.name
        kind = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return _store.get().add(source, name=name, media_type=kind, keep=keep)

    @classmethod
    def local(cls, path: Path | str, *, name: str | None = None, media_type: str | None = None) -> Self:
        """A handle for a file of this machine, for `run_local` and tests.

        Raises:
            FileNotFoundError: there is no such file.
        """
        source = Path(path).resolve(strict=True)
        name = name or source.name
        kind = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        size = source.stat().st_size
        return cls(id=f"{_LOCAL}{source}", name=name, size=size, media_type=kind, sha256=_sha256(source))

    @model_validator(mode="before")
    @classmethod
    def _from_id(cls, value: Any) -> Any:
        resolve = _resolver.get()
        if isinstance(value, cls):
            return value
        if resolve is not None:
            # At the API's door only the id is believed: whoever sends a whole handle could
            # otherwise name somebody else's bytes.
            file_id = value.get("id") if isinstance(value, dict) else value
            if not isinstance(file_id, str):
                msg = "send the id of an uploaded file"
                raise ValueError(msg)
            return dict(resolve(file_id))
        if isinstance(value, str):
            return dict(cls.local(value.removeprefix(_LOCAL)))
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if handler.mode == "validation":
            return {
                "type": "string",
                "format": "file",
                "title": "File",
                "description": "id of an uploaded file",
            }
        return handler(schema)


class LocalFileStore:
    """Files of this machine, and a temporary folder for those that chainlets make."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def path(self, file_id: str) -> Path:
        """The path that the id names."""
        return Path(file_id.removeprefix(_LOCAL)).resolve(strict=True)

    def add(self, path: Path, *, name: str, media_type: str, keep: bool) -> File:  # noqa: ARG002 (all are kept until the process ends)
        """Move the bytes into the temporary folder."""
        target = self._place(name)
        shutil.move(path, target)
        return File.local(target, name=name, media_type=media_type)

    def put_bytes(self, data: bytes, *, name: str, media_type: str) -> File:
        """Write the bytes into the temporary folder."""
        target = self._place(name)
        target.write_bytes(data)
        return File.local(target, name=name, media_type=media_type)

    def _place(self, name: str) -> Path:
        if self._folder is None:
            self._folder = temporary_folder()
        target = self._folder / uuid.uuid4().hex / name_on_disk(name)
        target.parent.mkdir()
        return target


def name_on_disk(name: str) -> str:
    """Where names lead nowhere: `content`, with the ending by which some libraries tell formats."""
    ending = PurePath(name).suffix
    return f"content{ending}" if len(ending) <= _LONGEST_ENDING and ending.isprintable() else "content"


_store: ContextVar[FileStore] = ContextVar("chainlets_file_store", default=LocalFileStore())  # noqa: B039 (one per process is meant)
_resolver: ContextVar[Callable[[str], File] | None] = ContextVar("chainlets_file_resolver", default=None)


def current_file_store() -> FileStore:
    """The store that `File` finds and puts bytes in here."""
    return _store.get()


@contextmanager
def use_file_store(store: FileStore) -> Iterator[None]:
    """Let `File` find and put bytes in `store` inside the block."""
    token = _store.set(store)
    try:
        yield
    finally:
        _store.reset(token)


@contextmanager
def resolve_files(resolve: Callable[[str], File]) -> Iterator[None]:
    """Believe only ids inside the block, and look each one up with `resolve`.

    Args:
        resolve: gives the handle for an id, or raises ValueError with a sentence for the caller.
    """
    token = _resolver.set(resolve)
    try:
        yield
    finally:
        _resolver.reset(token)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
