"""Rate limits in the store in memory: who may start, and who is rung when there is room again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from functools import partial
from uuid import UUID

from chainlets.rates import Rate, Starts, next_room_at, read_rate, room, room_at, with_one_more
from chainlets.runtime.memory_rows import Row, kind_of

Kind = tuple[str, str]
Later = Callable[[float, Callable[[], None]], None]


class Pacing:
    """Counts starts by chainlet, and rings for what waits.

    Args:
        ring: called with rows for which there is room, outside any transaction.
        clock: seconds that only grow.
        later: calls something after so many seconds of that clock.
    """

    def __init__(
        self, *, ring: Callable[[Collection[Row]], None], clock: Callable[[], float], later: Later
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._later = later
        self._starts: dict[Kind, Starts] = {}
        self._waiting: dict[Kind, dict[UUID, Row]] = {}
        self._lock = threading.Lock()

    def may_start(self, row: Row) -> bool:
        """Whether an attempt may start now, which is then counted; if not, its time is set, and it is rung then."""
        if row.call.rate_limit is None:
            return True
        rate, kind, now = read_rate(row.call.rate_limit), kind_of(row.call), self._clock()
        with self._lock:
            starts = self._starts.get(kind, ())
            if room(rate, starts, now=now):
                self._starts[kind] = with_one_more(rate, starts, now=now)
                return True
            row.available_at = room_at(rate, starts, now=now)
            waiting = self._waiting.setdefault(kind, {})
            if not waiting:  # otherwise somebody comes for them already
                self._later(row.available_at - now, partial(self._look, rate, kind))
            waiting[row.call.id] = row
        return False

    def _look(self, rate: Rate, kind: Kind) -> None:
        """Ring for as many as there is room for, and come back for the others."""
        now = self._clock()
        with self._lock:
            starts, waiting = self._starts.get(kind, ()), self._waiting[kind]
            ready = [waiting.pop(id) for id in list(waiting)[: room(rate, starts, now=now)]]
            if waiting:
                self._later(next_room_at(rate, starts, now=now) - now, partial(self._look, rate, kind))
        self._ring(ready)
