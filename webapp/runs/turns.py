"""Who counts the calls of a limited chainlet, one transaction after the other."""

import hashlib

from django.db import connection

from webapp.runs.rows import CallRow
from webapp.runs.workset import Workset


def take_turns(work: Workset, row: CallRow) -> None:
    """Let no other transaction count the same chainlet until this one is over; on SQLite none does anyway."""
    if connection.vendor != "postgresql" or _key(row) in work.turns:
        return
    # All that this transaction may come to, and in one order, so that no two wait for each other.
    limited = (
        other for other in work.queued() if other.fleet_limit is not None or other.rate_limit is not None
    )
    wanted = sorted({_key(other) for other in (row, *limited)} - work.turns)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [wanted])
    work.turns.update(wanted)


def _key(row: CallRow) -> int:
    name = f"{row.run.chain_id}.{row.chainlet}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
