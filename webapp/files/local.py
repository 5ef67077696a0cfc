"""The file store on a local folder: one private folder per file, named by its id.

`<FILES_DIR>/<first two of the id>/<id>/content` holds the bytes and nothing else lies beside them, so
whatever a decoder is tricked into opening next to its input does not exist.
"""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings

from chainlets.chains.transcribe.sniff import SNIFF_BYTES, sniff
from webapp.files.errors import FileEmpty, FileTooLarge, NotAudio, StoreFull

_BLOCK = 1 << 20  # bytes
_STALE = 24 * 3600  # seconds after which an unfinished upload belongs to a dead process


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Bytes that are complete and in place."""

    id: UUID
    size: int  # bytes
    sha256: str
    media_type: str


def content_path(file_id: UUID) -> Path:
    """Where the bytes of this file lie, whether or not they do."""
    return _folder(file_id) / "content"


def remove(file_id: UUID) -> None:
    """Delete the bytes; it is fine if they are gone already."""
    shutil.rmtree(_folder(file_id), ignore_errors=True)


class Incoming:
    """Bytes on their way in. End it with `finish`, or with `discard`, which leaves nothing behind."""

    def __init__(self, *, limit: int) -> None:
        """Make a private folder for at most `limit` bytes."""
        self._id = uuid4()
        self._limit = limit
        self._size = 0
        self._head = b""
        self._media_type = ""
        self._digest = hashlib.sha256()
        with _disk_errors():
            _remove_stale()
            self._draft = _incoming() / str(self._id)
            self._draft.mkdir(parents=True, mode=0o700)
            self._sink = (self._draft / "content").open("xb")

    def write(self, chunk: bytes) -> None:
        """Take some bytes; refuse as soon as they are too many or turn out not to be sound.

        Raises:
            FileTooLarge, NotAudio, StoreFull
        """
        self._size += len(chunk)
        if self._size > self._limit:
            raise FileTooLarge(limit=self._limit)
        if not self._media_type:
            self._head += chunk[: SNIFF_BYTES - len(self._head)]
            if len(self._head) >= SNIFF_BYTES:
                self._recognise()
        self._digest.update(chunk)
        with _disk_errors():
            self._sink.write(chunk)

    def finish(self) -> Stored:
        """Put the bytes in their place, safe against a power cut.

        Raises:
            FileEmpty, NotAudio, StoreFull
        """
        if self._size == 0:
            raise FileEmpty
        if not self._media_type:
            self._recognise()
        with _disk_errors():
            self._sink.flush()
            os.fsync(self._sink.fileno())
            self._sink.close()
            _move_folder(self._draft, _folder(self._id))
        return Stored(
            id=self._id, size=self._size, sha256=self._digest.hexdigest(), media_type=self._media_type
        )

    def discard(self) -> None:
        """Remove what has been written so far; after `finish` it does nothing."""
        with suppress(OSError):
            self._sink.close()
        shutil.rmtree(self._draft, ignore_errors=True)

    def _recognise(self) -> None:
        container = sniff(self._head)
        if container is None:
            raise NotAudio
        self._media_type = container.media_type


def take(path: Path, *, media_type: str, name_by: Callable[[str], UUID] = lambda _sha256: uuid4()) -> Stored:
    """Move a finished file of this machine into the store; `path` is gone afterwards.

    Args:
        path: the bytes.
        media_type: as its maker says.
        name_by: gives the id, from the sha256 of the bytes. Bytes that lie under it already stay as they are:
            they are the same.
    """
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
            size += len(block)
        os.fsync(source.fileno())
    file_id = name_by(digest.hexdigest())
    draft = _incoming() / str(uuid4())  # two attempts may bring the same file at once
    with _disk_errors():
        if _is_here(file_id):
            path.unlink()
        else:
            draft.mkdir(parents=True, mode=0o700)
            shutil.move(path, draft / "content")
            _move_in(draft, file_id)
    return Stored(id=file_id, size=size, sha256=digest.hexdigest(), media_type=media_type)


def put(data: bytes, *, media_type: str) -> Stored:
    """Write bytes of our own into the store."""
    file_id = uuid4()
    draft = _incoming() / str(file_id)
    try:
        with _disk_errors():
            draft.mkdir(parents=True, mode=0o700)
            with (draft / "content").open("xb") as sink:
                sink.write(data)
                sink.flush()
                os.fsync(sink.fileno())
            _move_folder(draft, _folder(file_id))
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    digest = hashlib.sha256(data).hexdigest()
    return Stored(id=file_id, size=len(data), sha256=digest, media_type=media_type)


def link(file_id: UUID) -> UUID:
    """Give the same bytes a second id, under which they stay when the first is removed.

    Raises:
        FileNotFoundError: they are not here.
    """
    other_id = uuid4()
    draft = _incoming() / str(other_id)
    with _disk_errors():
        draft.mkdir(parents=True, mode=0o700)
        try:
            _link(content_path(file_id), draft / "content")
        except FileNotFoundError:
            draft.rmdir()
            raise
        _move_folder(draft, _folder(other_id))
    return other_id


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}:
            raise
        shutil.copyfile(source, target)  # a file system without links


def _folder(file_id: UUID) -> Path:
    name = str(file_id)
    return Path(settings.FILES_DIR) / name[:2] / name


def _incoming() -> Path:
    return Path(settings.FILES_DIR) / "incoming"


def _is_here(file_id: UUID) -> bool:
    """Whether the bytes lie in their place, which only complete ones do.

    They count as new again, so that nobody clears them before their row is there.
    """
    try:
        os.utime(_folder(file_id))
    except FileNotFoundError:
        return False
    return True


def _move_in(draft: Path, file_id: UUID) -> None:
    try:
        _move_folder(draft, _folder(file_id))
    except OSError:
        if not _is_here(file_id):
            raise
        shutil.rmtree(draft, ignore_errors=True)  # another attempt was first, with the same bytes


def _move_folder(draft: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale() -> None:
    """Clear what killed processes left half-written."""
    oldest = time.time() - _STALE
    for draft in _incoming().glob("*"):
        with suppress(OSError):
            if max(draft.stat().st_mtime, (draft / "content").stat().st_mtime) < oldest:
                shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreFull from error
        raise
