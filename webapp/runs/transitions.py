"""Every change of state of runs and invocations, decided on the rows that a transaction holds.

Nothing here talks to the database: `workset` reads before and writes after. Who loses a race finds
that its fence is lost and stops; beside each such place stands why that is fine.
"""

import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from chainlets.failure import Failure
from chainlets.retrying import GiveUp, after_failure
from chainlets.runtime.store import Fence, WorkerIdentity
from chainlets.runtime.transitions import after_death
from webapp.runs import limits, pacing, sharing
from webapp.runs.models import OPEN, RESULT_SPILLED, AttemptState, State
from webapp.runs.rows import CallRow, as_text
from webapp.runs.workset import Workset

#: How long a worker holds an invocation without a sign of life.
LEASE = timedelta(seconds=8)


def owned(work: Workset, fence: Fence) -> CallRow | None:
    """The invocation, if this attempt still owns it."""
    row = work.call(fence.invocation_id)
    ours = row is not None and row.state == State.RUNNING and row.attempt == fence.attempt
    return row if ours else None


def claim(work: Workset, row: CallRow, worker: WorkerIdentity) -> bool:
    """Give a queued invocation to a worker."""
    due = row.available_at is not None and row.available_at <= work.now
    if row.state != State.QUEUED or not due:
        return False  # a doubled bell, or a cancelled call: somebody else has it, or nobody needs it
    if row.run.state not in OPEN:
        return False  # what a run leaves open ends with it, so this is a row that nobody needs
    if not limits.has_room(work, row):
        return False  # rung again as soon as one of its kind ends
    if not pacing.may_start(work, row):
        limits.ring_next(work, row)
        return False  # rung again when it may
    sharing.leave(row)
    row.change(
        state=State.RUNNING,
        attempt=row.attempt + 1,
        worker=worker.name,
        lease_expires_at=work.now + LEASE,
        waiting=False,
        started_at=row.started_at or work.now,
        ended_at=None,
        error=None,
    )
    work.begin_attempt(row, worker=worker.name, hardware=worker.hardware)
    sharing.top_up(work, run=row.run, queue=row.queue)
    run = row.run
    if row.parent_id is None and run.state == State.QUEUED:
        run.change(state=State.RUNNING, started_at=run.started_at or work.now)
        work.event(row.run, "run.started")
    data = {"attempt": row.attempt, "worker": worker.name, "hardware": worker.hardware}
    work.event(row.run, "invocation.started", data, invocation=row.id)
    return True


def succeed(work: Workset, row: CallRow, result: Any, *, called: bool = True, spilled: bool = False) -> bool:
    """Record a result, or its file's handle; whether the run ended with it. `called`: it may have called others."""
    text = as_text(result)
    row.change(state=State.SUCCEEDED, result=text, **_ended(work))
    if spilled:
        row.change(spilled=row.spilled | RESULT_SPILLED)
    work.end_attempt(row, AttemptState.SUCCEEDED)
    work.event(row.run, "invocation.succeeded", {"attempt": row.attempt}, invocation=row.id)
    _settle(work, row, called=called)
    if row.parent_id is not None:
        return False
    run = row.run
    run.change(state=State.SUCCEEDED, output=text, ended_at=work.now)
    if spilled:
        run.change(output_spilled=True)
    work.event(row.run, "run.succeeded")
    return True


def fail(work: Workset, row: CallRow, failure: Failure, *, final: bool = False) -> None:
    """Record a failed attempt; queue the next one unless it is `final`, or give up."""
    error = failure.model_dump(mode="json")
    decision = after_failure(
        failures=row.failures + 1,
        max_attempts=row.max_attempts,
        retryable=failure.retryable and not final,
        jitter=random.random(),  # noqa: S311 (spreads retries; nothing secret)
    )
    row.change(failures=row.failures + 1)
    work.end_attempt(row, AttemptState.FAILED, error=as_text(error))
    if isinstance(decision, GiveUp):
        _give_up(work, row, error)
        return
    data = {"attempt": row.attempt, "error": error, "retry_in": decision.delay_s}
    _queue(work, row, delay_s=decision.delay_s, bell=False, round=row.round + 1)
    work.event(row.run, "invocation.failed", data, invocation=row.id)
    limits.ring_next(work, row)


def hand_back(work: Workset, row: CallRow) -> None:
    """Queue an unfinished invocation again; the attempt is not charged."""
    _requeue(work, row, reason="handed_back", attempt_state=AttemptState.HANDED_BACK)


