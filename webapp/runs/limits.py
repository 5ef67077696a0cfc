"""Limits that hold for all workers together, and the bells of those that wait for room."""

import hashlib

from django.db import connection
from django.db.models import QuerySet

from webapp.runs.doorbell import Bell, after_commit
from webapp.runs.models import Invocation, Run, State


def ring(row: Invocation) -> None:
    """Tell the workers of an invocation's queue, once this transaction is committed."""
    chain = Run.objects.values_list("chain__name", flat=True).get(id=row.run_id)
    after_commit(Bell(chain=chain, chainlet=row.chainlet, queue=row.queue, invocation_id=row.id))


def has_room(row: Invocation) -> bool:
    """Whether one more call of this chainlet may be under way; part of the claim's transaction."""
    if row.fleet_limit is None:
        return True
    _take_turns(row)
    return _kind(row).filter(state=State.RUNNING).count() < row.fleet_limit


def ring_next(row: Invocation) -> None:
    """A call has ended or waits: let the oldest that waited for its room try now."""
    if row.fleet_limit is None:
        return
    oldest = _kind(row).filter(state=State.QUEUED).exclude(id=row.id).order_by("available_at").first()
    if oldest is not None:
        ring(oldest)


def _kind(row: Invocation) -> QuerySet[Invocation]:
    return Invocation.objects.filter(
        run__chain__runs=row.run_id, chainlet=row.chainlet, fleet_limit__isnull=False
    )


def _take_turns(row: Invocation) -> None:
    """Let no two transactions count the same chainlet at once; on SQLite they never do."""
    if connection.vendor == "postgresql":
        name = f"{row.run.chain_id}.{row.chainlet}".encode()
        key = int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
