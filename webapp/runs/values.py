"""What calls were given and what they gave, wherever it lies: in the row, or in a file if it was too large for one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from pydantic_core import from_json

from chainlets.runtime.spilling import MEDIA_TYPE, gone
from webapp.errors import WebappError
from webapp.files import local
from webapp.files.errors import FileNotFound
from webapp.files.services import local_path, put_value
from webapp.runs.models import INPUT_SPILLED, RESULT_SPILLED, Invocation, Run
from webapp.runs.rows import as_text

#: Bytes of values from files that an answer with many rows has at most.
PAGE_BYTES = 32 * 1024**2


class ValueGone(WebappError):
    """A value lay in a file, and the file is gone."""

    status = 410
    code = "value_gone"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What a row has of a value.

    Attributes:
        json: the value or, if it is `spilled`, its file's handle.
        said: what to tell whoever wants it when the file is gone.
    """

    json: Any
    spilled: bool
    said: str

    def value(self) -> Any:
        """The value.

        Raises:
            ValueGone
        """
        if not self.spilled:
            return self.json
        try:
            return from_json(self._path().read_bytes())
        except FileNotFoundError as error:
            raise ValueGone(self.said) from error

    @property
    def size(self) -> int:
        """Bytes of its file; none if it stands in its row."""
        return int(self.json["size"]) if self.spilled else 0

    def missing(self) -> str | None:
        """Why it cannot be had, if it cannot."""
        if self.spilled:
            try:
                self._path()
            except ValueGone as error:
                return error.detail
        return None

    def _path(self) -> Path:
        try:
            return local_path(file_id=self.json["id"])
        except FileNotFound as error:
            raise ValueGone(self.said) from error


def beyond(rows: Iterable[tuple[UUID, Iterable[Stored]]], *, room: int = PAGE_BYTES) -> set[UUID]:
    """Of the rows of a page, those whose values would make it too large; never the first."""
    hidden: set[UUID] = set()
    for place, (id, values) in enumerate(rows):
        size = sum(stored.size for stored in values)
        if place and size > room:
            hidden.add(id)
        else:
            room -= size
    return hidden


def output_of(run: Run) -> Stored:
    """The entrypoint's value; of None if there is none yet."""
    said = f"The output of run {run.id} lay in a file, and the file is gone. Run it again."
    return Stored(json=run.output, spilled=run.output_spilled, said=said)


def input_of(call: Invocation) -> Stored:
    """What it was called with."""
    said = gone(f"The input of `{call.chainlet}`", call=call.id, run=call.run_id)
    return Stored(json=call.input, spilled=bool(call.spilled & INPUT_SPILLED), said=said)


def result_of(call: Invocation) -> Stored:
    """What it gave; of None if it has not."""
    said = gone(f"The result of `{call.chainlet}`", call=call.id, run=call.run_id)
    return Stored(json=call.result, spilled=bool(call.spilled & RESULT_SPILLED), said=said)


@contextmanager
def root_input(arguments: dict[str, Any], *, chainlet: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """What the row of a root has of its input, as text, and the handle of its file if it needs one.

    If the block breaks, no file is left.
    """
    text = as_text(arguments)
    data = text.encode()
    if len(data) <= settings.VALUE_INLINE_BYTES:
        yield text, None
        return
    file = put_value(data, name=f"input of {chainlet}.json", media_type=MEDIA_TYPE)
    handle = file.model_dump(mode="json")
    try:
        yield as_text(handle), handle
    except BaseException:
        local.remove(UUID(file.id))
        raise
