"""A file store that lasts as long as a test."""

from __future__ import annotations

import mimetypes
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from chainlets.context import temporary_folder
from chainlets.files import File, name_on_disk, use_file_store


class MemoryFileStore:
    """Keeps files of a test; `File` finds and puts its bytes here inside the block.

        with testing.MemoryFileStore() as files:
            result = await Upper().run_remote(files.put(b"hello", name="a.txt"))
            assert files.content(result) == b"HELLO"

    The bytes lie in a temporary folder, which is removed at the end of the block. Files of the same
    content and name are equal, so a result may be compared with one that was put here.

    Attributes:
        kept: results that chainlets made for the user, in order.
        scratch: what they made for the length of a run.
    """

    def __init__(self) -> None:
        self.kept: list[File] = []
        self.scratch: list[File] = []
        self._folder = temporary_folder()
        self._block = ExitStack()

    def __enter__(self) -> Self:
        self._block.callback(shutil.rmtree, self._folder)
        self._block.enter_context(use_file_store(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._block.__exit__(kind, error, trace)

    def put(self, content: bytes | str, *, name: str = "file.bin", media_type: str | None = None) -> File:
        """A file with this content, as somebody might have uploaded it.

        Args:
            content: text is written as UTF-8.
            name: what people call it; the media type is guessed from it unless given.
            media_type: such as "audio/flac".
        """
        data = content.encode() if isinstance(content, str) else content
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as out:
            out.write(data)
        kind = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self._take(Path(out.name), name=name, media_type=kind)

    def content(self, file: File) -> bytes:
        """The bytes of a file.

        Raises:
            FileNotFoundError: they are gone.
        """
        return self.path(file.id).read_bytes()

    def path(self, file_id: str) -> Path:
        """Where the bytes lie; also those of `File.local`.

        Raises:
            FileNotFoundError: they are gone.
        """
        return Path(file_id.removeprefix("file:")).resolve(strict=True)

    def add(self, path: Path, *, name: str, media_type: str, keep: bool) -> File:
        """Take a file that a chainlet made."""
        file = self._take(path, name=name, media_type=media_type)
        (self.kept if keep else self.scratch).append(file)
        return file

    def put_bytes(self, data: bytes, *, name: str, media_type: str) -> File:
        """Take a value that is too large for a row; it is neither kept nor scratch."""
        return self.put(data, name=name, media_type=media_type)

    def _take(self, path: Path, *, name: str, media_type: str) -> File:
        target = self._folder / File.local(path).sha256 / name_on_disk(name)
        target.parent.mkdir(exist_ok=True)
        shutil.move(path, target)
        return File.local(target, name=name, media_type=media_type)
