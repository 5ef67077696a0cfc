"""How long a call may take: as long as its caller waits, and as long as its worker lets it hold a slot.

The latter are Celery's soft and hard limits. They protect a worker's slots, so they end where a call
gives its slot up: a call that has begun to wait for others is bound by its caller's `timeout_sec`
only.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Literal

from chainlets.runtime.store import Claim

log = logging.getLogger(__name__)

Kind = Literal["soft", "hard", "caller"]


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


def deadlines(*, caller_s: float | None, limits: TimeLimits) -> list[tuple[float, Kind]]:
    """Seconds from the start at which something is to be done, the last one first."""
    times: tuple[tuple[float | None, Kind], ...] = (
        (caller_s, "caller"),
        (limits.hard_s, "hard"),
        (limits.soft_s, "soft"),
    )
    found = [(at, kind) for at, kind in times if at is not None]
    return sorted(found, key=lambda one: one[0], reverse=True)


def held_too_long(chainlet: str, kind: Kind, seconds: float) -> str:
    """What the caller of a call reads that a worker's limit has ended."""
    return (
        f"`{chainlet}` held a slot longer than its worker allows ({kind} limit of {seconds:g} seconds). "
        f"Do less in one call, or raise the worker's limit."
    )


class Overdue:
    """Counts calls that were given up and whose code runs on: it keeps its thread, but no slot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def begins(self, claim: Claim) -> None:
        """A call is given up; its code has not come back."""
        with self._lock:
            self.count += 1
        log.warning(
            "%s.%s was told to stop, for its time is up. Its slot is free; its thread is not before it does.",
            claim.chain,
            claim.chainlet,
        )

    def ends(self) -> None:
        """The code came back after all."""
        with self._lock:
            self.count -= 1
