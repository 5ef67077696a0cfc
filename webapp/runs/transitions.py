"""Every change of state of runs and invocations, each a compare-and-set inside the caller's transaction.

Who loses a race finds zero rows changed and stops; beside each such place stands why that is fine.
"""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Coalesce

from chainlets.failure import Failure
from chainlets.retrying import GiveUp, after_failure
from chainlets.runtime.store import Fence, WorkerIdentity
from chainlets.runtime.transitions import after_death
from webapp.files.services import delete_scratch
from webapp.runs import history, limits
from webapp.runs.doorbell import Mail, after_commit
from webapp.runs.history import NewEvent
from webapp.runs.models import OPEN, Attempt, AttemptState, Invocation, Run, State

#: How long a worker holds an invocation without a sign of life.
LEASE = timedelta(seconds=10)


def owned(fence: Fence) -> Any:
    """The invocation if this attempt still owns it, as a queryset of one row or none."""
    return Invocation.objects.filter(id=fence.invocation_id, attempt=fence.attempt, state=State.RUNNING)


def claim(*, invocation: Invocation, worker: WorkerIdentity, now: datetime) -> Invocation | None:
    """Give a queued invocation to a worker."""
    if not limits.has_room(invocation):
        return None  # rung again as soon as one of its kind ends
    taken = Invocation.objects.filter(id=invocation.id, state=State.QUEUED, available_at__lte=now).update(
        state=State.RUNNING,
        attempt=F("attempt") + 1,
        worker=worker.name,
        lease_expires_at=now + LEASE,
        waiting=False,
        started_at=Coalesce("started_at", now),
        ended_at=None,
        error=None,
    )
    if taken != 1:
        return None  # a doubled bell, or a cancelled call: somebody else has it, or nobody needs it
    row = Invocation.objects.get(id=invocation.id)
    Attempt.objects.create(
        invocation=row, number=row.attempt, worker=worker.name, hardware=worker.hardware, started_at=now
    )
    events = []
    if row.parent_id is None:
        begun = Run.objects.filter(id=row.run_id, state=State.QUEUED)
        if begun.update(state=State.RUNNING, started_at=Coalesce("started_at", now)) == 1:
            events.append(NewEvent(type="run.started"))
    data = {"attempt": row.attempt, "worker": worker.name, "hardware": worker.hardware}
    events.append(NewEvent(type="invocation.started", invocation_id=row.id, data=data))
    history.append(run_id=row.run_id, events=events, at=now)
    return row


def succeed(*, fence: Fence, result: Any, now: datetime) -> bool:
    """Record a result."""
    if owned(fence).update(state=State.SUCCEEDED, result=result, **_ended(now)) != 1:
        # We were cut off and a newer attempt has the work, or it was cancelled. The newer
        # answer counts; ours came from the same input, so nothing is lost.
        return False
    row = _close_attempt(fence, AttemptState.SUCCEEDED, now)
    data = {"attempt": fence.attempt}
    history.append(
        run_id=row.run_id,
        events=[NewEvent(type="invocation.succeeded", invocation_id=row.id, data=data)],
        at=now,
    )
    _settle_calls(row, now)
    limits.ring_next(row)
    if row.parent_id is None:
        Run.objects.filter(id=row.run_id).update(state=State.SUCCEEDED, output=result, ended_at=now)
        history.append(run_id=row.run_id, events=[NewEvent(type="run.succeeded")], at=now)
        delete_scratch(run_id=row.run_id)
    else:
        _wake_parent(row)
    return True


def fail(*, fence: Fence, failure: Failure, now: datetime, final: bool = False) -> bool:
    """Record a failed attempt; queue the next one unless it is `final`, or give up."""
    row = owned(fence).first()
    if row is None:
        return False  # as in `succeed`: a newer attempt has the work, or nobody wants it
    error = failure.model_dump(mode="json")
    decision = after_failure(
        failures=row.failures + 1,
        max_attempts=row.max_attempts,
        retryable=failure.retryable and not final,
        jitter=random.random(),  # noqa: S311 (spreads retries; nothing secret)
    )
    Invocation.objects.filter(id=row.id).update(failures=F("failures") + 1)
    _close_attempt(fence, AttemptState.FAILED, now, error=error)
    if isinstance(decision, GiveUp):
        _give_up(row, error, now)
        return True
    _queue(row, now=now, delay_s=decision.delay_s, bell=False, round=F("round") + 1)
    limits.ring_next(row)
    data = {"attempt": fence.attempt, "error": error, "retry_in": decision.delay_s}
    history.append(
        run_id=row.run_id,
        events=[NewEvent(type="invocation.failed", invocation_id=row.id, data=data)],
        at=now,
    )
    return True


def hand_back(*, fence: Fence, now: datetime) -> bool:
    """Queue an unfinished invocation again; the attempt is not charged."""
    row = owned(fence).first()
    if row is None:
        return False  # it ended meanwhile, or somebody else has it: either way it is not ours to give
    _requeue(row, reason="handed_back", attempt_state=AttemptState.HANDED_BACK, now=now)
    return True


