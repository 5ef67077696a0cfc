"""Files come in, are found and are removed here."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

import chainlets
from webapp.files import local
from webapp.files.errors import FileInUse, FileNotFound
from webapp.files.models import File
from webapp.files.names import clean_name


def store_upload(*, owner: User, name: str, chunks: Iterable[bytes]) -> File:
    """Stream bytes into the store and record the file; on any error nothing stays behind.

    Raises:
        FileRejected: empty, too large or not audio.
        StoreFull: the disk has no room.
    """
    incoming = local.Incoming(limit=settings.MAX_UPLOAD_BYTES)
    try:
        for chunk in chunks:
            incoming.write(chunk)
        return record_upload(owner=owner, name=name, incoming=incoming)
    finally:
        incoming.discard()


def record_upload(*, owner: User, name: str, incoming: local.Incoming) -> File:
    """Complete what has come in and record it as the owner's file."""
    return _record(incoming.finish(), owner_id=owner.pk, run_id=None, name=name, keep=True)


def store_local(
    *,
    run_id: UUID | None,
    owner_id: int,
    path: Path,
    name: str,
    media_type: str,
    keep: bool,
    name_by: Callable[[str], UUID] | None = None,
) -> File:
    """Move a file that a run made into the store.

    Args:
        run_id: the run that made it.
        owner_id: whose it is.
        path: the bytes; gone afterwards.
        name: for people.
        media_type: as its maker says; uploads are sniffed, our own chains are believed.
        keep: a result for the user, else scratch that goes when the run is done with it.
        name_by: gives the id, from the sha256 of the bytes. Storing the same again is harmless then, also
            after an attempt that died between disk and row. By default the id is new.
    """
    if name_by is None:
        stored = local.take(path, media_type=media_type)
        return _record(stored, owner_id=owner_id, run_id=run_id, name=name, keep=keep)
    stored = local.take(path, media_type=media_type, name_by=name_by)
    # If the row cannot be written the bytes stay: an attempt that was here before may need them, and
    # bytes without a row are cleared in time.
    file, _ = File.objects.get_or_create(
        id=stored.id, defaults=_columns(stored, owner_id=owner_id, run_id=run_id, name=name, keep=keep)
    )
    return file


def put_value(data: bytes, *, name: str, media_type: str) -> chainlets.File:
    """Put bytes into the store whose file is recorded later, by `record_value`, or never: then they are cleared."""
    stored = local.put(data, media_type=media_type)
    return chainlets.File.model_construct(
        id=str(stored.id),
        name=clean_name(name),
        size=stored.size,
        media_type=media_type,
        sha256=stored.sha256,
    )


def record_value(handle: Mapping[str, Any], *, run_id: UUID, owner_id: int) -> None:
    """Record what `put_value` put in, as the run's; in the transaction that writes the row with its handle."""
    File.objects.create(run_id=run_id, owner_id=owner_id, **handle)


def local_path(*, file_id: str) -> Path:
    """Where the bytes lie on this machine.

    Raises:
        FileNotFound: they are not here.
    """
    path = local.content_path(_uuid(file_id))
    if not path.is_file():
        raise FileNotFound
    return path


def handle(*, owner_id: int, file_id: str) -> chainlets.File:
    """What chains get of a file.

    Raises:
        FileNotFound: no such file, or it is somebody else's.
    """
    file = File.objects.filter(id=_uuid(file_id), owner_id=owner_id).first()
    if file is None:
        raise FileNotFound
    return as_handle(file)


def as_handle(file: File) -> chainlets.File:
    """The handle of a file's row."""
    return chainlets.File.model_construct(
        id=str(file.id),
        name=file.name,
        size=file.size,
        media_type=file.media_type,
        sha256=file.sha256,
    )


def delete_file(*, file: File) -> None:
    """Remove a file at its owner's wish.

    Raises:
        FileInUse: a run that has not ended needs it.
    """
    with transaction.atomic():
        if file.id in _in_use(owner_id=file.owner_id):
            raise FileInUse
        _delete(File.objects.filter(pk=file.pk))


def delete_scratch(*, run_id: UUID) -> None:
    """Remove what the run made for itself; its kept results stay."""
    _delete(File.objects.filter(run_id=run_id, keep=False))


def delete_files_of(*, run_id: UUID) -> None:
    """Remove everything the run made."""
    _delete(File.objects.filter(run_id=run_id))


def file_ids_in(value: Any) -> set[UUID]:
    """Every id in a run's input or output that may be a file's."""
    match value:
        case str():
            try:
                return {UUID(value)}
            except ValueError:
                return set()
        case dict():
            return {found for entry in value.values() for found in file_ids_in(entry)}
        case list():
            return {found for entry in value for found in file_ids_in(entry)}
        case _:
            return set()


def _record(stored: local.Stored, *, owner_id: int, run_id: UUID | None, name: str, keep: bool) -> File:
    columns = _columns(stored, owner_id=owner_id, run_id=run_id, name=name, keep=keep)
    try:
        return File.objects.create(id=stored.id, **columns)
    except BaseException:
        local.remove(stored.id)
        raise


def _columns(
    stored: local.Stored, *, owner_id: int, run_id: UUID | None, name: str, keep: bool
) -> dict[str, Any]:
    return {
        "owner_id": owner_id,
        "run_id": run_id,
        "name": clean_name(name),
        "size": stored.size,
        "media_type": stored.media_type,
        "sha256": stored.sha256,
        "keep": keep,
    }


def _delete(files: QuerySet[File]) -> None:
    """Rows first, bytes once that is certain: a row without bytes would be a lie."""
    with transaction.atomic():
        ids = list(files.values_list("id", flat=True))
        File.objects.filter(id__in=ids).delete()
        transaction.on_commit(lambda: _remove_bytes(ids))


def _remove_bytes(ids: Iterable[UUID]) -> None:
    for file_id in ids:
        local.remove(file_id)


def _in_use(*, owner_id: int) -> set[UUID]:
    from webapp.runs.models import Run

    inputs = Run.objects.filter(owner_id=owner_id, state__in=("queued", "running")).values_list(
        "input", flat=True
    )
    return {found for value in inputs for found in file_ids_in(value)}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise FileNotFound from error
