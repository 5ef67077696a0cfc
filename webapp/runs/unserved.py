"""Tells runs on which queues their calls wait though no live worker serves them, and when that is over.

What was told stands in rows, so that each change becomes one event, whoever sweeps and however often.
Workers know nothing of this: it costs their calls nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Min, Sum

from webapp.fleet.services import served_queues, why_unserved
from webapp.runs.models import OPEN, Invocation, State, Unserved, WhyUnserved
from webapp.runs.reading import BECAME, moment, start_command
from webapp.runs.workset import working_on

#: A call that has only just been queued is no news yet.
PATIENCE = timedelta(seconds=0.5)
_MOST = 200  # runs told in one sweep, so that a dead GPU box with a long queue delays nothing else

Waits = dict[UUID, dict[str, Unserved]]


def tell_unserved(*, now: datetime) -> int:
    """Compare what waits with what was told, and tell what has changed; to how many runs."""
    found, told = _found(now), _told()
    changed = [run for run in {**found, **told} if differ(told.get(run, {}), found.get(run, {}))][:_MOST]
    if not changed:
        return 0
    with working_on(runs=changed) as work:
        # Another reconciler may have told it, or a worker have come, until we held the runs.
        found, told = _found(now, changed), _told(changed)
        for run in changed:
            before, after = told.get(run, {}), found.get(run, {})
            row = work.find_run(run)
            if row is None or not differ(before, after):
                continue
            Unserved.objects.filter(run_id=run).delete()
            if row.state not in OPEN:
                continue  # its last event has been written, and says enough
            Unserved.objects.bulk_create(after.values())
            work.event(row, "run.unserved", {"queues": [shown(wait) for wait in after.values()]})
    return len(changed)


@dataclass(frozen=True, kw_only=True)
class Lack:
    """A queue without a worker, over all runs."""

    queue: str
    runs: int
    calls: int
    since: str
    became: str
    command: str


def unserved_queues() -> list[Lack]:
    """What all open runs together wait for, by queue."""
    rows = Unserved.objects.filter(run__state__in=OPEN).order_by("queue").values("queue")
    counted = rows.annotate(runs=Count("id"), calls=Sum("count"), first=Min("since"), why=Max("reason"))
    return [
        Lack(
            queue=row["queue"],
            runs=row["runs"],
            calls=row["calls"],
            since=moment(row["first"]),
            became=BECAME[WhyUnserved(row["why"])],
            command=start_command(row["queue"]),
        )
        for row in counted
    ]


def shown(wait: Unserved) -> dict[str, Any]:
    """`{queue, count, since, reason}`, the same over REST and in events; `since` is UTC to the microsecond."""
    since = wait.since.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"queue": wait.queue, "count": wait.count, "since": since, "reason": wait.reason}


def differ(told: Mapping[str, Unserved], found: Mapping[str, Unserved]) -> bool:
    """Whether there is something to tell."""
    return [shown(wait) for wait in told.values()] != [shown(wait) for wait in found.values()]


def _found(now: datetime, runs: Collection[UUID] | None = None) -> Waits:
    """What waits in vain, by run and queue."""
    queued = Invocation.objects.filter(state=State.QUEUED, available_at__lte=now - PATIENCE)
    queued = queued.exclude(queue__in=served_queues(now=now))
    if runs is not None:
        queued = queued.filter(run_id__in=runs)
    counted = queued.order_by("run_id", "queue").values("run_id", "queue")
    rows = list(counted.annotate(count=Count("id"), since=Min("available_at")))
    reasons = why_unserved({row["queue"] for row in rows})
    found: Waits = {}
    for row in rows:
        found.setdefault(row["run_id"], {})[row["queue"]] = Unserved(**row, reason=reasons[row["queue"]])
    return found


def _told(runs: Collection[UUID] | None = None) -> Waits:
    """The same as it was last told."""
    rows = Unserved.objects.all() if runs is None else Unserved.objects.filter(run_id__in=runs)
    told: Waits = {}
    for row in rows:
        told.setdefault(row.run_id, {})[row.queue] = row
    return told