def take_back(work: Workset, row: CallRow) -> bool:
    """Take an invocation from a worker whose lease ran out; give up if too many died over it."""
    if row.state != State.RUNNING or row.lease_expires_at is None or row.lease_expires_at >= work.now:
        return False  # it was renewed, finished, or another reconciler was first
    decision = after_death(deaths=row.deaths + 1, waiting=row.waiting)
    row.change(deaths=row.deaths + 1)
    if not isinstance(decision, GiveUp):
        _requeue(work, row, reason="worker_lost", attempt_state=AttemptState.LOST)
        return True
    failure = _failure(
        row,
        "WorkerLost",
        f"{row.deaths} workers died while they ran `{row.chainlet}`, so it was given up. The input may be "
        f"at fault, or the machine may be short of memory: see the workers' logs.",
    )
    work.end_attempt(row, AttemptState.LOST, error=as_text(failure))
    _give_up(work, row, failure, reason="worker_lost")
    return True


def overrun(work: Workset, root: CallRow, message: str) -> None:
    """Fail a run whose time is up; what it has under way is cancelled, and the workers told."""
    failure = _failure(root, "DeadlineExceeded", message)
    if root.state == State.RUNNING:
        work.end_attempt(root, AttemptState.FAILED, error=as_text(failure))
        work.mail(root.worker, root.id)
    _give_up(work, root, failure)


def requeue_ended(work: Workset, row: CallRow, **changes: Any) -> None:
    """Queue a failed or cancelled invocation again, with its tries given back."""
    _queue(work, row, failures=0, deaths=0, ended_at=None, error=None, round=row.round + 1, **changes)
    work.opened(row)
    data = {"attempt": row.attempt, "reason": "resumed"}
    work.event(row.run, "invocation.requeued", data, invocation=row.id)


def cancel_tree(work: Workset, rows: Iterable[CallRow]) -> None:
    """Cancel these invocations and all below them, as far as they have not ended; tell their workers."""
    level = [row for row in rows if row.state in OPEN]
    while level:
        for row in level:
            was_running = row.state == State.RUNNING
            if not was_running:
                sharing.leave(row)
            error = as_text(_failure(row, "CallCancelled", f"`{row.chainlet}` was cancelled."))
            row.change(state=State.CANCELLED, error=error, **_ended(work))
            if was_running:
                work.end_attempt(row, AttemptState.CANCELLED)
                work.mail(row.worker, row.id)
            work.event(row.run, "invocation.cancelled", {"attempt": row.attempt}, invocation=row.id)
            limits.ring_next(work, row)
        for run, queue in {(row.run_id, row.queue): (row.run, row.queue) for row in level}.values():
            sharing.top_up(work, run=run, queue=queue)
        # Calls of an invocation that ended by itself were settled then; so follow only what ends now.
        level = [child for row in level for child in work.open_calls_of(row.id)]


def wake_caller(work: Workset, row: CallRow) -> None:
    """Tell the worker that a call's caller runs in that there is something to read."""
    work.mail(row.caller_worker, row.id)


def _requeue(work: Workset, row: CallRow, *, reason: str, attempt_state: AttemptState) -> None:
    work.end_attempt(row, attempt_state)
    _queue(work, row)
    work.event(row.run, "invocation.requeued", {"attempt": row.attempt, "reason": reason}, invocation=row.id)


def _queue(work: Workset, row: CallRow, *, delay_s: float = 0.0, bell: bool = True, **changes: Any) -> None:
    # What has to wait is rung by the reconciler when its time has come.
    row.change(
        state=State.QUEUED,
        worker="",
        waiting=False,
        lease_expires_at=None,
        available_at=work.now + timedelta(seconds=delay_s),
        rung_at=None,
        **changes,
    )
    if bell:
        sharing.enter(work, row)
    else:
        sharing.hold(row)


def _give_up(work: Workset, row: CallRow, error: dict[str, Any], **why: str) -> None:
    text = as_text(error)
    row.change(state=State.FAILED, error=text, **_ended(work))
    data = {"attempt": row.attempt, "error": error, "retry_in": None, **why}
    work.event(row.run, "invocation.failed", data, invocation=row.id)
    _settle(work, row)
    if row.parent_id is None:
        row.run.change(state=State.FAILED, error=text, ended_at=work.now)
        work.event(row.run, "run.failed", {"error": error})


def _settle(work: Workset, row: CallRow, *, called: bool = True) -> None:
    """What an ended invocation called and did not wait for is of no use to anyone; its own caller may go on."""
    if called:
        cancel_tree(work, work.open_calls_of(row.id))
    limits.ring_next(work, row)
    work.mail(row.caller_worker, row.id, ended=True)


def _failure(row: CallRow, type: str, message: str) -> dict[str, Any]:
    failure = Failure(
        type=type,
        module="chainlets.errors",
        message=message,
        chainlet=row.chainlet,
        invocation=str(row.id),
        attempt=row.attempt,
        retryable=False,
    )
    return failure.model_dump(mode="json")


def _ended(work: Workset) -> dict[str, Any]:
    return {"ended_at": work.now, "lease_expires_at": None, "waiting": False}
