"""On what terms a worker answers a bell, and what it tells whoever passed the bell on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from chainlets.failure import Failure
from chainlets.runtime.time_limits import UNLIMITED, TimeLimits


def _nothing() -> None:
    pass


def _of_no_interest(_: Failure | None) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Terms:
    """All functions are called from the engine's threads, each once at most for a call.

    Attributes:
        limits: how long the call may hold its slot.
        on_start: it has its slot and was claimed; the author's code comes next.
        on_success: the author's code ended and its result is recorded.
        on_failure: the attempt failed; None if it was stopped and nothing is recorded.
        put_back: the bell had better be answered elsewhere, for there is no slot here: to ring again
            on this queue. Without it, the bell waits for a slot however long it takes.
        pass_on: another call has the slot from now on, and all that follows is about it. Without it,
            none may.
    """

    limits: TimeLimits = UNLIMITED
    on_start: Callable[[], None] = _nothing
    on_success: Callable[[], None] = _nothing
    on_failure: Callable[[Failure | None], None] = _of_no_interest
    put_back: Callable[[str], None] | None = None
    pass_on: Callable[[UUID], None] | None = None


PLAIN = Terms()