def take_back(*, invocation: Invocation, now: datetime) -> bool:
    """Take an invocation from a worker whose lease ran out; give up if too many died over it."""
    fence = Fence(invocation_id=invocation.id, attempt=invocation.attempt)
    row = owned(fence).filter(lease_expires_at__lt=now).first()
    if row is None:
        return False  # it was renewed, finished, or another reconciler was first
    decision = after_death(deaths=row.deaths + 1, waiting=row.waiting)
    Invocation.objects.filter(id=row.id).update(deaths=F("deaths") + 1)
    if not isinstance(decision, GiveUp):
        _requeue(row, reason="worker_lost", attempt_state=AttemptState.LOST, now=now)
        return True
    failure = Failure(
        type="WorkerLost",
        module="chainlets.errors",
        message=(
            f"{row.deaths + 1} workers died while they ran `{row.chainlet}`, so it was given up. The input may be "
            f"at fault, or the machine may be short of memory: see the workers' logs."
        ),
        chainlet=row.chainlet,
        invocation=str(row.id),
        attempt=row.attempt,
        retryable=False,
    )
    error = failure.model_dump(mode="json")
    _close_attempt(fence, AttemptState.LOST, now, error=error)
    _give_up(row, error, now)
    return True


def requeue_ended(*, invocation: Invocation, now: datetime, **changes: Any) -> None:
    """Queue a failed or cancelled invocation again, with its tries given back."""
    _queue(
        invocation, now=now, failures=0, deaths=0, ended_at=None, error=None, round=F("round") + 1, **changes
    )
    data = {"attempt": invocation.attempt, "reason": "resumed"}
    event = NewEvent(type="invocation.requeued", invocation_id=invocation.id, data=data)
    history.append(run_id=invocation.run_id, events=[event], at=now)


def cancel_tree(*, run_id: UUID, ids: Iterable[UUID], now: datetime) -> None:
    """Cancel these invocations and all below them, as far as they have not ended; tell their workers."""
    level = list(ids)
    while level:
        rows = list(Invocation.objects.filter(id__in=level, state__in=OPEN))
        events = []
        for row in rows:
            failure = Failure(
                type="CallCancelled",
                module="chainlets.errors",
                message=f"`{row.chainlet}` was cancelled.",
                chainlet=row.chainlet,
                invocation=str(row.id),
                attempt=row.attempt,
                retryable=False,
            )
            error = failure.model_dump(mode="json")
            Invocation.objects.filter(id=row.id).update(state=State.CANCELLED, error=error, **_ended(now))
            Attempt.objects.filter(invocation=row, state=AttemptState.RUNNING).update(
                state=AttemptState.CANCELLED, ended_at=now
            )
            events.append(
                NewEvent(type="invocation.cancelled", invocation_id=row.id, data={"attempt": row.attempt})
            )
            limits.ring_next(row)
            if row.state == State.RUNNING:
                after_commit(Mail(worker=row.worker, invocation_id=row.id))
        history.append(run_id=run_id, events=events, at=now)
        # Calls of an invocation that ended by itself were settled then; so follow only what ends now.
        level = list(
            Invocation.objects.filter(parent_id__in=[row.id for row in rows], state__in=OPEN).values_list(
                "id", flat=True
            )
        )


def _requeue(row: Invocation, *, reason: str, attempt_state: AttemptState, now: datetime) -> None:
    _close_attempt(Fence(invocation_id=row.id, attempt=row.attempt), attempt_state, now)
    _queue(row, now=now)
    data = {"attempt": row.attempt, "reason": reason}
    event = NewEvent(type="invocation.requeued", invocation_id=row.id, data=data)
    history.append(run_id=row.run_id, events=[event], at=now)


def _queue(
    row: Invocation, *, now: datetime, delay_s: float = 0.0, bell: bool = True, **changes: Any
) -> None:
    # What has to wait is rung by the reconciler when its time has come.
    Invocation.objects.filter(id=row.id).update(
        state=State.QUEUED,
        worker="",
        waiting=False,
        lease_expires_at=None,
        available_at=now + timedelta(seconds=delay_s),
        rung_at=now if bell else None,
        **changes,
    )
    if bell:
        limits.ring(row)


def _give_up(row: Invocation, error: dict[str, Any], now: datetime) -> None:
    Invocation.objects.filter(id=row.id).update(state=State.FAILED, error=error, **_ended(now))
    data = {"attempt": row.attempt, "error": error, "retry_in": None}
    event = NewEvent(type="invocation.failed", invocation_id=row.id, data=data)
    history.append(run_id=row.run_id, events=[event], at=now)
    _settle_calls(row, now)
    limits.ring_next(row)
    if row.parent_id is None:
        Run.objects.filter(id=row.run_id).update(state=State.FAILED, error=error, ended_at=now)
        history.append(run_id=row.run_id, events=[NewEvent(type="run.failed", data={"error": error})], at=now)
    else:
        _wake_parent(row)


def _settle_calls(row: Invocation, now: datetime) -> None:
    """What an ended invocation called and did not wait for is of no use to anyone."""
    left = Invocation.objects.filter(parent=row, state__in=OPEN).values_list("id", flat=True)
    cancel_tree(run_id=row.run_id, ids=list(left), now=now)


def wake_caller(invocation_id: UUID) -> None:
    """Tell the caller of a call that there is something to read."""
    _wake_parent(Invocation.objects.only("id", "parent_id").get(id=invocation_id))


def _wake_parent(row: Invocation) -> None:
    worker = (
        Invocation.objects.filter(Q(id=row.parent_id) & ~Q(worker=""))
        .values_list("worker", flat=True)
        .first()
    )
    if worker:
        after_commit(Mail(worker=worker, invocation_id=row.id))


def _close_attempt(
    fence: Fence, state: AttemptState, now: datetime, *, error: dict[str, Any] | None = None
) -> Invocation:
    Attempt.objects.filter(invocation_id=fence.invocation_id, number=fence.attempt).update(
        state=state, ended_at=now, error=error
    )
    return Invocation.objects.get(id=fence.invocation_id)


def _ended(now: datetime) -> dict[str, Any]:
    return {"ended_at": now, "lease_expires_at": None, "waiting": False}
