"""The engine's RunStore on Django's models."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from chainlets.errors import StoreUnavailable
from chainlets.failure import Failure
from chainlets.runtime import store as engine
from chainlets.runtime.store import Claim, Fence, FenceLostError, NewCall, Outcome, Output, WorkerIdentity
from webapp.fleet.services import worker_beats, worker_joins, worker_leaves
from webapp.runs import clock, history, limits, transitions
from webapp.runs.history import NewEvent
from webapp.runs.models import Event, Invocation, Run, State


class DatabaseRunStore:
    """Rows are the truth; every write is conditional on the fence."""

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """One transaction, on this thread's connection, which stays open until it fails."""
        try:
            with transaction.atomic():
                yield
        except (OperationalError, InterfaceError) as error:
            connection.close()
            raise StoreUnavailable(str(error)) from error

    def claim(self, *, invocation_id: UUID, worker: WorkerIdentity) -> Claim | None:
        """Take a queued invocation."""
        found = Invocation.objects.filter(id=invocation_id).select_related("run__chain").first()
        if found is None:
            return None  # its run was deleted
        history.lock_run(found.run_id)
        row = transitions.claim(invocation=found, worker=worker, now=clock.now())
        if row is None:
            return None
        return Claim(
            fence=Fence(invocation_id=row.id, attempt=row.attempt),
            run_id=row.run_id,
            caller=row.parent_id,
            chain=found.run.chain.name,
            chainlet=row.chainlet,
            input=row.input,
            timeout_s=row.timeout_s,
        )

    def open_call(self, *, parent: Fence, call: NewCall) -> Outcome:
        """Record a call once, or say what became of it."""
        caller = transitions.owned(parent).first()
        if caller is None:
            raise FenceLostError
        history.lock_run(caller.run_id)
        now = clock.now()
        row = Invocation.objects.filter(id=call.id).first()
        if row is None:
            row = Invocation.objects.create(
                id=call.id,
                run_id=caller.run_id,
                parent=caller,
                chainlet=call.chainlet,
                queue=call.queue,
                max_attempts=call.max_attempts,
                timeout_s=call.timeout_s,
                fleet_limit=call.fleet_limit,
                input=dict(call.input),
                input_hash=call.input_hash,
                occurrence=call.occurrence,
                caller_round=caller.round,
                available_at=now,
                rung_at=now,
                created_at=now,
            )
            data = {"chainlet": row.chainlet, "parent": str(caller.id), "queue": row.queue, "attempt": 0}
            event = NewEvent(type="invocation.queued", invocation_id=row.id, data=data)
            history.append(run_id=row.run_id, events=[event], at=now)
            limits.ring(row)
        elif row.state == State.SUCCEEDED:
            event = NewEvent(type="invocation.kept", invocation_id=row.id)
            history.append(run_id=row.run_id, events=[event], at=now)
        elif row.state == State.CANCELLED or (row.state == State.FAILED and row.caller_round != caller.round):
            # The caller itself failed or was resumed since, so it gets a new try. After a mere
            # crash the recorded failure stands, or a call that kills workers would never end.
            transitions.requeue_ended(
                invocation=row,
                now=now,
                max_attempts=call.max_attempts,
                timeout_s=call.timeout_s,
                queue=call.queue,
                fleet_limit=call.fleet_limit,
                caller_round=caller.round,
            )
            row.state = State.QUEUED
        return _outcome(row)

    def outcomes(self, *, ids: Collection[UUID]) -> list[Outcome]:
        """How far these invocations are."""
        return [_outcome(row) for row in Invocation.objects.filter(id__in=ids)]

    def succeed(self, *, fence: Fence, result: Any) -> bool:
        """Record a result once."""
        if not _lock(fence):
            return False
        return transitions.succeed(fence=fence, result=result, now=clock.now())

    def fail(self, *, fence: Fence, failure: Failure, final: bool = False) -> bool:
        """Record a failed attempt once."""
        if not _lock(fence):
            return False
        return transitions.fail(fence=fence, failure=failure, final=final, now=clock.now())

    def output(self, *, fence: Fence, index: int, piece: Mapping[str, str]) -> None:
        """Record a piece of a stream, and wake whoever reads it."""
        run_id = _lock(fence)
        if run_id:
            data = {"attempt": fence.attempt, "index": index, **piece}
            event = NewEvent(type="invocation.output", invocation_id=fence.invocation_id, data=data)
            history.append(run_id=run_id, events=[event], at=clock.now())
            transitions.wake_caller(fence.invocation_id)

    def outputs(self, *, invocation_id: UUID, after: int) -> list[Output]:
        """The pieces that a streaming call has given."""
        found = Event.objects.filter(
            run__invocations=invocation_id,
            seq__gt=after,
            invocation_id=invocation_id,
            type="invocation.output",
        )
        return [_output(event) for event in found.order_by("seq")]

    def hand_back(self, *, fence: Fence) -> bool:
        """Queue an unfinished invocation again."""
        if not _lock(fence):
            return False
        return transitions.hand_back(fence=fence, now=clock.now())

    def wait(self, *, fence: Fence) -> None:
        """Note that the invocation waits for its dependencies."""
        run_id = _lock(fence)
        if run_id and transitions.owned(fence).update(waiting=True):
            event = NewEvent(
                type="invocation.waiting", invocation_id=fence.invocation_id, data={"attempt": fence.attempt}
            )
            history.append(run_id=run_id, events=[event], at=clock.now())

    def cancel_call(self, *, parent: Fence, invocation_id: UUID) -> None:
        """Cancel a call that its caller gave up."""
        run_id = _lock(parent)
        if run_id:
            transitions.cancel_tree(run_id=run_id, ids=[invocation_id], now=clock.now())

    def append(self, *, fence: Fence, type: str, data: Mapping[str, Any]) -> None:
        """Add an event that the author's code asked for."""
        run_id = _lock(fence)
        if not run_id:
            return  # a newer attempt has the work; what it says counts
        if type == "progress":
            Run.objects.filter(id=run_id).update(progress=dict(data))
        elif type == "warning":
            known = Run.objects.values_list("warnings", flat=True).get(id=run_id)
            if data["message"] in known:
                return  # a new attempt says again what the last one said
            Run.objects.filter(id=run_id).update(warnings=[*known, data["message"]])
        event = NewEvent(type=type, invocation_id=fence.invocation_id, data=data)
        history.append(run_id=run_id, events=[event], at=clock.now())

    def join(self, *, worker: WorkerIdentity) -> None:
        """Make a worker known; what a dead one in its place held is free at once."""
        now = clock.now()
        dead = worker_joins(identity=worker, now=now)
        Invocation.objects.filter(worker__in=dead, state=State.RUNNING).update(lease_expires_at=now)

    def renew(self, *, worker: WorkerIdentity) -> set[UUID]:
        """Extend the worker's leases."""
        now = clock.now()
        worker_beats(identity=worker, now=now)
        held = Invocation.objects.filter(worker=worker.name, state=State.RUNNING)
        held.update(lease_expires_at=now + transitions.LEASE)
        return set(held.values_list("id", flat=True))

    def leave(self, *, worker: WorkerIdentity) -> None:
        """Note that a worker has stopped."""
        worker_leaves(identity=worker)


def _lock(fence: Fence) -> UUID | None:
    """Take the run of an invocation that this attempt owns; None if it does not."""
    run_id: UUID | None = transitions.owned(fence).values_list("run_id", flat=True).first()
    if run_id is not None:
        history.lock_run(run_id)
        # Whoever had the run before us may have ended the attempt.
        if not transitions.owned(fence).exists():
            return None
    return run_id


def _output(event: Event) -> Output:
    piece = {key: value for key, value in event.data.items() if key in ("text", "base64")}
    return Output(seq=event.seq, attempt=event.data["attempt"], index=event.data["index"], piece=piece)


def _outcome(row: Invocation) -> Outcome:
    failure = Failure.model_validate(row.error) if row.error else None
    return Outcome(id=row.id, state=engine.State(row.state), result=row.result, failure=failure)
