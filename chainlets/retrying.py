"""Decides what follows a failed attempt. No clock, database or broker in here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

BACKOFF_FIRST_S = 0.5
BACKOFF_CAP_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Try again after `delay_s` seconds."""

    delay_s: float


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """No further attempt."""


def after_failure(*, failures: int, max_attempts: int, retryable: bool, jitter: float) -> Retry | GiveUp:
    """What follows the `failures`-th failed attempt.

    Args:
        failures: failed attempts so far, this one included.
        max_attempts: attempts in all; 0 counts as 1.
        retryable: False if the error says that a second try cannot help.
        jitter: from 0.0 to 1.0, so that many failures do not come back at the same moment.
    """
    if not retryable or failures >= max(max_attempts, 1):
        return GiveUp()
    if _Pauses.left_out:
        return Retry(delay_s=0.0)
    longest = min(BACKOFF_FIRST_S * 2 ** (failures - 1), BACKOFF_CAP_S)
    return Retry(delay_s=longest * (0.5 + jitter / 2))


class _Pauses:
    left_out = 0  # blocks of `no_retry_pauses` that are open in this process


@contextmanager
def no_retry_pauses() -> Iterator[None]:
    """Let a failed attempt be followed by the next at once, in this whole process, for the length of the block.

    For tests: of stubs, and of chains in `run_local(strict=True)`.
    """
    _Pauses.left_out += 1
    try:
        yield
    finally:
        _Pauses.left_out -= 1
