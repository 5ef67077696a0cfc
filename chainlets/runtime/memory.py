"""A RunStore that keeps everything in this process: for strict local runs and for tests.

It follows the same rules as the database's store, and passes the same contract tests. Bells and
mail go straight to whoever listens, after the transaction.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from chainlets.failure import Failure
from chainlets.retrying import Retry, after_failure
from chainlets.runtime.memory_pacing import Later, Pacing
from chainlets.runtime.memory_rows import Event, Row, Transaction, kind_of
from chainlets.runtime.store import (
    Claim,
    Fence,
    FenceLostError,
    NewCall,
    Outcome,
    Output,
    State,
    WorkerIdentity,
)

Ring = Callable[[Row], None]
Wake = Callable[[UUID], None]


def _later(delay_s: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(delay_s, call)
    timer.daemon = True
    timer.start()


class MemoryRunStore:
    """Remembers runs for as long as it lives.

    Args:
        ring: called for each invocation that is ready to be served, outside any transaction.
        wake: called with the id of an invocation whose caller, or holder, should look again.
        clock: seconds that only grow; what a retry's pause and a rate are measured by.
        later: calls something after so many seconds of that clock.
    """

    def __init__(
        self,
        *,
        ring: Ring | None = None,
        wake: Wake | None = None,
        clock: Callable[[], float] = time.monotonic,
        later: Later = _later,
    ) -> None:
        self.ring: Ring = ring or (lambda _: None)
        self.wake: Wake = wake or (lambda _: None)
        self.rows: dict[UUID, Row] = {}
        self.events: list[Event] = []
        self._clock = clock
        self._later = later
        self._lock = threading.RLock()
        self._transaction: Transaction | None = None
        self._pacing = Pacing(ring=self._ring_for, clock=clock, later=later)

    def start_run(self, call: NewCall) -> UUID:
        """Accept a run with this root invocation; its bell rings."""
        with self.atomic():
            row = self._new(Row(call=call, run_id=uuid4(), parent=None, caller_round=0))
            self._event("invocation.queued", call.id, {"chainlet": call.chainlet, "attempt": 0})
            self._ring(row)
        return row.run_id

    @contextmanager
    def atomic(self, about: Collection[UUID] = ()) -> Iterator[None]:  # noqa: ARG002 (everything is at hand)
        """One transaction: it leaves nothing if it breaks, and bells ring once the outermost is through."""
        with self._lock:
            if self._transaction is not None:
                yield
                return
            self._transaction = transaction = Transaction(self.rows, self.events)
            try:
                yield
            except BaseException:
                transaction.undo()
                raise
            finally:
                self._transaction = None
        for tell in transaction.after:
            tell()

    def claim(self, *, invocation_id: UUID, worker: WorkerIdentity) -> Claim | None:
        """Take a queued invocation."""
        row = self._row(invocation_id)
        if row is None or row.state is not State.QUEUED or row.available_at > self._clock():
            return None
        if row.call.fleet_limit is not None and self._under_way(row.call) >= row.call.fleet_limit:
            return None  # rung again when one of its kind ends
        if not self._pacing.may_start(row):
            return None  # rung again when there is room
        row.state, row.attempt, row.worker = State.RUNNING, row.attempt + 1, worker.name
        self._event("invocation.started", invocation_id, {"attempt": row.attempt, "worker": worker.name})
        return Claim(
            fence=Fence(invocation_id=invocation_id, attempt=row.attempt),
            run_id=row.run_id,
            caller=row.parent,
            chain=row.call.chain,
            chainlet=row.call.chainlet,
            input=row.call.input,
            timeout_s=row.call.timeout_s,
            input_spilled=row.call.input_spilled,
        )

    def open_call(self, *, parent: Fence, call: NewCall) -> Outcome:
        """Record a call once, or say what became of it."""
        caller = self._owned(parent)
        if caller is None:
            raise FenceLostError
        row = self._row(call.id)
        if row is None:
            row = Row(call=call, run_id=caller.run_id, parent=parent.invocation_id, caller_round=caller.round)
            self._new(row)
            self._event("invocation.queued", call.id, {"chainlet": call.chainlet, "attempt": 0})
            self._ring(row)
        elif row.state is State.SUCCEEDED:
            self._event("invocation.kept", call.id, {})
        elif row.state is State.CANCELLED or (row.state is State.FAILED and row.caller_round != caller.round):
            row.call = call._replace(input=row.call.input, input_spilled=row.call.input_spilled)
            row.state, row.failures, row.failure = State.QUEUED, 0, None
            row.available_at = 0.0
            row.round, row.caller_round = row.round + 1, caller.round
            self._event("invocation.requeued", call.id, {"attempt": row.attempt, "reason": "resumed"})
            self._ring(row)
        return _outcome(row)

    def outcomes(self, *, ids: Collection[UUID], ended: bool = False) -> list[Outcome]:
        """How far these invocations are."""
        rows = [self.rows[id] for id in ids if id in self.rows]
        return [_outcome(row) for row in rows if row.state.final or not ended]

    def output(self, *, fence: Fence, index: int, piece: Mapping[str, str]) -> None:
        """Record a piece of a stream."""
        row = self._owned(fence)
        if row is not None:
            data = {"attempt": fence.attempt, "index": index, **piece}
            self._event("invocation.output", fence.invocation_id, data)
            row.outputs.append(Output(seq=len(self.events), attempt=fence.attempt, index=index, piece=piece))
            self._wake(fence.invocation_id)

    def outputs(self, *, invocation_id: UUID, after: int) -> list[Output]:
        """The pieces after a number."""
        row = self.rows.get(invocation_id)
        return [output for output in row.outputs if output.seq > after] if row else []

    def succeed(
        self,
        *,
        fence: Fence,
        result: Any,
        called: bool = True,  # noqa: ARG002 (all is at hand)
        spilled: bool = False,
    ) -> bool:
        """Record a result once."""
        row = self._owned(fence)
        if row is None:
            return False
        row.state, row.result, row.spilled = State.SUCCEEDED, result, spilled
        self._event("invocation.succeeded", fence.invocation_id, {"attempt": fence.attempt})
        self._ended(fence.invocation_id, row)
        return True

    def follow(self, *, fence: Fence, worker: WorkerIdentity, turn_s: float) -> Claim | None:  # noqa: ARG002 (as the protocol has it)
        """Nothing: every call has a bell here."""
        return None

    def fail(self, *, fence: Fence, failure: Failure, final: bool = False) -> Outcome | None:
        """Record a failed attempt once."""
        row = self._owned(fence)
        if row is None:
            return None
        row.failures += 1
        decision = after_failure(
            failures=row.failures,
            max_attempts=row.call.max_attempts,
            retryable=failure.retryable and not final,
            jitter=random.random(),  # noqa: S311 (spreads retries; nothing secret)
        )
        delay = decision.delay_s if isinstance(decision, Retry) else None
        data = {"attempt": fence.attempt, "error": failure.model_dump(mode="json"), "retry_in": delay}
        self._event("invocation.failed", fence.invocation_id, data)
        if delay is None:
            row.state, row.failure = State.FAILED, failure
            self._ended(fence.invocation_id, row)
        else:
            row.state, row.round = State.QUEUED, row.round + 1
            row.available_at = self._clock() + delay
            self._tell(lambda: self._ring_later(row, delay))
            self._ring_next(row)
        return _outcome(row)

    def hand_back(self, *, fence: Fence) -> bool:
        """Queue an unfinished invocation again."""
        row = self._owned(fence)
        if row is None:
            return False
        row.state = State.QUEUED
        data = {"attempt": fence.attempt, "reason": "handed_back"}
        self._event("invocation.requeued", fence.invocation_id, data)
        self._ring(row)
        return True

    def wait(self, *, fence: Fence) -> None:
        """Note that the invocation waits."""
        if self._owned(fence) is not None:
            self._event("invocation.waiting", fence.invocation_id, {"attempt": fence.attempt})

    def cancel_call(self, *, parent: Fence, invocation_id: UUID) -> None:
        """Cancel a call that its caller gave up."""
        if self._owned(parent) is not None:
            self._cancel_tree(invocation_id)

    def append(self, *, fence: Fence, type: str, data: Mapping[str, Any]) -> None:
        """Add an event that the author's code asked for."""
        row = self._owned(fence)
        if row is not None and not (type == "warning" and self._warned(row.run_id, data)):
            self._event(type, fence.invocation_id, data)

    def join(self, *, worker: WorkerIdentity) -> None:
        """Nothing to remember: there is one worker, and it is this process."""

    def renew(self, *, worker: WorkerIdentity) -> set[UUID]:
        """The invocations that the worker still holds."""
        rows = self.rows.items()
        return {id for id, row in rows if row.state is State.RUNNING and row.worker == worker.name}

    def leave(self, *, worker: WorkerIdentity) -> None:
        """Nothing to forget."""

    def _row(self, invocation_id: UUID) -> Row | None:
        """A row that is about to change."""
        row = self.rows.get(invocation_id)
        if row is not None and self._transaction is not None:
            self._transaction.note(row)
        return row

    def _new(self, row: Row) -> Row:
        if self._transaction is not None:
            self._transaction.added.append(row.call.id)
        self.rows[row.call.id] = row
        return row

    def _owned(self, fence: Fence) -> Row | None:
        row = self._row(fence.invocation_id)
        owned = row is not None and row.state is State.RUNNING and row.attempt == fence.attempt
        return row if owned else None

    def _ended(self, invocation_id: UUID, row: Row) -> None:
        for id, other in list(self.rows.items()):
            if other.parent == invocation_id:
                self._cancel_tree(id)
        self._wake(invocation_id)
        self._ring_next(row)

    def _ring_next(self, row: Row) -> None:
        """There is room for one more of a limited kind: let the oldest that waits try now."""
        if row.call.fleet_limit is None:
            return
        kind = kind_of(row.call)
        waiting = [
            r
            for r in self.rows.values()
            if r.state is State.QUEUED and kind_of(r.call) == kind and r is not row
        ]
        if waiting:
            self._ring(min(waiting, key=lambda other: other.available_at))

    def _cancel_tree(self, invocation_id: UUID) -> None:
        row = self._row(invocation_id)
        if row is None or row.state.final:
            return
        row.state = State.CANCELLED
        row.failure = Failure(
            type="CallCancelled",
            module="chainlets.errors",
            message=f"`{row.call.chainlet}` was cancelled.",
            chainlet=row.call.chainlet,
            retryable=False,
        )
        self._event("invocation.cancelled", invocation_id, {"attempt": row.attempt})
        self._ended(invocation_id, row)

    def _under_way(self, call: NewCall) -> int:
        return sum(r.state is State.RUNNING and kind_of(r.call) == kind_of(call) for r in self.rows.values())

    def _warned(self, run_id: UUID, data: Mapping[str, Any]) -> bool:
        """Whether the run's person was told so before: a new attempt says again what the last one said."""
        told = (e for e in self.events if e.type == "warning" and e.data == data)
        return any(e.invocation in self.rows and self.rows[e.invocation].run_id == run_id for e in told)

    def _event(self, type: str, invocation: UUID, data: Mapping[str, Any]) -> None:
        self.events.append(Event(type=type, invocation=invocation, data=dict(data)))

    def _ring(self, row: Row) -> None:
        self._tell(lambda: self.ring(row))

    def _ring_for(self, rows: Collection[Row]) -> None:
        for row in rows:
            if row.state is State.QUEUED:
                self.ring(row)

    def _ring_later(self, row: Row, delay_s: float) -> None:
        def ring() -> None:
            if row.state is State.QUEUED:
                self.ring(row)

        self._later(delay_s, ring)

    def _wake(self, invocation_id: UUID) -> None:
        self._tell(lambda: self.wake(invocation_id))

    def _tell(self, tell: Callable[[], None]) -> None:
        assert self._transaction is not None, "stores are used inside `atomic()`"
        self._transaction.after.append(tell)


def _outcome(row: Row) -> Outcome:
    return Outcome(
        id=row.call.id, state=row.state, result=row.result, failure=row.failure, spilled=row.spilled
    )
