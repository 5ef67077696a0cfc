"""Adds to a run's append-only history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from webapp.runs.doorbell import News, after_commit
from webapp.runs.models import Event, Run


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An event before it has its number."""

    type: str
    invocation_id: UUID | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def lock_run(run_id: UUID) -> None:
    """Take the run's row for this transaction.

    Whoever changes anything of a run takes this first, so that no two transactions wait for each
    other. On SQLite a transaction has the whole database to itself anyway.
    """
    Run.objects.select_for_update().filter(id=run_id).values_list("id").first()


def append(*, run_id: UUID, events: Sequence[NewEvent], at: datetime) -> None:
    """Add events with the next numbers; part of the caller's transaction, so there are no gaps."""
    if not events:
        return
    if Run.objects.filter(id=run_id).update(last_seq=F("last_seq") + len(events)) != 1:
        return  # the run was deleted; nobody reads its history
    last = Run.objects.values_list("last_seq", flat=True).get(id=run_id)
    first = last - len(events) + 1
    Event.objects.bulk_create(
        Event(
            run_id=run_id,
            seq=first + offset,
            at=at,
            type=event.type,
            invocation_id=event.invocation_id,
            data=dict(event.data),
        )
        for offset, event in enumerate(events)
    )
    after_commit(News(run_id=run_id, seq=last))
