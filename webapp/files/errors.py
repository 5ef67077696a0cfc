"""What the file store refuses.

WebappError
├─ FileRejected        the bytes are not taken; nothing of them is kept
│  ├─ FileEmpty        422
│  ├─ FileMissing      422: the request holds no file
│  ├─ FileTooLarge     413
│  ├─ NotAudio         415
│  └─ UploadBroken     400
├─ FileInUse           409
├─ StoreFull           507
└─ NotFound
   └─ FileNotFound     404
"""

from webapp.errors import NotFound, WebappError

_STEP = 1024


class FileRejected(WebappError):
    """This file cannot be taken."""

    status = 422
    code = "file_rejected"


class FileEmpty(FileRejected):
    """The file is empty. Choose one that holds a recording."""

    code = "file_empty"


class FileMissing(FileRejected):
    """No file came with the request. Send one as multipart/form-data in the field `file`."""

    code = "file_missing"


class FileTooLarge(FileRejected):
    """The file is larger than this server takes."""

    status = 413
    code = "file_too_large"

    def __init__(self, *, limit: int) -> None:
        """Name the limit, in bytes."""
        self.limit = limit
        super().__init__(f"The file is larger than {readable_size(limit)}, the most this server takes.")


class NotAudio(FileRejected):
    """This is not a sound or video file that we know. WAV, MP3, FLAC, Ogg, M4A, MP4, MKV and WebM work."""

    status = 415
    code = "not_audio"


class UploadBroken(FileRejected):
    """The upload ended before the file did. Send it again."""

    status = 400
    code = "upload_broken"


class FileInUse(WebappError):
    """A run that has not ended yet uses this file. Cancel the run first, or wait for it."""

    status = 409
    code = "file_in_use"


class StoreFull(WebappError):
    """The server's disk is full, so the file could not be stored. Nothing of it was kept."""

    status = 507
    code = "store_full"


class FileNotFound(NotFound):
    """There is no file with this id. Upload it first, then send the id you get."""

    code = "file_not_found"


def readable_size(size: int) -> str:
    """Bytes as people write them: 512 bytes, 1.5 MiB, 4 GiB."""
    amount, unit = float(size), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < _STEP:
            break
        amount, unit = amount / _STEP, larger
    return f"{amount:.1f}".removesuffix(".0") + f" {unit}"
