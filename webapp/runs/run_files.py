"""The file store as the code of one call sees it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from uuid import UUID, uuid5

from django.db import connection

import chainlets
from webapp.files.errors import FileNotFound
from webapp.files.services import as_handle, local_path, put_value, store_local
from webapp.runs.models import Run

# Django refuses database work on a thread that runs an event loop, and chainlets do run on one.
_threads = ThreadPoolExecutor(2, thread_name_prefix="run-files")


class RunFiles:
    """Finds a run's files and takes those that one attempt of a call makes.

    A file's id follows from the call and from what the file is, so an attempt that makes again what an earlier one
    made gets the same handle: what it streams or returns is the same, and nothing lies in the store twice.
    """

    def __init__(self, run_id: UUID, call_id: UUID) -> None:
        self._run_id = run_id
        self._call_id = call_id
        self._lock = Lock()
        self._made: Counter[str] = Counter()  # how many of the same there are, by what they are

    def path(self, file_id: str) -> Path:
        """Where the bytes lie.

        Raises:
            FileNotFoundError: they are gone.
        """
        try:
            return local_path(file_id=file_id)
        except FileNotFound as error:
            raise FileNotFoundError(f"The bytes of the file {file_id[:60]!r} are gone.") from error

    def add(self, path: Path, *, name: str, media_type: str, keep: bool) -> chainlets.File:
        """Move a file into the store, as the run's own. What is there already is not put in again."""
        return _threads.submit(self._add, path, name, media_type, keep).result()

    def put_bytes(self, data: bytes, *, name: str, media_type: str) -> chainlets.File:
        """Put a value into the store; its file is recorded with the row that names it."""
        return put_value(data, name=name, media_type=media_type)

    def _add(self, path: Path, name: str, media_type: str, keep: bool) -> chainlets.File:  # noqa: FBT001 (from `add` only)
        def name_by(sha256: str) -> UUID:
            # Files that are the same in all of this may change places, as on threads they do; no others.
            what = f"{sha256} {name!r} {media_type!r} {keep}"
            with self._lock:
                self._made[what] += 1
                return uuid5(self._call_id, f"file {self._made[what]} {what}")

        try:
            owner_id = Run.objects.values_list("owner_id", flat=True).get(id=self._run_id)
            stored = store_local(
                run_id=self._run_id,
                owner_id=owner_id,
                path=path,
                name=name,
                media_type=media_type,
                keep=keep,
                name_by=name_by,
            )
            return as_handle(stored)
        finally:
            connection.close()
