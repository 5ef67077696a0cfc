"""The file store as the code of one run sees it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

from django.db import connection

import chainlets
from webapp.files.errors import FileNotFound
from webapp.files.services import as_handle, local_path, put_value, store_local
from webapp.runs.models import Run

# Django refuses database work on a thread that runs an event loop, and chainlets do run on one.
_threads = ThreadPoolExecutor(2, thread_name_prefix="run-files")


class RunFiles:
    """Finds a run's files and takes those that its chainlets make."""

    def __init__(self, run_id: UUID) -> None:
        self._run_id = run_id

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
        """Move a file into the store, as the run's own."""
        call = chainlets.info()
        maker = f"{call.invocation_id} {name}" if call is not None else None
        return _threads.submit(self._add, path, name, media_type, keep, maker).result()

    def put_bytes(self, data: bytes, *, name: str, media_type: str) -> chainlets.File:
        """Put a value into the store; its file is recorded with the row that names it."""
        return put_value(data, name=name, media_type=media_type)

    def _add(
        self,
        path: Path,
        name: str,
        media_type: str,
        keep: bool,  # noqa: FBT001 (from `add` only)
        maker: str | None,
    ) -> chainlets.File:
        try:
            owner_id = Run.objects.values_list("owner_id", flat=True).get(id=self._run_id)
            stored = store_local(
                run_id=self._run_id,
                owner_id=owner_id,
                path=path,
                name=name,
                media_type=media_type,
                keep=keep,
                maker=maker,
            )
            return as_handle(stored)
        finally:
            connection.close()
