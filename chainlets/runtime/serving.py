"""One bell's way through a worker: wait for a slot, claim, run the author's code, record what came of it.

Nobody waits here. Each step says what follows it and gives its thread back: the slot, the committer
and the author's loop call the next one. So a call costs a few function calls, and what comes in a
burst is claimed, started and recorded together.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from chainlets.endpoint import Shape
from chainlets.failure import Failure, failure_from
from chainlets.files import FileStore
from chainlets.runtime.calls import OpenCalls
from chainlets.runtime.committer import Committer
from chainlets.runtime.crash_points import crash_point
from chainlets.runtime.early import EarlyCalls
from chainlets.runtime.execution import Execution
from chainlets.runtime.inbox import inbox_of
from chainlets.runtime.payload import from_file, is_packed, to_file
from chainlets.runtime.replicas import Replica
from chainlets.runtime.spilling import Held, read, spill
from chainlets.runtime.store import Claim, Outcome, RunStore, State, WorkerIdentity
from chainlets.runtime.terms import Terms
from chainlets.runtime.time_limits import Kind, Overdue, deadlines, held_too_long
from chainlets.runtime.waiting_room import Waiting, WaitingRoom
from chainlets.runtime.watchdog import Watchdog
from chainlets.websocket import WebSocketProtocol, is_disconnect

log = logging.getLogger(__name__)

_BLOCKED_LOOP_GRACE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What all calls of a worker share.

    Attributes:
        held: what was claimed and has not been recorded as ended.
        stopping: whether nothing more is to be claimed.
        room: where bells wait for a slot.
        overdue: counts what was given up and has not come back.
    """

    committer: Committer
    calls: OpenCalls
    early: EarlyCalls
    watchdog: Watchdog
    threads: ThreadPoolExecutor
    files: Callable[[UUID, UUID], FileStore]
    scratch: Path
    sockets: Callable[[UUID], AbstractAsyncContextManager[WebSocketProtocol]]
    worker: Callable[[], WorkerIdentity]
    stopping: Callable[[], bool]
    held: dict[UUID, Serving]
    room: WaitingRoom
    overdue: Overdue


