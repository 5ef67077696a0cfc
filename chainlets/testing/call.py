"""A call that is under way only for a test, and what a chainlet said in it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainlets.context import CallInfo, current_call
from chainlets.errors import ChainsUsageError


@dataclass(frozen=True, kw_only=True)
class ProgressStep:
    """One `chains.progress(done, total, message)`."""

    done: float
    total: float
    message: str


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One `chains.log(message, level=…, **fields)`."""

    level: str
    message: str
    fields: dict[str, Any]


class RecordedCall:
    """What was said in a call, each kind in the order it came.

    Attributes:
        info: what `chains.info()` gives.
        partials: what was given to `chains.emit`, as JSON values.
        progress: each step; a run would leave out some of those that follow each other fast.
        logs: lines for whoever looks into the run; `warnings` are sentences for who started it.
        scratch_dir: the call's private folder, removed at the end of the block.
    """

    def __init__(self, *, info: CallInfo, scratch_dir: Path) -> None:
        self.info = info
        self.scratch_dir = scratch_dir
        self.partials: list[dict[str, Any]] = []
        self.progress: list[ProgressStep] = []
        self.logs: list[LogLine] = []
        self.warnings: list[str] = []
        self.is_cancelled = False

    def cancel(self) -> None:
        """From now on `chains.cancelled()` is true."""
        self.is_cancelled = True


@contextmanager
def recorded_call(
    *,
    chainlet: str = "Chainlet",
    chain: str = "test",
    run_id: str = "run",
    invocation_id: str = "invocation",
    attempt: int = 1,
) -> Iterator[RecordedCall]:
    """Let `chains.emit`, `progress`, `log`, `warn` and the others act on a call inside the block.

        with testing.recorded_call() as call:
            await Join().run_remote(pieces)
        assert call.partials == [{"text": "Hello"}]

    Args:
        chainlet: what `chains.info()` says, as do the others.
        chain: the same.
        run_id: the same.
        invocation_id: the same.
        attempt: the same; 2 to see what a chainlet does when it is tried again.
    """
    info = CallInfo(
        run_id=run_id,
        chain=chain,
        chainlet=chainlet,
        invocation_id=invocation_id,
        attempt=attempt,
        worker="test",
    )
    with tempfile.TemporaryDirectory(prefix="chainlets-") as folder:
        record = RecordedCall(info=info, scratch_dir=Path(folder))
        token = current_call.set(_Call(record))
        try:
            yield record
        finally:
            current_call.reset(token)


class _Call:
    """The record, as the functions of `chainlets.context` see it."""

    def __init__(self, record: RecordedCall) -> None:
        self._record = record

    @property
    def info(self) -> CallInfo:
        return self._record.info

    def log(self, level: str, message: str, fields: dict[str, Any]) -> None:
        self._record.logs.append(LogLine(level=level, message=message, fields=fields))

    def emit(self, data: dict[str, Any]) -> None:
        self._record.partials.append(_as_kept(data))

    def progress(self, done: float, total: float, message: str) -> None:
        self._record.progress.append(ProgressStep(done=done, total=total, message=message))

    def warn(self, message: str) -> None:
        self._record.warnings.append(message)

    def cancelled(self) -> bool:
        return self._record.is_cancelled

    def scratch_dir(self) -> Path:
        return self._record.scratch_dir


def _as_kept(data: dict[str, Any]) -> dict[str, Any]:
    """The data as a run's history would give it back."""
    try:
        kept: dict[str, Any] = json.loads(json.dumps(data))
    except (TypeError, ValueError) as error:
        msg = f"`chains.emit` was given what a run's history cannot keep: {error}. Give it JSON values or a Pydantic model."
        raise ChainsUsageError(msg) from error
    return kept
