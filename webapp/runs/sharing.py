"""Fair shares: a run of ten thousand calls leaves room for one of three.

Bells of a queue are answered in their order, so whoever rings ten thousand at once would be served
before everyone else. Therefore a run has only some bells out on a queue at a time, as many as its
workers need to stay busy. Its other calls are queued without a bell, and get one when an earlier call of
the run is taken. Runs of the same user and chain share what one run could have.
"""

import time
from functools import lru_cache

from webapp.fleet.services import slots_on
from webapp.runs.models import OPEN, Invocation, Run, State
from webapp.runs.rows import CallRow, RunRow
from webapp.runs.workset import Workset

_LEAST = 4  # bells a run may always have out: whoever is next should not have to be looked for
_TURN_S = 0.05  # a run's calls may have a slot one after the other for so long, if others wait for it
_TURN_ALONE_S = 2.0  # the same, if there is no other run; a chain that was changed, or a queue given up, takes effect after it
_ALONE_FOR_S = 0.25  # how old the answer may be whether there is no other run
_RECENT_S = 1.0  # how old the counts of slots and of rivals may be


def window(*, slots: int, rivals: int) -> int:
    """How many bells a run may have out on a queue.

    Args:
        slots: calls that the queue's workers execute at a time.
        rivals: open runs of the same user and chain, itself among them.
    """
    return max(_LEAST, 2 * slots // max(rivals, 1))


def enter(work: Workset, row: CallRow, *, rung: bool = False) -> None:
    """A call is queued and due: ring for it, or hold it back. If it is `rung`, its bell is on its way already."""
    run = row.run
    out, held = run.bells.get(row.queue, (0, False))
    if rung or out < _window(run, row.queue):
        row.change(rung_at=work.now)
        run.set_bells(row.queue, out + 1, held=held)
        if not rung:
            work.ring(row)
    else:
        row.change(rung_at=None)
        run.set_bells(row.queue, out, held=True)


def hold(row: CallRow) -> None:
    """A call is queued and not due yet: it gets its bell when it is, and another of its run is taken, or by the reconciler."""
    run = row.run
    out, _ = run.bells.get(row.queue, (0, False))
    run.set_bells(row.queue, out, held=True)


def leave(row: CallRow) -> None:
    """A queued call is about to be taken, or to end: its bell is answered. Then comes `top_up`."""
    if row.rung_at is not None:
        run = row.run
        out, held = run.bells.get(row.queue, (0, False))
        run.set_bells(row.queue, max(out - 1, 0), held=held)


def top_up(work: Workset, *, run: RunRow, queue: str) -> None:
    """Ring for calls that are held back, once half of what a run may have out is answered."""
    out, held = run.bells.get(queue, (0, False))
    if held and run.state in OPEN and out <= _window(run, queue) // 2:
        refill(work, run=run, queue=queue)


def refill(work: Workset, *, run: RunRow, queue: str) -> None:
    """Ring for calls that are held back, the oldest first, as many as the run may have out."""
    work.write()  # what this transaction itself has held back is to be found
    waiting = Invocation.objects.filter(
        run_id=run.id, queue=queue, state=State.QUEUED, rung_at=None, available_at__lte=work.now
    )
    out, _ = run.bells.get(queue, (0, False))
    room = max(_window(run, queue) - out, 0)
    found = list(waiting.order_by("available_at").values_list("id", "chainlet")[: room + 1])
    run.set_bells(queue, out + len(found[:room]), held=len(found) > room)
    work.ring_held(run, queue, found[:room])


def follower(work: Workset, row: CallRow, *, turn_s: float) -> CallRow | None:
    """The call that may have the slot of one that has ended, without a bell: the oldest of its kind that is held back.

    Args:
        work: the transaction in which the first ended.
        row: that first one.
        turn_s: for how long its run has had the slot by now.
    """
    _, held = row.run.bells.get(row.queue, (0, False))
    counted = row.fleet_limit is not None or row.rate_limit is not None
    if not held or counted or row.run.state not in OPEN or turn_s > _TURN_ALONE_S:
        return None
    if turn_s > _TURN_S and not _alone(int(time.monotonic() / _ALONE_FOR_S)):
        return None  # what others ring for waits in the broker, and is to have its turn
    return work.held_like(row)


def recount(work: Workset, *, run: RunRow, queue: str) -> None:
    """Count a run's bells anew, for calls that have been held back for longer than they should be."""
    work.write()
    out = Invocation.objects.filter(
        run_id=run.id, queue=queue, state=State.QUEUED, rung_at__isnull=False
    ).count()
    run.set_bells(queue, out, held=True)


def _window(run: RunRow, queue: str) -> int:
    now = int(time.monotonic() / _RECENT_S)
    return window(slots=_slots(queue, now), rivals=_rivals(run.chain_id, run.owner_id, now))


@lru_cache(1)
def _alone(_: int) -> bool:
    return not Run.objects.filter(state__in=OPEN).values_list("id", flat=True)[1:2]


@lru_cache(256)
def _slots(queue: str, _: int) -> int:
    return slots_on(queue)


@lru_cache(1024)
def _rivals(chain_id: int, owner_id: int, _: int) -> int:
    return Run.objects.filter(chain_id=chain_id, owner_id=owner_id, state__in=OPEN).count()