class Serving:
    """An answer to a bell.

    Args:
        workshop: what it works with.
        replica: whose method is called.
        invocation_id: what to claim.
        on_wait: called once when it stops holding a slot.
        on_end: called once when nothing is left to do.
        on_pass: the slot, and all that belongs to it, goes to another call.
        terms: what else there is to keep to and to tell.

    Attributes:
        claimed: that it is ours is recorded.
    """

    __slots__ = (
        "_began", "_deadlines", "_holds", "_id", "_lock", "_on_end", "_on_pass", "_on_wait", "_replica", "_stopped", "_task", "_terms",
        "_turn_began", "_workshop", "claimed", "execution", "late_at",
    )  # fmt: skip
    execution: Execution

    def __init__(
        self,
        *,
        workshop: Workshop,
        replica: Replica,
        invocation_id: UUID,
        on_wait: Callable[[], None],
        on_end: Callable[[], None],
        on_pass: Callable[[UUID], None],
        terms: Terms,
    ) -> None:
        self._workshop = workshop
        self._replica = replica
        self._id = invocation_id
        self._on_wait = on_wait
        self._on_end = on_end
        self._on_pass = on_pass
        self._terms = terms
        self._turn_began = 0.0
        self._began = 0.0
        self._deadlines: list[tuple[float, Kind]] = []
        self._stopped = ""
        self._lock = threading.Lock()
        self._holds = False
        self.late_at: float | None = None
        self.claimed = False

    def begin(self) -> None:
        """Wait for a slot, and go on from there."""
        slots = self._replica.slots
        if not slots.take(self._claim) and self._terms.put_back is not None:
            size = self._replica.descriptor.compute.concurrency
            now = time.monotonic()
            self._workshop.room.enter(
                Waiting(slots=slots, size=size, then=self._claim, leave=self._put_back, came_at=now)
            )

    def check_time(self, now: float) -> None:
        """Do what its deadlines ask for that have passed."""
        while self._deadlines and self._began + self._deadlines[-1][0] <= now:
            at, kind = self._deadlines.pop()
            if kind == "caller":
                self._give_up(self.execution.timeout_message)
            elif not self.execution.waiting:  # else it holds no slot
                said = held_too_long(self.execution.claim.chainlet, kind, at)
                if kind == "hard":
                    self._give_up(said)
                else:
                    self._stopped = said
                    self.execution.cancel(ending=False)
        self.late_at = self._began + self._deadlines[-1][0] if self._deadlines else None

    def _give_up(self, said: str) -> None:
        """The author's code did not come back within its time: record that, and let it go."""
        if self.execution.end():
            self._deadlines.clear()
            self._workshop.overdue.begins(self.execution.claim)
            self.execution.cancel(ending=False)
            self._failed(TimeoutError(said))

    def _put_back(self) -> None:
        if self._terms.put_back is not None:
            self._terms.put_back(self._replica.descriptor.queue)
        self._on_end()

    def _claim(self) -> None:
        self._holds = True
        self._turn_began = time.monotonic()
        if self._workshop.stopping():
            self._put_back()  # the next worker will answer the bell; nobody needs the slot any more
            return
        crash_point("claim.before")
        early = self._workshop.early.claim(self._id)
        self._workshop.committer.hand_over(
            lambda store: store.claim(invocation_id=self._id, worker=self._workshop.worker()),
            (self._id,),
            self._claimed if early is None else self._confirmed,
            patient=early is not None,
        )
        if early is not None:
            self._execute(early)

    def _claimed(self, claim: Claim | None, error: BaseException | None) -> None:
        if error is not None:
            # A fault of ours, not of the author's code: the reconciler will ring again.
            log.error("%s could not be claimed", self._id, exc_info=error)
        if claim is None:
            self._end()
            return
        self._taken()
        self._execute(claim)

    def _confirmed(self, claim: Claim | None, error: BaseException | None) -> None:
        """It executes already, for when it began its row was not there yet and could be nobody else's."""
        if claim is not None and claim.fence == self.execution.claim.fence:
            self._taken()
            return
        if error is not None:
            log.error("%s could not be claimed", self._id, exc_info=error)
        # Its caller was cut off before the call was recorded: nobody will ask for it.
        self.execution.cancel(ending=True)

    def _taken(self) -> None:
        crash_point("claim.after")
        self.claimed = True

    def _execute(self, claim: Claim) -> None:
        workshop, replica = self._workshop, self._replica
        self.execution = Execution(
            claim=claim,
            committer=workshop.committer,
            files=workshop.files(claim.run_id, claim.fence.invocation_id),
            scratch=workshop.scratch,
            worker=workshop.worker().name,
            on_wait=self._waits,
        )
        workshop.held[self._id] = self
        is_async = replica.descriptor.endpoint.is_async
        caller_s = claim.timeout_s
        if caller_s is not None and is_async:
            # The author's loop keeps this time itself; a loop that is blocked cannot.
            caller_s += _BLOCKED_LOOP_GRACE_S
        self._deadlines = deadlines(caller_s=caller_s, limits=self._terms.limits)
        if self._deadlines:
            self._began = time.monotonic()
            self.late_at = self._began + self._deadlines[-1][0]
        self._terms.on_start()
        if is_async:
            loop = workshop.calls.loops.pick()
            inbox_of(loop).post(lambda: self._start(loop))
        else:
            workshop.threads.submit(self._perform_sync)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        # A context of its own: this may be called in that of another call.
        self._task = loop.create_task(self._perform(), context=contextvars.Context())

    async def _perform(self) -> None:
        """On one of the authors' loops."""
        self._workshop.watchdog.belongs(asyncio.current_task(), self.execution)
        try:
            result = self._encoded(await self._author())
            if isinstance(result, bytes):
                loop = asyncio.get_running_loop()
                result = await loop.run_in_executor(self._workshop.threads, self._spilled, result)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (whatever the author's code raised is recorded)
            self._raised(error)
        else:
            self._returned(result)

    def _perform_sync(self) -> None:
        """On a thread of its own."""
        try:
            result = self._encoded(self.execution.run_sync(self._replica.method, self._arguments()))
            if isinstance(result, bytes):
                result = self._spilled(result)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (as above)
            self._raised(error)
        else:
            self._returned(result)

    async def _author(self) -> Any:
        """The author's async code, in its way of answering."""
        endpoint, execution, method = self._replica.descriptor.endpoint, self.execution, self._replica.method
        if endpoint.shape is Shape.STREAM:
            return await execution.run_stream(endpoint, method, self._arguments())
        if endpoint.shape is Shape.VALUE:
            return await execution.run_async(method, self._arguments())
        if execution.claim.fence.attempt > 1:
            raise _ConversationLost(
                f"The worker that `{execution.claim.chainlet}` ran on was lost, and the conversation with it. Connect again."
            )
        async with self._workshop.sockets(self._id) as websocket:
            try:
                return await execution.run_async(method, {endpoint.socket or "": websocket})
            except Exception as error:
                if is_disconnect(error):
                    return None  # the client has gone, which is how conversations end
                raise

    def _arguments(self) -> dict[str, Any]:
        endpoint, claim = self._replica.descriptor.endpoint, self.execution.claim
        given = claim.input
        if claim.input_spilled:
            what = f"The input of `{claim.chainlet}`"
            files, call = self.execution.files, self._id
            return endpoint.input_from(read(given, files=files, what=what, call=call, run=claim.run_id))
        if is_packed(given):
            return endpoint.unpack_input(from_file(given, files=self.execution.files))
        return endpoint.decode_input(given)

    def _encoded(self, result: Any) -> Held | bytes:
        """The result as it stands in the row, packed in a file if the input was; or a text that is too large for one."""
        endpoint, claim = self._replica.descriptor.endpoint, self.execution.claim
        if claim.input_spilled or not is_packed(claim.input) or endpoint.shape is not Shape.VALUE:
            value, text = endpoint.write_output(result, chainlet=claim.chainlet)
            large = self._workshop.calls.sizes.large(text, what=f"The result of `{claim.chainlet}`")
            return text if large else Held(value)
        packed = endpoint.pack_output(result, chainlet=claim.chainlet)
        name = f"result of {claim.chainlet}"
        return Held(
            to_file(packed, files=self.execution.files, folder=self.execution.scratch_dir(), name=name)
        )

    def _spilled(self, text: bytes) -> Held:
        return spill(text, files=self.execution.files, name=f"result of {self.execution.claim.chainlet}")

    def _returned(self, result: Held) -> None:
        execution = self.execution
        if not execution.end():
            self._workshop.overdue.ends()  # its time was up before
            return
        self._workshop.watchdog.settle(execution)
        execution.close()
        if self._stopped:
            self._failed(TimeoutError(self._stopped))  # what it returned may be half of it
            return
        workshop, fence = self._workshop, execution.claim.fence
        called = execution.called or fence.attempt > 1

        def record(store: RunStore) -> tuple[bool, Claim | None]:
            ours = store.succeed(fence=fence, result=result.json, called=called, spilled=result.spilled)
            if not (ours and self._may_pass_on()):
                return ours, None
            turn_s = time.monotonic() - self._turn_began
            return ours, store.follow(fence=fence, worker=workshop.worker(), turn_s=turn_s)

        def recorded(done: tuple[bool, Claim | None] | None, error: BaseException | None) -> None:
            if error is not None or done is None:
                # The database refuses this result, so its caller must hear of it.
                self._failed(error or RuntimeError("the store gave no answer"))
                return
            ours, following = done
            if ours:
                crash_point("result.after")
                value, spilled = result
                workshop.calls.ended(
                    Outcome(id=self._id, state=State.SUCCEEDED, result=value, spilled=spilled)
                )
                self._terms.on_success()
            else:
                self._terms.on_failure(None)
            if following is None:
                self._end()
            else:
                self._pass_on(following)

        crash_point("result.before")
        workshop.committer.hand_over(record, (self._id,), recorded)

    def _may_pass_on(self) -> bool:
        """Whether its slot may go to another call of the run at once, without a bell."""
        return self._holds and self._terms.pass_on is not None and not self._workshop.stopping()

    def _pass_on(self, claim: Claim) -> None:
        following = Serving(
            workshop=self._workshop,
            replica=self._replica,
            invocation_id=claim.fence.invocation_id,
            on_wait=self._on_wait,
            on_end=self._on_end,
            on_pass=self._on_pass,
            terms=self._terms,
        )
        following._holds, following._turn_began = True, self._turn_began
        self._leave()
        self._on_pass(claim.fence.invocation_id)
        if self._terms.pass_on is not None:
            self._terms.pass_on(claim.fence.invocation_id)
        following._taken()
        following._execute(claim)

    def _leave(self) -> None:
        if self._workshop.held.get(self._id) is self:  # else a bell too many, for what is served already
            del self._workshop.held[self._id]

    def _raised(self, error: BaseException) -> None:
        execution = self.execution
        if not execution.end():
            self._workshop.overdue.ends()
            return
        self._workshop.watchdog.settle(execution)
        execution.close()
        if self._stopped:
            self._failed(TimeoutError(self._stopped), final=execution.pieces > 0)
        elif execution.cancelled():
            self._terms.on_failure(None)
            self._end()
        else:
            # Who listens to a stream has heard what it said: it cannot be said again.
            self._failed(error, final=execution.pieces > 0)

    def _failed(self, error: BaseException, *, final: bool = False) -> None:
        failure = record_failure(
            self._workshop,
            self.execution.claim,
            error,
            final=final,
            then=self._end,
        )
        self._terms.on_failure(failure)

    def _waits(self) -> None:
        self._release()
        self._on_wait()

    def _release(self) -> None:
        with self._lock:
            held, self._holds = self._holds, False
        if held:
            self._replica.slots.give_back()

    def _end(self) -> None:
        self._leave()
        self._release()
        self._on_end()


def record_failure(
    workshop: Workshop,
    claim: Claim,
    error: BaseException,
    *,
    final: bool = False,
    then: Callable[[], None],
) -> Failure:
    """Write down and record what an attempt failed with; `then` is called once it is recorded."""
    failure = failure_from(
        error,
        chainlet=claim.chainlet,
        invocation=str(claim.fence.invocation_id),
        attempt=claim.fence.attempt,
        worker=workshop.worker().name,
    )
    if claim.caller is None or failure.cause is None:
        log.warning("%s.%s failed:\n%s", claim.chain, claim.chainlet, failure.text())
    else:
        log.warning("%s.%s failed: %s", claim.chain, claim.chainlet, failure.root.message)

    def recorded(outcome: Outcome | None, fault: BaseException | None) -> None:
        if fault is not None:
            # The lease runs out, and the reconciler gives the invocation to somebody else.
            log.error("The failure of %s could not be recorded", claim.fence, exc_info=fault)
        elif outcome is not None:
            workshop.calls.ended(outcome)
        then()

    workshop.committer.hand_over(
        lambda store: store.fail(fence=claim.fence, failure=failure, final=final),
        (claim.fence.invocation_id,),
        recorded,
    )
    return failure


class _ConversationLost(Exception):
    """A websocket cannot be handed to another worker."""

    retryable = False
