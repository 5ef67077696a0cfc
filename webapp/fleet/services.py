"""Who works here: workers come, beat and go."""

import os
from collections.abc import Iterable
from datetime import datetime, timedelta

from chainlets.runtime.store import WorkerIdentity
from webapp.fleet.models import Worker, WorkerState

#: Seconds without a heartbeat after which a worker counts as lost.
LOST_AFTER_S = 10.0


def worker_joins(*, identity: WorkerIdentity, now: datetime) -> list[str]:
    """Make a worker known; the names of dead processes that filled the same slot on this machine."""
    before = Worker.objects.filter(host=identity.host, slot=identity.slot, state=WorkerState.LIVE)
    dead = [worker.name for worker in before if not _alive(worker.pid)]
    Worker.objects.filter(name__in=dead).update(state=WorkerState.LOST)
    Worker.objects.create(
        name=identity.name,
        slot=identity.slot,
        host=identity.host,
        pid=identity.pid,
        hardware=identity.hardware,
        queues=list(identity.queues),
        slots=identity.slots,
        started_at=now,
        heartbeat_at=now,
    )
    return dead


def worker_beats(*, identity: WorkerIdentity, now: datetime) -> None:
    """Note that a worker lives, with the queues it serves by now."""
    # A worker that was thought lost and is not, for it beats, is live again.
    Worker.objects.filter(name=identity.name).update(
        heartbeat_at=now, state=WorkerState.LIVE, queues=list(identity.queues)
    )


def worker_leaves(*, identity: WorkerIdentity) -> None:
    """Note that a worker stopped in good order."""
    Worker.objects.filter(name=identity.name).update(state=WorkerState.STOPPED)


def note_lost_workers(*, now: datetime) -> int:
    """Mark workers without a heartbeat as lost; how many."""
    old = now - timedelta(seconds=LOST_AFTER_S)
    return Worker.objects.filter(state=WorkerState.LIVE, heartbeat_at__lt=old).update(state=WorkerState.LOST)


def served_queues(*, now: datetime) -> set[str]:
    """Queues that a live worker serves."""
    recent = now - timedelta(seconds=LOST_AFTER_S)
    rows: Iterable[list[str]] = Worker.objects.filter(
        state=WorkerState.LIVE, heartbeat_at__gte=recent
    ).values_list("queues", flat=True)
    return {queue for queues in rows for queue in queues}


def slots_on(queue: str) -> int:
    """Calls that live workers of a queue execute at a time, all together."""
    found = Worker.objects.filter(state=WorkerState.LIVE).values_list("queues", "slots")
    return sum(slots for queues, slots in found if queue in queues)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
