"""How often something may begin: `10/s`, `100/m`, and the rules that keep to it. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

#: Moments of what has begun, the oldest first, and how many there are of each. Seconds of any clock.
Starts = Sequence[Sequence[float]]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_WRITTEN = re.compile(r"([1-9][0-9]{0,8})/([smhd])")
_STEPS = 100  # moments kept of a window: those of one step count as its last


@dataclass(frozen=True, kw_only=True)
class Rate:
    """At most `most` beginnings in any `window_s` seconds."""

    most: int
    window_s: float


@lru_cache(256)
def read_rate(text: str) -> Rate:
    """The rate that a text such as `10/s` stands for.

    Raises:
        ValueError: it is none; the message says how one is written.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(
            f'{text!r} is no rate. Write how many calls may start and in what time, a second, minute, hour or day: "10/s", '
            f'"100/m", "5000/h" or "20000/d".'
        )
    return Rate(most=int(found[1]), window_s=_UNITS[found[2]])


def room(rate: Rate, starts: Starts, *, now: float) -> int:
    """How many may begin now."""
    return max(_left(rate, _counting(rate, starts, now)), 0)


def room_at(rate: Rate, starts: Starts, *, now: float) -> float:
    """From when on one more may begin; `now` if it may at once."""
    counting = _counting(rate, starts, now)
    left, moment = _left(rate, counting), now
    for at, count in counting:
        if left > 0:
            break
        left, moment = left + int(count), at + rate.window_s
    return moment


def next_room_at(rate: Rate, starts: Starts, *, now: float) -> float:
    """From when on there is more room than now, if all that is left now is taken."""
    counting = _counting(rate, starts, now)
    return (counting[0][0] if counting else now) + rate.window_s


def with_one_more(rate: Rate, starts: Starts, *, now: float) -> list[list[float]]:
    """What to remember once one more has begun; what counts no more is forgotten."""
    kept = [[at, count] for at, count in _counting(rate, starts, now)]
    step = rate.window_s / _STEPS
    if kept and kept[-1][0] // step == now // step:
        # One number for both; taking the later moment errs on the safe side.
        kept[-1] = [max(kept[-1][0], now), kept[-1][1] + 1]
    else:
        kept.append([now, 1])
    return kept


def _left(rate: Rate, counting: Starts) -> int:
    """Below zero where more have begun than this rate allows: it may have been a higher one before."""
    return rate.most - int(sum(count for _, count in counting))


def _counting(rate: Rate, starts: Starts, now: float) -> list[tuple[float, float]]:
    # A clock that was set back must not close the door until it is there again.
    past = ((min(at, now), count) for at, count in starts)
    return [(at, count) for at, count in past if at + rate.window_s > now]
