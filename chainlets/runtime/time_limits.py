"""How long a call may hold a slot, on top of what its caller allows.

These are Celery's soft and hard limits. They protect a worker's slots, so they end where a call
gives its slot up: a call that has begun to wait for others is bound by its caller's `timeout_sec`
only.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from chainlets.runtime.execution import Execution

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TimeLimits:
    """Seconds from the start of an attempt.

    Attributes:
        soft_s: then the author's code is stopped: cancelled at its next `await`, or told by `cancelled()`.
        hard_s: then the attempt is recorded as failed and gives up its slot, whatever the code does.
    """

    soft_s: float | None = None
    hard_s: float | None = None


UNLIMITED = TimeLimits()


async def time_up(
    ended: asyncio.Future[Any], execution: Execution, *, caller_s: float | None, limits: TimeLimits
) -> str | None:
    """Wait until the author's code has ended, or until it may be waited for no longer.

    Args:
        ended: done when the code has ended.
        execution: is cancelled when a time is up.
        caller_s: seconds that its caller waits.
        limits: those of the worker.

    Returns:
        What the caller is told if a time was up, also if the code ended thereafter; else None.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    said = None
    for at, kind in _in_order(caller_s, limits):
        await asyncio.wait([ended], timeout=max(0.0, began + at - loop.time()))
        if ended.done():
            return said
        if kind != "caller" and execution.waiting:
            continue
        execution.cancel(ending=False)
        if kind == "caller":
            return execution.timeout_message
        said = _message(execution, kind, at)
        if kind == "hard":
            return said
    await asyncio.wait([ended])
    return said


def _in_order(caller_s: float | None, limits: TimeLimits) -> list[tuple[float, str]]:
    times = ((limits.soft_s, "soft"), (limits.hard_s, "hard"), (caller_s, "caller"))
    return sorted(((at, kind) for at, kind in times if at is not None), key=lambda one: one[0])


def _message(execution: Execution, kind: str, seconds: float) -> str:
    return (
        f"`{execution.claim.chainlet}` held a slot longer than its worker allows ({kind} limit of {seconds:g} seconds). "
        f"Do less in one call, or raise the worker's limit."
    )


class Overdue:
    """Counts calls whose time was up and whose code runs on: it keeps its thread, but no slot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def add(self, running: Future[Any], execution: Execution) -> None:
        """Note that the code of a call did not stop when it was told to."""
        if running.done():
            return
        with self._lock:
            self.count += 1
        log.warning(
            "%s.%s does not stop though its time is up. Its slot is free, its thread is not.",
            execution.claim.chain,
            execution.claim.chainlet,
        )
        running.add_done_callback(self._ended)

    def _ended(self, _: Future[Any]) -> None:
        with self._lock:
            self.count -= 1
