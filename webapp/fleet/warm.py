"""Gives a call to an idle worker that has its chainlet built, rather than build it here as well.

Asked only by a worker that would have to build, so calls of chainlets that are built pay nothing.
"""

import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import OperationalError, connection

from chainlets.runtime.store import WorkerIdentity
from chainlets.runtime.tasks import Bell, task_name
from webapp.fleet.models import Worker, WorkerState
from webapp.fleet.services import LOST_AFTER_S
from webapp.runs import clock
from webapp.runs.models import Invocation, State

PATIENCE_S = 0.1  # for the other worker to take it; less than any build that is announced
_LOOK_EVERY_S = 0.01
_asking: set[str] = set()
_lock = threading.Lock()


def own_queue(*, slot: str, host: str) -> str:
    """The queue on which a worker is rung by name; the process that follows it takes the same."""
    return f"at.{host}.{slot}"


def passed_on(
    *, chain: str, chainlet: str, invocation_id: UUID, worker: WorkerIdentity, ring: Callable[[Bell], None]
) -> bool:
    """Whether an idle worker that has this chainlet built has taken the call.

    If none takes it in time we build after all, and its bell finds nothing to claim.
    """
    name = task_name(chain, chainlet)
    with _lock:
        if name in _asking:
            return False  # more calls than one: there is work for us too
        _asking.add(name)
    try:
        found = idle_and_warm(name, but=worker.name, now=clock.now())
        if found is None:
            return False
        queue = own_queue(slot=found.slot, host=found.host)
        ring(Bell(chain=chain, chainlet=chainlet, queue=queue, invocation_id=invocation_id))
        return _taken(invocation_id)
    except OperationalError:
        return False  # whoever claims next will hear of it
    finally:
        connection.close()  # this thread will not need it again soon
        with _lock:
            _asking.discard(name)


def idle_and_warm(name: str, *, but: str, now: datetime) -> Worker | None:
    """A live worker that has this task's chainlet built and executes nothing; one at random of several."""
    live = Worker.objects.filter(
        state=WorkerState.LIVE, heartbeat_at__gte=now - timedelta(seconds=LOST_AFTER_S)
    )
    warm = [worker for worker in live.exclude(name=but) if name in worker.warm]
    executing = Invocation.objects.filter(
        worker__in=[worker.name for worker in warm], state=State.RUNNING, waiting=False
    )
    busy = set(executing.values_list("worker", flat=True)) if warm else set()
    idle = [worker for worker in warm if worker.name not in busy]
    return random.choice(idle) if idle else None  # noqa: S311 (spreads load; nothing secret)


def _taken(invocation_id: UUID) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while Invocation.objects.filter(id=invocation_id, state=State.QUEUED).exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True
