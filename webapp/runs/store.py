"""The engine's RunStore on Django's models."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from chainlets.errors import StoreUnavailable
from chainlets.failure import Failure
from chainlets.runtime.store import Claim, Fence, FenceLostError, NewCall, Outcome, Output, WorkerIdentity
from webapp.files.services import delete_scratch, record_value
from webapp.fleet.services import worker_beats, worker_joins, worker_leaves
from webapp.runs import sharing, transitions
from webapp.runs.models import INPUT_SPILLED, Event, Invocation, Reuse, State
from webapp.runs.outcomes import outcome, read_outcomes
from webapp.runs.reuse import taken_over
from webapp.runs.rows import CallRow, as_text, from_text
from webapp.runs.workset import Workset, working_on

_work: ContextVar[Workset | None] = ContextVar("webapp_workset", default=None)


class DatabaseRunStore:
    """Rows are the truth; every write is conditional on the fence."""

    @contextmanager
    def atomic(self, about: Collection[UUID] = ()) -> Iterator[None]:
        """One transaction, on this thread's connection.

        Args:
            about: invocations that it will work on, to be read at once and not one by one.
        """
        outer = _work.get()
        if outer is not None:
            outer.load(about)
            yield
            return
        with _available(), working_on(about) as work:
            token = _work.set(work)
            try:
                yield
            finally:
                _work.reset(token)

    def claim(self, *, invocation_id: UUID, worker: WorkerIdentity) -> Claim | None:
        """Take a queued invocation."""
        work = _current()
        row = work.call(invocation_id)
        if row is None or not transitions.claim(work, row, worker):
            return None  # its run was deleted, or there is nothing to take
        return _claim(row)

    def open_call(self, *, parent: Fence, call: NewCall) -> Outcome:
        """Record a call once, or say what became of it."""
        work = _current()
        caller = transitions.owned(work, parent)
        if caller is None:
            raise FenceLostError
        row = work.call(call.id)
        if row is None:
            row = work.add(_new_row(work, caller, call))
            if call.input_spilled:
                _record(row, call.input)
            data = {"chainlet": row.chainlet, "parent": str(caller.id), "queue": row.queue, "attempt": 0}
            work.event(row.run, "invocation.queued", data, invocation=row.id)
            if not taken_over(work, row):
                sharing.enter(work, row, rung=call.rung)
        elif row.state == State.SUCCEEDED:
            work.event(row.run, "invocation.kept", invocation=row.id)
        elif row.state == State.CANCELLED or (row.state == State.FAILED and row.caller_round != caller.round):
            # The caller itself failed or was resumed since, so it gets a new try. After a mere
            # crash the recorded failure stands, or a call that kills workers would never end.
            transitions.requeue_ended(
                work,
                row,
                max_attempts=call.max_attempts,
                timeout_s=call.timeout_s,
                queue=call.queue,
                fleet_limit=call.fleet_limit,
                rate_limit=call.rate_limit,
                code=call.code,
                cache_s=call.cache_s,
                caller_round=caller.round,
            )
        return _outcome(row)

    def outcomes(self, *, ids: Collection[UUID], ended: bool = False) -> list[Outcome]:
        """How far these invocations are."""
        work = _work.get()
        if work is None:
            with _available():
                return read_outcomes(ids, ended=ended)
        work.load(ids)
        found = [_outcome(row) for id in ids if (row := work.call(id)) is not None]
        return [one for one in found if one.state.final or not ended]

    def succeed(self, *, fence: Fence, result: Any, called: bool = True, spilled: bool = False) -> bool:
        """Record a result once."""
        work = _current()
        row = transitions.owned(work, fence)
        if row is None:
            # We were cut off and a newer attempt has the work, or it was cancelled. The newer
            # answer counts; ours came from the same input, so nothing is lost.
            return False
        if spilled:
            _record(row, result)
        if transitions.succeed(work, row, result, called=called, spilled=spilled):
            work.write()
            delete_scratch(run_id=row.run_id)
        return True

    def follow(self, *, fence: Fence, worker: WorkerIdentity, turn_s: float) -> Claim | None:
        """Take another call like one that has just succeeded, of those that are held back."""
        work = _current()
        ended = work.call(fence.invocation_id)
        row = sharing.follower(work, ended, turn_s=turn_s) if ended is not None else None
        if row is None or not transitions.claim(work, row, worker):
            return None
        return _claim(row)

    def fail(self, *, fence: Fence, failure: Failure, final: bool = False) -> Outcome | None:
        """Record a failed attempt once."""
        work = _current()
        row = transitions.owned(work, fence)
        if row is None:
            return None  # as in `succeed`: a newer attempt has the work, or nobody wants it
        transitions.fail(work, row, failure, final=final)
        return _outcome(row)

    def output(self, *, fence: Fence, index: int, piece: Mapping[str, str]) -> None:
        """Record a piece of a stream, and wake whoever reads it."""
        work = _current()
        row = transitions.owned(work, fence)
        if row is not None:
            data = {"attempt": fence.attempt, "index": index, **piece}
            work.event(row.run, "invocation.output", data, invocation=row.id)
            transitions.wake_caller(work, row)

    def outputs(self, *, invocation_id: UUID, after: int) -> list[Output]:
        """The pieces that a streaming call has given, those of this transaction too."""
        if (work := _work.get()) is not None:
            work.write()
        with _available():
            return read_outputs(invocation_id=invocation_id, after=after)

    def hand_back(self, *, fence: Fence) -> bool:
        """Queue an unfinished invocation again."""
        work = _current()
        row = transitions.owned(work, fence)
        if row is None:
            return False  # it ended meanwhile, or somebody else has it: either way it is not ours to give
        transitions.hand_back(work, row)
        return True

    def wait(self, *, fence: Fence) -> None:
        """Note that the invocation waits for its dependencies."""
        work = _current()
        row = transitions.owned(work, fence)
        if row is not None:
            row.change(waiting=True)
            work.event(row.run, "invocation.waiting", {"attempt": fence.attempt}, invocation=row.id)

    def cancel_call(self, *, parent: Fence, invocation_id: UUID) -> None:
        """Cancel a call that its caller gave up."""
        work = _current()
        row = work.call(invocation_id)
        if row is not None and transitions.owned(work, parent) is not None:
            transitions.cancel_tree(work, [row])

    def append(self, *, fence: Fence, type: str, data: Mapping[str, Any]) -> None:
        """Add an event that the author's code asked for."""
        work = _current()
        row = transitions.owned(work, fence)
        if row is None:
            return  # a newer attempt has the work; what it says counts
        run = row.run
        if type == "progress":
            run.change(progress=as_text(data))
        elif type == "warning":
            if data["message"] in run.warnings:
                return  # a new attempt says again what the last one said
            run.warnings.append(data["message"])
            run.changed["warnings"] = as_text(run.warnings)
        work.event(row.run, type, data, invocation=row.id)

    def join(self, *, worker: WorkerIdentity) -> None:
        """Make a worker known; what a dead one in its place held is free at once."""
        now = _current().now
        dead = worker_joins(identity=worker, now=now)
        Invocation.objects.filter(worker__in=dead, state=State.RUNNING).update(lease_expires_at=now)

    def renew(self, *, worker: WorkerIdentity) -> set[UUID]:
        """Extend the worker's leases."""
        work = _current()
        work.write()  # what this transaction has claimed before is held too
        worker_beats(identity=worker, now=work.now)
        held = Invocation.objects.filter(worker=worker.name, state=State.RUNNING)
        held.update(lease_expires_at=work.now + transitions.LEASE)
        return set(held.values_list("id", flat=True))

    def leave(self, *, worker: WorkerIdentity) -> None:
        """Note that a worker has stopped."""
        worker_leaves(identity=worker)


