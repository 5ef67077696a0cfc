"""Calls that need not be executed, because another run has their result already."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db.models import Subquery

from webapp.files.errors import FileNotFound
from webapp.files.sharing import SharedFiles
from webapp.runs.models import RESULT_SPILLED, Invocation, KeptCall, Reuse, Run, State
from webapp.runs.rows import CallRow, as_text
from webapp.runs.workset import Workset

_known: WeakKeyDictionary[Workset, dict[UUID, KeptCall | None]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A result, or its file's handle if it is `spilled`, and the call of another run that it came from."""

    result: Any
    spilled: bool
    run: UUID
    invocation: UUID


def taken_over(work: Workset, row: CallRow) -> bool:
    """End a new call with what another run got for it, if there is such a result; whether there was one."""
    reuse = row.run.reuse
    if reuse == Reuse.KEPT:
        found = _kept(work, row)
    elif reuse == Reuse.CACHE and row.cache_s is not None:
        found = _cached(work, row)
    else:
        return False
    if found is None:
        return False
    # It came from elsewhere, so it serves no third run: else it would never grow old.
    row.change(
        state=State.SUCCEEDED, result=as_text(found.result), ended_at=work.now, rung_at=None, cache_s=None
    )
    if found.spilled:
        row.change(spilled=row.spilled | RESULT_SPILLED)
    source = {"run": str(found.run), "call": str(found.invocation)}
    work.event(row.run, "invocation.kept", source, invocation=row.id)
    work.event(row.run, "invocation.succeeded", {"attempt": row.attempt}, invocation=row.id)
    return True


def _kept(work: Workset, row: CallRow) -> Earlier | None:
    known = _known.setdefault(work, {})
    if row.id not in known:
        # What else this transaction does not find will be asked for next: one question for all.
        ids = [row.id, *work.missing()]
        known.update(dict.fromkeys(ids))
        known.update(KeptCall.objects.in_bulk(ids))
    found = known[row.id]
    if found is None or found.run_id != row.run_id:
        return None
    return Earlier(
        result=found.result, spilled=found.spilled, run=found.from_run, invocation=found.from_invocation
    )


def _cached(work: Workset, row: CallRow) -> Earlier | None:
    """The newest result that is young enough and can still be read."""
    if not row.code or row.cache_s is None:
        return None  # whose code is not known may have changed
    owner = Run.objects.filter(id=row.run_id).values("owner_id")
    same = Invocation.objects.filter(
        cache_s__isnull=False, input_hash=row.input_hash, code=row.code, chainlet=row.chainlet
    )
    done = same.filter(
        state=State.SUCCEEDED,
        ended_at__gt=work.now - timedelta(seconds=row.cache_s),
        run__owner_id=Subquery(owner),
    )
    found = (
        done.order_by("-ended_at").values_list("result", "spilled", "run_id", "id", "run__owner_id").first()
    )
    if found is None:
        return None
    result, flags, run_id, invocation_id, owner_id = found
    spilled = bool(flags & RESULT_SPILLED)
    files = SharedFiles(owner_id=owner_id, run_id=row.run_id)
    try:
        result = files.take(result, spilled=spilled)
        files.record()
    except FileNotFound:
        files.discard()
        return None
    return Earlier(result=result, spilled=spilled, run=run_id, invocation=invocation_id)
