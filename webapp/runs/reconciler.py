"""Finishes what others left: takes work back from dead workers and rings bells that were lost.

Every step is a conditional write, so several reconcilers at once do no harm.
"""

import logging
import threading
import time
from collections import Counter
from datetime import datetime, timedelta

import redis
from django.db import OperationalError, close_old_connections
from django.db.models import Min

from chainlets.runtime.crash_points import crash_point
from chainlets.runtime.tasks import Bell
from webapp.fleet.services import note_lost_workers
from webapp.runs import clock, pacer, sharing, transitions
from webapp.runs.deadlines import end_overdue
from webapp.runs.doorbell import doorbell, queue_lengths
from webapp.runs.leftovers import clear_orphans, clear_scratch
from webapp.runs.models import Invocation, Run, State
from webapp.runs.unserved import tell_unserved
from webapp.runs.workset import working_on

log = logging.getLogger(__name__)

#: Seconds between two sweeps.
SWEEP_S = 0.5
#: How long a bell may go unanswered before it is rung again.
UNANSWERED = timedelta(seconds=5)
#: Seconds between two looks for temporary folders of dead workers, and for bytes without a row.
SCRATCH_EVERY_S = 20.0
ORPHANS_EVERY_S = 3600.0
_MOST = 500  # rows handled in one sweep


def run_forever(stopped: threading.Event) -> None:
    """Sweep until `stopped` is set; a database or broker that is away is waited for."""
    scratch_at = orphans_at = 0.0
    pacing = threading.Thread(target=pacer.run_forever, args=[stopped], name="pacer", daemon=True)
    pacing.start()
    while not stopped.wait(SWEEP_S):
        try:
            close_old_connections()
            sweep()
            if time.monotonic() >= scratch_at:
                scratch_at = time.monotonic() + SCRATCH_EVERY_S
                clear_scratch()
            if time.monotonic() >= orphans_at:
                orphans_at = time.monotonic() + ORPHANS_EVERY_S
                clear_orphans()
        except (OperationalError, redis.RedisError) as error:
            log.warning("Nothing can be reconciled at the moment: %s", error)


def sweep() -> None:
    """One round."""
    now = clock.now()
    for invocation in Invocation.objects.filter(state=State.RUNNING, lease_expires_at__lt=now)[:_MOST]:
        with working_on([invocation.id]) as work:
            row = work.call(invocation.id)
            if row is not None and transitions.take_back(work, row):
                crash_point("take_back.midway")
                log.warning(
                    "%s was taken back from %s, which shows no sign of life", invocation, invocation.worker
                )
        crash_point("take_back.after")
    end_overdue(now)
    note_lost_workers(now=now)
    tell_unserved(now=now)
    _ring_unanswered(now)
    ring_held_back(now)


def _ring_unanswered(now: datetime) -> None:
    rung = Invocation.objects.filter(state=State.QUEUED, available_at__lte=now, rung_at__isnull=False)
    due = rung.filter(rung_at__lt=now - UNANSWERED).order_by("rung_at")
    rows = list(due.select_related("run__chain")[:_MOST])
    if not rows:
        return
    queues = list({row.queue for row in rows})
    queued = Counter(rung.filter(queue__in=queues).values_list("queue", flat=True))
    # A long queue is no lost bell: ring only as many as there are more rows than messages.
    missing = Counter({name: queued[name] - length for name, length in queue_lengths(queues).items()})
    for row in rows:
        if missing[row.queue] <= 0:
            continue
        missing[row.queue] -= 1
        changed = Invocation.objects.filter(id=row.id, state=State.QUEUED, rung_at=row.rung_at)
        if changed.update(rung_at=now) == 1:  # otherwise it was claimed, or another reconciler rings it
            crash_point("reringing.midway")
            bell = Bell(
                chain=row.run.chain.name,
                chainlet=row.chainlet,
                queue=row.queue,
                invocation_id=row.id,
                priority=row.run.priority,
            )
            doorbell.send([bell])


def ring_held_back(now: datetime) -> None:
    """Ring for what is due and has no bell: second tries whose time has come, and shares that got stuck."""
    silent = Invocation.objects.filter(state=State.QUEUED, available_at__lte=now, rung_at=None)
    shares = list(silent.values("run_id", "queue").annotate(since=Min("available_at"))[:_MOST])
    bells = dict(Run.objects.filter(id__in={share["run_id"] for share in shares}).values_list("id", "bells"))
    for share in shares:
        run_id, queue = share["run_id"], share["queue"]
        out, _ = bells.get(run_id, {}).get(queue, (0, False))
        if out and share["since"] >= now - UNANSWERED:
            continue  # whoever answers those that are out rings for these
        with working_on(runs=[run_id]) as work:
            run = work.find_run(run_id)
            if run is None:
                continue  # it was deleted meanwhile
            if share["since"] < now - UNANSWERED:
                sharing.recount(work, run=run, queue=queue)
            sharing.refill(work, run=run, queue=queue)