def _current() -> Workset:
    work = _work.get()
    assert work is not None, "the store is used inside `atomic()`"
    return work


@contextmanager
def _available() -> Iterator[None]:
    """Say in the engine's word that the database is away, and connect anew the next time."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        connection.close()
        raise StoreUnavailable(str(error)) from error


def read_outputs(*, invocation_id: UUID, after: int) -> list[Output]:
    """The pieces that a streaming call has given, with a `seq` above `after`."""
    found = Event.objects.filter(
        run__invocations=invocation_id, seq__gt=after, invocation_id=invocation_id, type="invocation.output"
    )
    return [_output(event) for event in found.order_by("seq")]


def _claim(row: CallRow) -> Claim:
    return Claim(
        fence=Fence(invocation_id=row.id, attempt=row.attempt),
        run_id=row.run_id,
        caller=row.parent_id,
        chain=row.run.chain,
        chainlet=row.chainlet,
        input=from_text(row.input),
        timeout_s=row.timeout_s,
        input_spilled=bool(row.spilled & INPUT_SPILLED),
        fresh=row.run.reuse != Reuse.KEPT,
    )


def _new_row(work: Workset, caller: CallRow, call: NewCall) -> CallRow:
    return CallRow(
        id=call.id,
        run=caller.run,
        parent_id=caller.id,
        chainlet=call.chainlet,
        queue=call.queue,
        max_attempts=call.max_attempts,
        timeout_s=call.timeout_s,
        fleet_limit=call.fleet_limit,
        rate_limit=call.rate_limit,
        input=as_text(call.input),
        input_hash=call.input_hash,
        occurrence=call.occurrence,
        code=call.code,
        cache_s=call.cache_s,
        spilled=INPUT_SPILLED if call.input_spilled else 0,
        caller_round=caller.round,
        caller_worker=caller.worker,
        available_at=work.moment(),
        created_at=work.now,
    )


def _record(row: CallRow, handle: Mapping[str, Any]) -> None:
    record_value(handle, run_id=row.run_id, owner_id=row.run.owner_id)


def _output(event: Event) -> Output:
    piece = {key: value for key, value in event.data.items() if key in ("text", "base64")}
    return Output(seq=event.seq, attempt=event.data["attempt"], index=event.data["index"], piece=piece)


def _outcome(row: CallRow) -> Outcome:
    return outcome(id=row.id, state=row.state, spilled=row.spilled, result=row.result, error=row.error)
