"""Values too large for a row: their JSON text lies in the file store, and the row has the file's handle.

That it has is said beside the value, in a column or an attribute of its own. An author's value may
look like anything, so nobody can tell by looking at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from chainlets.errors import ChainsRuntimeError, ChainsUsageError
from chainlets.files import FileStore

MEDIA_TYPE = "application/vnd.chainlets.value+json"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many bytes a value may have as JSON.

    Attributes:
        inline: in its row; a larger one goes to the file store.
        most: in the file store; a larger one is refused.
    """

    inline: int = 256 * 1024
    most: int = 64 * 1024**2

    def large(self, text: bytes, *, what: str) -> bool:
        """Whether a value goes to the file store.

        Raises:
            ChainsUsageError: it is too large for that as well.
        """
        size = len(text)
        if size <= self.inline:
            return False
        if size > self.most:
            msg = (
                f"{what} has {_megabytes(size)} as JSON, and {_megabytes(self.most)} are allowed. Write it to a file "
                f"with `chains.File.from_path` and return a `chains.File`, or pass one."
            )
            raise ChainsUsageError(msg)
        return True


class Held(NamedTuple):
    """What stands in a row: a value as JSON or, if it is `spilled`, the handle of the file it lies in."""

    json: Any
    spilled: bool = False


def spill(text: bytes, *, files: FileStore, name: str) -> Held:
    """Put the JSON text of a value into the file store; `name` is for people who look."""
    handle = files.put_bytes(text, name=f"{name}.json", media_type=MEDIA_TYPE)
    return Held(handle.model_dump(mode="json"), spilled=True)


def read(
    handle: Mapping[str, Any], *, files: FileStore, what: str, call: UUID, run: UUID | None = None
) -> bytes:
    """The JSON text of a value that was spilled.

    Raises:
        ChainsRuntimeError: the store no longer has it; says what it was, of which call and run.
    """
    try:
        return files.path(handle["id"]).read_bytes()
    except FileNotFoundError as error:
        raise ChainsRuntimeError(gone(what, call=call, run=run)) from error


def gone(what: str, *, call: UUID, run: UUID | None) -> str:
    """The sentence for a value whose file was removed."""
    whose = f"call {call}" if run is None else f"call {call} of run {run}"
    return f"{what} ({whose}) lay in a file, and the file is gone. Run it again."


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:.1f} MB"
