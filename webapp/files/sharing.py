"""Gives a run files of its own in place of another's, without copying the bytes."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json

from chainlets.runtime.journal import is_file
from webapp.files import local
from webapp.files.errors import FileNotFound
from webapp.files.models import File
from webapp.files.services import as_handle


class SharedFiles:
    """Files of one owner that a run takes over from others.

    Bytes are linked as soon as a value is taken; `record` writes the rows, `discard` takes the links
    back. Then no run's end or deletion touches what another one has.
    """

    def __init__(self, *, owner_id: int, run_id: UUID) -> None:
        """Begin without any."""
        self._owner_id = owner_id
        self._run_id = run_id
        self._ours: dict[str, File] = {}

    def take(self, value: Any, *, spilled: bool = False) -> Any:
        """A result with the handles of our own files in it.

        Args:
            value: as it stands in its row.
            spilled: it is the handle of the file that the result lies in.

        Raises:
            FileNotFound: one of its files is gone, or belongs to somebody else.
        """
        self._link(dict.fromkeys(found["id"] for found in _handles(value)))
        ours = self._renamed(value)
        return self._rewritten(ours) if spilled else ours

    def _rewritten(self, handle: dict[str, Any]) -> dict[str, Any]:
        """The handle of a spilled result that is ours; in place of it another, if other files are named in it."""
        text = local.content_path(UUID(handle["id"])).read_bytes()
        if b'"sha256":' not in text:
            return handle
        value = from_json(text)
        ours = self.take(value)
        if ours == value:
            return handle
        shared = next(key for key, file in self._ours.items() if str(file.id) == handle["id"])
        file = self._ours[shared]
        stored = local.put(to_json(ours), media_type=file.media_type)
        local.remove(file.id)
        file.id, file.size, file.sha256 = stored.id, stored.size, stored.sha256
        return as_handle(file).model_dump(mode="json")

    def record(self) -> None:
        """Write the rows of what was taken; inside the transaction that writes who refers to them."""
        File.objects.bulk_create(self._ours.values())

    def discard(self) -> None:
        """Undo everything."""
        for file in self._ours.values():
            local.remove(file.id)
        self._ours = {}

    def _link(self, ids: Iterable[str]) -> None:
        wanted = [file_id for file_id in ids if file_id not in self._ours]
        if not wanted:
            return
        try:
            known = File.objects.filter(owner_id=self._owner_id, id__in=[UUID(file_id) for file_id in wanted])
        except ValueError as error:
            raise FileNotFound from error
        theirs = {str(file.id): file for file in known}
        if len(theirs) < len(wanted):
            raise FileNotFound
        for file_id in wanted:
            file = theirs[file_id]
            try:
                file.id = local.link(file.id)
            except FileNotFoundError as error:
                raise FileNotFound from error
            file.run_id = self._run_id
            self._ours[file_id] = file

    def _renamed(self, value: Any) -> Any:
        if is_file(value):
            return as_handle(self._ours[value["id"]]).model_dump(mode="json")
        if isinstance(value, dict):
            return {key: self._renamed(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._renamed(entry) for entry in value]
        return value


def _handles(value: Any) -> Iterator[dict[str, Any]]:
    if is_file(value):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _handles(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _handles(entry)
