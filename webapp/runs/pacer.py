"""Rings for calls with a rate limit, as many as there is room for, at the moment when there is.

It sleeps until then, and half a second at a time while nobody waits. Several at once do no harm.
"""

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.db.models import Count

from chainlets.rates import next_room_at, read_rate, room
from webapp.runs import clock, sharing
from webapp.runs.models import Invocation, Pace, Priority, State
from webapp.runs.pacing import put_off
from webapp.runs.workset import working_on

log = logging.getLogger(__name__)

IDLE_S = 0.5  # between two looks while nobody waits
_LEAST_S = 0.02

Kind = tuple[int, str, str]  # chain, chainlet, rate


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How many calls of one kind wait in a run."""

    run: UUID
    priority: str
    count: int


def fair_turns(waiting: Sequence[Waiting], room: int, *, after: UUID | None) -> dict[UUID, int]:
    """How many calls of which run are next.

    Runs of higher priority come first; among equals it goes round by one call each, so that a run of
    ten thousand calls leaves room for one of three.

    Args:
        waiting: one for a run.
        room: calls that may start.
        after: the run whose turn it was last.
    """
    turns: Counter[UUID] = Counter()
    for priority in Priority.values:  # high, normal, low
        left = {one.run: one.count for one in waiting if one.priority == priority}
        circle = sorted(left, key=lambda run: (after is not None and run <= after, run))
        while circle and room > 0:
            for run in circle[:room]:
                turns[run] += 1
                left[run] -= 1
            room -= min(len(circle), room)
            circle = [run for run in circle if left[run]]
    return dict(turns)


class Pacer:
    """Looks who waits, and rings for those whose turn it is."""

    def __init__(self) -> None:
        self._last: dict[Kind, UUID] = {}

    def look(self) -> float:
        """Ring where there is room; seconds after which to look again."""
        began = time.monotonic()
        paces = Pace.objects.values_list("chain_id", "chainlet", "starts")
        starts = {(chain, chainlet): found for chain, chainlet, found in paces}
        if not starts:
            return IDLE_S  # nobody has a rate limit
        now, names = clock.now(), {chainlet for _, chainlet in starts}
        waiting = _waiting(names, now)
        if not waiting:
            self._last = {}
            return IDLE_S
        out = _out(names)
        pause = IDLE_S
        for kind, runs in waiting.items():
            chain, chainlet, text = kind
            rate, begun = read_rate(text), starts.get((chain, chainlet), ())
            # Bells that are out will take their room without us.
            free = room(rate, begun, now=now.timestamp()) - out[chain, chainlet]
            turns = fair_turns(runs, free, after=self._last.get(kind))
            if turns:
                self._last[kind] = list(turns)[-1]
                _ring(kind, turns, now)
            pause = min(pause, next_room_at(rate, begun, now=now.timestamp()) - now.timestamp())
        took = time.monotonic() - began
        return max(pause - took, took, _LEAST_S)  # it works half of the time at most


def run_forever(stopped: threading.Event) -> None:
    """Look until `stopped` is set; a database that is away is waited for."""
    pacer, pause = Pacer(), 0.0
    while not stopped.wait(pause):
        pause = IDLE_S
        try:
            close_old_connections()
            pause = pacer.look()
        except (OperationalError, InterfaceError) as error:
            log.warning("Nobody looks after rate limits at the moment: %s", error)
    connection.close()


def _waiting(names: Collection[str], now: datetime) -> Mapping[Kind, Sequence[Waiting]]:
    found: defaultdict[Kind, list[Waiting]] = defaultdict(list)
    calls = put_off(now=now).filter(chainlet__in=names)
    groups = calls.values_list("run__chain_id", "chainlet", "rate_limit", "run_id", "run__priority")
    for chain, chainlet, rate, run, priority, count in groups.annotate(count=Count("id")).order_by():
        found[chain, chainlet, rate or ""].append(Waiting(run=run, priority=priority, count=count))
    return found


def _out(names: Collection[str]) -> Counter[tuple[int, str]]:
    """Bells that nobody has answered yet."""
    queued = Invocation.objects.filter(state=State.QUEUED, chainlet__in=names, rate_limit__isnull=False)
    rung = queued.filter(rung_at__isnull=False)
    groups = rung.values_list("run__chain_id", "chainlet").annotate(count=Count("id")).order_by()
    return Counter({(chain, chainlet): count for chain, chainlet, count in groups})


def _ring(kind: Kind, turns: Mapping[UUID, int], now: datetime) -> None:
    _, chainlet, rate = kind
    of_kind = put_off(now=now).filter(chainlet=chainlet, rate_limit=rate)
    for run, count in turns.items():
        oldest = of_kind.filter(run_id=run).order_by("available_at")
        with working_on(list(oldest.values_list("id", flat=True)[:count])) as work:
            for row in work.queued():
                if row.rung_at is None:  # otherwise another was first
                    row.change(available_at=work.now)
                    sharing.enter(work, row)
