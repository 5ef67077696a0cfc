"""Rate limits that hold for all workers together: who may start now, and who waits until when.

A call that finds no room is put off, without a bell. `pacer` rings as many as there is room for when
their time has come, or earlier where others have gone.
"""

from datetime import UTC, datetime

from django.db.models import Max, Q, QuerySet

from chainlets.rates import Rate, read_rate, room, room_at, with_one_more
from webapp.runs import clock, sharing
from webapp.runs.models import Invocation, Pace, State
from webapp.runs.rows import CallRow, PaceRow
from webapp.runs.turns import take_turns
from webapp.runs.workset import Workset


def may_start(work: Workset, row: CallRow) -> bool:
    """Whether an attempt may start now, which is then counted; if not, the call is put off. Part of the claim."""
    if row.rate_limit is None:
        return True
    take_turns(work, row)
    rate, pace = read_rate(row.rate_limit), _pace(work, row)
    if room(rate, pace.starts, now=pace.now):
        pace.starts, pace.changed = with_one_more(rate, pace.starts, now=pace.now), True
        return True
    _put_off(work, row, rate, pace)
    return False


def put_off(*, now: datetime) -> QuerySet[Invocation]:
    """Calls with a rate limit that wait for room. Second tries are not among them before their time."""
    waiting = Invocation.objects.filter(state=State.QUEUED, rate_limit__isnull=False, rung_at=None)
    return waiting.filter(Q(failures=0) | Q(available_at__lte=now))


def _put_off(work: Workset, row: CallRow, rate: Rate, pace: PaceRow) -> None:
    # One after the other, so that not all of ten thousand come back at the same moment.
    after_others = pace.waits_until + rate.window_s / rate.most
    pace.waits_until = max(room_at(rate, pace.starts, now=pace.now), after_others)
    sharing.leave(row)
    row.change(available_at=datetime.fromtimestamp(pace.waits_until, UTC), rung_at=None)
    sharing.top_up(work, run=row.run, queue=row.queue)


def _pace(work: Workset, row: CallRow) -> PaceRow:
    chain = row.run.chain_id
    kind = chain, row.chainlet
    if kind not in work.paces:
        kept, _ = Pace.objects.get_or_create(chain_id=chain, chainlet=row.chainlet)
        others = Invocation.objects.filter(
            run__chain=chain, chainlet=row.chainlet, rate_limit__isnull=False, state=State.QUEUED
        )
        last: datetime | None = others.aggregate(last=Max("available_at"))["last"]
        work.paces[kind] = PaceRow(
            id=kept.id,
            starts=kept.starts,
            now=clock.now().timestamp(),  # this transaction may have waited for its turn
            waits_until=last.timestamp() if last else 0.0,
        )
    return work.paces[kind]
