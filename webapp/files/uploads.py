"""Takes one file out of a multipart body while the body arrives."""

from typing import Any, NoReturn

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from webapp.files.errors import FileMissing, FileRejected, FileTooLarge, UploadBroken
from webapp.files.local import Incoming
from webapp.files.models import File
from webapp.files.services import record_upload

FIELD = "file"
_FRAMING = 64 * 1024  # bytes of multipart around the file that a declared length may include


def receive_upload(*, owner: User, request: HttpRequest) -> File:
    """Read the request's body as it comes and store the file in its field `file`.

    Raises:
        FileRejected: there is no file, or it is empty, too large, cut off or not audio.
        StoreFull: the disk has no room.
    """
    declared = int(request.META.get("CONTENT_LENGTH") or 0)
    if declared > settings.MAX_UPLOAD_BYTES + _FRAMING:
        raise FileTooLarge(limit=settings.MAX_UPLOAD_BYTES)
    to_disk = _ToDisk(limit=settings.MAX_UPLOAD_BYTES)
    # Django's parser takes a missing length, as chunked requests have, for an empty body.
    meta = {**request.META, "CONTENT_LENGTH": str(declared or 1)}
    try:
        MultiPartParser(meta, request, [to_disk], "utf-8").parse()
        if to_disk.incoming is None or not to_disk.complete:
            raise FileMissing
        return record_upload(owner=owner, name=to_disk.name, incoming=to_disk.incoming)
    except (MultiPartParserError, SuspiciousOperation) as error:
        raise FileMissing from error
    except UnreadablePostError as error:
        raise UploadBroken from error
    finally:
        if to_disk.incoming is not None:
            to_disk.incoming.discard()


class _ToDisk(FileUploadHandler):
    """Hands the bytes of one file to the store, and refuses a second file."""

    chunk_size = 1 << 18  # bytes

    def __init__(self, *, limit: int) -> None:
        super().__init__()
        self.incoming: Incoming | None = None
        self.complete = False
        self.name = ""
        self._limit = limit

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name, *args, **kwargs)
        if field_name != FIELD:
            raise FileMissing
        if self.incoming is not None:
            message = "Send one file in each request."
            raise FileRejected(message)
        self.name = file_name
        self.incoming = Incoming(limit=self._limit)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002 (Django's signature)
        assert self.incoming is not None
        self.incoming.write(raw_data)

    def file_complete(self, file_size: int) -> None:  # noqa: ARG002
        self.complete = True

    def upload_interrupted(self) -> NoReturn:
        raise UploadBroken
