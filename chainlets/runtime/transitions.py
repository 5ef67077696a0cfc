"""Decides what follows a dead worker. No clock, database or broker in here."""

from __future__ import annotations

from chainlets.retrying import GiveUp, Retry

#: Workers that may die over one invocation before it is given up (promise P5).
DEATH_CAP = 3
#: The same for an invocation that was only waiting, and so is hardly to blame.
WAITING_DEATH_CAP = 10


def after_death(*, deaths: int, waiting: bool) -> Retry | GiveUp:
    """What follows the death of the `deaths`-th worker that held an invocation.

    Args:
        deaths: dead workers so far, this one included.
        waiting: it had begun to wait for its dependencies.
    """
    return GiveUp() if deaths >= (WAITING_DEATH_CAP if waiting else DEATH_CAP) else Retry(delay_s=0.0)
