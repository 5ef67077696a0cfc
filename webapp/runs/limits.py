"""Limits that hold for all workers together, and the bells of those that wait for room."""

from django.db.models import QuerySet

from webapp.runs import sharing
from webapp.runs.models import Invocation, State
from webapp.runs.rows import CallRow
from webapp.runs.turns import take_turns
from webapp.runs.workset import Workset


def has_room(work: Workset, row: CallRow) -> bool:
    """Whether one more call of this chainlet may be under way; part of the claim's transaction."""
    if row.fleet_limit is None:
        return True
    take_turns(work, row)
    work.write()  # so that what this transaction has claimed before is counted
    return _kind(row).filter(state=State.RUNNING).count() < row.fleet_limit


def ring_next(work: Workset, row: CallRow) -> None:
    """A call gives up its room: let the oldest that waits for it try now."""
    if row.fleet_limit is None:
        return
    work.write()
    due = _kind(row).filter(state=State.QUEUED, available_at__lte=work.now).exclude(id=row.id)
    oldest = due.order_by("available_at").values_list("id", flat=True).first()
    found = work.call(oldest) if oldest is not None else None
    if found is None:
        return
    if found.rung_at is None:
        sharing.enter(work, found)
    else:
        work.ring(found)


def _kind(row: CallRow) -> QuerySet[Invocation]:
    return Invocation.objects.filter(
        run__chain=row.run.chain_id, chainlet=row.chainlet, fleet_limit__isnull=False
    )
