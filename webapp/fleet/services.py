"""Who works here: workers come, beat and go."""

import os
import socket
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from chainlets.runtime.store import WorkerIdentity
from webapp.fleet.models import Worker, WorkerState

#: Seconds without a heartbeat after which a worker counts as lost.
LOST_AFTER_S = 10.0
#: The same if its process is gone from this machine. Not at once: containers may share a host's name
#: and not see each other's processes, but whoever beats every two seconds lives.
GONE_AFTER_S = 2.5
_REMEMBERED = 200  # workers of the past that are asked which queues they served


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
    """Note that a worker lives, with the queues it serves and the chainlets it has built by now."""
    # A worker that was thought lost and is not, for it beats, is live again.
    Worker.objects.filter(name=identity.name).update(
        heartbeat_at=now, state=WorkerState.LIVE, queues=list(identity.queues), warm=list(identity.warm)
    )


def worker_leaves(*, identity: WorkerIdentity) -> None:
    """Note that a worker stopped in good order."""
    Worker.objects.filter(name=identity.name).update(state=WorkerState.STOPPED)


def note_lost_workers(*, now: datetime) -> int:
    """Mark workers without a heartbeat as lost; how many."""
    late = Worker.objects.filter(
        state=WorkerState.LIVE, heartbeat_at__lt=now - timedelta(seconds=GONE_AFTER_S)
    )
    here, old = socket.gethostname(), now - timedelta(seconds=LOST_AFTER_S)
    lost = [w.pk for w in late if w.heartbeat_at < old or (w.host == here and not _alive(w.pid))]
    # One that has beaten since we looked lives.
    return late.filter(pk__in=lost).update(state=WorkerState.LOST) if lost else 0


def served_queues(*, now: datetime) -> set[str]:
    """Queues that a live worker serves."""
    recent = now - timedelta(seconds=LOST_AFTER_S)
    rows: Iterable[list[str]] = Worker.objects.filter(
        state=WorkerState.LIVE, heartbeat_at__gte=recent
    ).values_list("queues", flat=True)
    return {queue for queues in rows for queue in queues}


def why_unserved(queues: Collection[str]) -> dict[str, str]:
    """For queues that no live worker serves: `worker_stopped`, `worker_lost`, or `no_worker` if none is remembered."""
    if not queues:
        return {}
    last: dict[str, str] = {}
    gone = Worker.objects.exclude(state=WorkerState.LIVE).order_by("-heartbeat_at")
    for worker in gone.only("queues", "state")[:_REMEMBERED]:
        for queue in worker.queues:
            last.setdefault(queue, f"worker_{worker.state}")
    return {queue: last.get(queue, "no_worker") for queue in queues}


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
