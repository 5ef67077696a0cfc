"""Runs invocations in one worker process.

Three kinds of threads, so that none can stop another: the system loop and the committer (claims,
leases, answers), the mailbox (wake-ups from the broker), and the authors' code (event loops and
threads of its own).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from chainlets.chainlet import ChainletBase
from chainlets.context import DeployedServiceDescriptor
from chainlets.describe import ChainletDescriptor, Dependency
from chainlets.endpoint import Shape
from chainlets.failure import Failure, failure_from
from chainlets.files import FileStore
from chainlets.graph import Chain
from chainlets.runtime.calls import OpenCalls
from chainlets.runtime.committer import Committer
from chainlets.runtime.execution import Execution
from chainlets.runtime.feeds import Feed
from chainlets.runtime.loops import UserLoops, end_loop
from chainlets.runtime.payload import from_file, is_packed, to_file
from chainlets.runtime.replicas import Replica, Replicas
from chainlets.runtime.store import Claim, Fence, Outcome, RunStore, State, WorkerIdentity
from chainlets.runtime.stub import stub_for
from chainlets.runtime.terms import PLAIN, Terms
from chainlets.runtime.time_limits import Overdue, TimeLimits, time_up
from chainlets.runtime.waiting_room import WaitingRoom
from chainlets.runtime.watchdog import Watchdog
from chainlets.websocket import WebSocketProtocol, is_disconnect

log = logging.getLogger(__name__)

#: Seconds between two renewals of this worker's leases.
TICK_S = 2.0
_BLOCKED_LOOP_GRACE_S = 5.0
_MAIL_PAUSE_S = 0.05
_SYNC_THREADS = 10_000  # made as needed; those that wait for calls must never use up those that execute


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the engine is given to work with.

    Attributes:
        find: the chain and chainlet of these names, or None if this process does not know them.
        files: the file store of a run.
        scratch: folder for temporary files, on the same file system as the file store.
        mailbox: makes what reads wake-ups, from the worker's name and who is to be told.
        sockets: opens the websocket of an invocation, for the length of a block.
        on_tick: called about every two seconds, for instance to look for new chains.
        services: addresses of services elsewhere, for the chainlets' context.
        batch: operations on the store to a transaction, at most.
    """

    store: RunStore
    find: Callable[[str, str], tuple[Chain, ChainletDescriptor] | None]
    files: Callable[[UUID], FileStore]
    scratch: Path
    data_dir: Path
    mailbox: Callable[[str, Callable[[Collection[UUID]], None]], Mailbox]
    sockets: Callable[[UUID], AbstractAsyncContextManager[WebSocketProtocol]]
    secrets: dict[str, str]
    on_tick: Callable[[], None]
    services: Mapping[str, DeployedServiceDescriptor] = field(default_factory=dict)
    batch: int = 200


class Mailbox(Protocol):
    """Reads wake-ups for one worker."""

    def start(self) -> None:
        """Begin to read."""

    def stop(self) -> None:
        """Stop reading."""


class Engine:
    """Serves bells: claims the invocation, runs the author's code, records what came of it."""

    def __init__(self, *, identity: WorkerIdentity, surroundings: Surroundings) -> None:
        self.identity = identity
        self._given = surroundings
        self._committer = Committer(surroundings.store, batch=surroundings.batch)
        loops = UserLoops()
        self._watchdog = Watchdog(loops)
        self._calls = OpenCalls(committer=self._committer, store=surroundings.store, loops=loops)
        self._mailbox = surroundings.mailbox(identity.name, self._on_mail)
        self._system = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._system.run_forever, name="chainlets-system", daemon=True)
        self._threads = ThreadPoolExecutor(_SYNC_THREADS, thread_name_prefix="chainlets-sync")
        self._replicas = Replicas(
            stub=self.stub,
            secrets=surroundings.secrets,
            data_dir=surroundings.data_dir,
            services=surroundings.services,
        )
        self._serving: set[UUID] = set()
        self._again: set[UUID] = set()
        self._held: dict[UUID, Execution] = {}
        self._room = WaitingRoom()
        self._overdue = Overdue()
        self._stopping = False
        self._hurrying = False
        self._renewing = False

    def start(self) -> None:
        """Make the worker known and begin to work."""
        self._committer.start()
        self._thread.start()
        self._submit(lambda store: store.join(worker=self.identity)).result()
        self._mailbox.start()
        self._watchdog.start()
        asyncio.run_coroutine_threadsafe(self._tick(), self._system)
        asyncio.run_coroutine_threadsafe(self._look_after_replicas(), self._system)

    def preload(self, chain: str, chainlet: str) -> None:
        """Build a replica now rather than when it is first called.

        Raises:
            LookupError: there is no such chainlet.
            Exception: whatever its `__init__` raised.
        """
        found = self._given.find(chain, chainlet)
        if found is None:
            msg = f"There is no chainlet `{chainlet}` in a chain `{chain}`."
            raise LookupError(msg)
        asyncio.run_coroutine_threadsafe(self._replicas.get(*found), self._system).result()

    def adopt(self, chain: Chain, descriptor: ChainletDescriptor, instance: ChainletBase) -> None:
        """Serve calls of a chainlet by an instance that was built elsewhere."""

        async def adopt() -> None:
            self._replicas.adopt(chain, descriptor, instance)

        asyncio.run_coroutine_threadsafe(adopt(), self._system).result()

    def stub(self, chain: Chain, owner: ChainletDescriptor, dependency: Dependency) -> object:
        """The object to call in place of a dependency."""
        return stub_for(self._calls, chain, owner, dependency)

    def watch(self, invocation_id: UUID, feed: Feed | None) -> Future[Outcome]:
        """The outcome of an invocation that was started outside; `feed` gets what it streams."""
        return self._calls.watch(invocation_id, feed)

    def serve(
        self,
        *,
        chain: str,
        chainlet: str,
        invocation_id: UUID,
        on_wait: Callable[[], None],
        on_done: Callable[[], None],
        terms: Terms = PLAIN,
    ) -> None:
        """Answer a bell.

        Args:
            chain: whose chainlet is called.
            chainlet: which one.
            invocation_id: what to claim.
            on_wait: called once, from any thread, when the invocation stops holding a slot.
            on_done: called once, from any thread, when nothing is left to do.
            terms: what else there is to keep to and to tell.
        """
        coroutine = self._serve(chain, chainlet, invocation_id, on_wait, terms)
        future = asyncio.run_coroutine_threadsafe(coroutine, self._system)
        future.add_done_callback(lambda _: on_done())

    def stop(self, grace_s: float) -> None:
        """Finish what executes within the grace, hand back the rest, and end.

        Invocations that only wait are handed back at once: their calls are in the journal.
        """
        self._stopping = True
        self._room.close()
        deadline = time.monotonic() + grace_s
        self._hand_back([held for held in self._unfinished() if held.waiting])
        while (left := self._unfinished()) and time.monotonic() < deadline and not self._hurrying:
            time.sleep(0.05)
        self._hand_back(left)
        self._mailbox.stop()
        self._watchdog.stop()
        with contextlib.suppress(TimeoutError):
            self._submit(lambda store: store.leave(worker=self.identity)).result(timeout=2)
        self._committer.stop(timeout_s=2)

    def hurry(self) -> None:
        """Do not wait in `stop` for what executes, nor go on waiting."""
        self._hurrying = True

    def crowded_if(self, crowded: Callable[[], bool]) -> None:
        """How the engine may know that its worker takes as many bells as it can."""
        self._room.crowded = crowded

    @property
    def numbers(self) -> dict[str, int]:
        """What operators may like to know."""
        held = list(self._held.values())
        waiting = sum(execution.waiting for execution in held)
        return {"executing": len(held) - waiting, "waiting": waiting, "overdue": self._overdue.count}

    def end(self) -> None:
        """After `stop`, in a process that goes on: end the threads that would otherwise end with it."""
        self._calls.close()
        self._calls.loops.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._replicas.close()
        end_loop(self._system, self._thread)

    def _unfinished(self) -> list[Execution]:
        return [execution for execution in list(self._held.values()) if not execution.ending]

    def _hand_back(self, executions: Collection[Execution]) -> None:
        for execution in executions:
            execution.cancel(ending=True)
            fence = execution.claim.fence
            self._submit(partial(_hand_back, fence=fence), fence.invocation_id)

    async def _serve(
        self, chain: str, chainlet: str, invocation_id: UUID, on_wait: Callable[[], None], terms: Terms
    ) -> None:
        found = self._given.find(chain, chainlet)
        if found is None:
            log.warning(
                "A bell for %s.%s, which is not known here; the reconciler will ring again.", chain, chainlet
            )
            return
        if self._stopping:
            if terms.put_back is not None:
                terms.put_back()
            return  # the next worker will answer it
        if invocation_id in self._serving:
            # A doubled bell as a rule. But the attempt under way may have been cut off, by a
            # cancel and a resume say, and then this bell is for the next one.
            self._again.add(invocation_id)
            return
        self._serving.add(invocation_id)
        try:
            self._again.add(invocation_id)
            while invocation_id in self._again:
                self._again.discard(invocation_id)
                await self._attempt(*found, invocation_id, on_wait, terms)
        except Exception:
            # Nothing the author's code raises ends here: this is a fault of the engine. The lease
            # runs out and the reconciler gives the invocation to somebody else.
            log.exception("Serving %s.%s failed", chain, chainlet)
        finally:
            self._serving.discard(invocation_id)

    async def _attempt(
        self,
        chain: Chain,
        descriptor: ChainletDescriptor,
        invocation_id: UUID,
        on_wait: Callable[[], None],
        terms: Terms,
    ) -> None:
        try:
            replica = await self._replicas.get(chain, descriptor)
        except Exception as error:  # noqa: BLE001 (the author's __init__ failed: a failed attempt like any other)
            claim = await self._claim(invocation_id)
            if claim is not None:
                terms.on_start()
                terms.on_failure(await self._record_failure(claim, error))
            return
        if terms.put_back is None or not replica.slots.locked():
            await replica.slots.acquire()
        elif not await self._room.wait(replica.slots, size=descriptor.compute.concurrency):
            self._again.discard(invocation_id)
            terms.put_back()
            return
        slot = _Slot(self._system, replica.slots)
        try:
            claim = None if self._stopping else await self._claim(invocation_id)
            if self._stopping and claim is None and terms.put_back is not None:
                terms.put_back()
            if claim is not None:
                await self._execute(replica, claim, [slot.release, on_wait], terms)
        finally:
            slot.release()

    async def _execute(
        self, replica: Replica, claim: Claim, on_wait: Sequence[Callable[[], None]], terms: Terms
    ) -> None:
        terms.on_start()
        invocation_id = claim.fence.invocation_id
        execution = Execution(
            claim=claim,
            committer=self._committer,
            files=self._given.files(claim.run_id),
            scratch=self._given.scratch / f"{invocation_id}-{claim.fence.attempt}",
            worker=self.identity.name,
            on_wait=on_wait,
        )
        self._held[invocation_id] = execution
        try:
            result = self._encoded(replica, execution, await self._run(replica, execution, terms.limits))
            self._watchdog.settle(execution)
            execution.close()
            if await self._commit(
                lambda store: store.succeed(fence=claim.fence, result=result), invocation_id
            ):
                # Its caller may be in this process; others get mail.
                self._calls.settle(Outcome(id=invocation_id, state=State.SUCCEEDED, result=result))
                terms.on_success()
            else:
                terms.on_failure(None)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (whatever the author's code raised is recorded)
            self._watchdog.settle(execution)
            execution.close()
            failure = None
            if isinstance(error, _TooLateError) or not execution.cancelled():
                # Who listens to a stream has heard what it said: it cannot be said again.
                failure = await self._record_failure(claim, error, final=execution.pieces > 0)
            terms.on_failure(failure)
        finally:
            del self._held[invocation_id]

    async def _run(self, replica: Replica, execution: Execution, limits: TimeLimits) -> Any:
        limit = execution.claim.timeout_s
        if replica.descriptor.endpoint.is_async:
            running: Future[Any] = asyncio.run_coroutine_threadsafe(
                self._author(replica, execution), self._calls.loops.pick()
            )
            # The author's loop keeps this time itself; a loop that is blocked cannot.
            limit = limit + _BLOCKED_LOOP_GRACE_S if limit is not None else None
        else:
            arguments = self._arguments(replica, execution)
            running = self._threads.submit(execution.run_sync, replica.method, arguments)
        wrapped = asyncio.wrap_future(running)
        late = await time_up(wrapped, execution, caller_s=limit, limits=limits)
        if late is not None:
            self._overdue.add(running, execution)
            raise _TooLateError(late)
        return wrapped.result()

    async def _author(self, replica: Replica, execution: Execution) -> Any:
        """The author's async code, in its way of answering; awaited on one of its loops."""
        endpoint = replica.descriptor.endpoint
        self._watchdog.belongs(asyncio.current_task(), execution)
        if endpoint.shape is Shape.STREAM:
            return await execution.run_stream(endpoint, replica.method, self._arguments(replica, execution))
        if endpoint.shape is Shape.VALUE:
            return await execution.run_async(replica.method, self._arguments(replica, execution))
        if execution.claim.fence.attempt > 1:
            raise _ConversationLost(
                f"The worker that `{execution.claim.chainlet}` ran on was lost, and the conversation with it. Connect again."
            )
        async with self._given.sockets(execution.claim.fence.invocation_id) as websocket:
            try:
                return await execution.run_async(replica.method, {endpoint.socket or "": websocket})
            except Exception as error:
                if is_disconnect(error):
                    return None  # the client has gone, which is how conversations end
                raise

    def _arguments(self, replica: Replica, execution: Execution) -> dict[str, Any]:
        endpoint, given = replica.descriptor.endpoint, execution.claim.input
        if is_packed(given):
            return endpoint.unpack_input(from_file(given, files=execution.files))
        return endpoint.decode_input(given)

    def _encoded(self, replica: Replica, execution: Execution, result: Any) -> Any:
        """The result as it stands in the row: in a file if the input came in one."""
        endpoint, claim = replica.descriptor.endpoint, execution.claim
        if not is_packed(claim.input) or endpoint.shape is not Shape.VALUE:
            return endpoint.encode_output(result, chainlet=claim.chainlet)
        packed = endpoint.pack_output(result, chainlet=claim.chainlet)
        name = f"result of {claim.chainlet}"
        return to_file(packed, files=execution.files, folder=execution.scratch_dir(), name=name)

    async def _claim(self, invocation_id: UUID) -> Claim | None:
        found: Claim | None = await self._commit(
            lambda store: store.claim(invocation_id=invocation_id, worker=self.identity), invocation_id
        )
        return found

    async def _record_failure(self, claim: Claim, error: BaseException, *, final: bool = False) -> Failure:
        failure = failure_from(
            TimeoutError(str(error)) if isinstance(error, _TooLateError) else error,
            chainlet=claim.chainlet,
            invocation=str(claim.fence.invocation_id),
            attempt=claim.fence.attempt,
            worker=self.identity.name,
        )
        if claim.caller is None or failure.cause is None:
            log.warning("%s.%s failed:\n%s", claim.chain, claim.chainlet, failure.text())
        else:
            log.warning("%s.%s failed: %s", claim.chain, claim.chainlet, failure.root.message)
        await self._commit(
            lambda store: store.fail(fence=claim.fence, failure=failure, final=final),
            claim.fence.invocation_id,
        )
        return failure

    async def _tick(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                await self._system.run_in_executor(None, self._given.on_tick)
            await self._renew()
            self._calls.look()
            await asyncio.sleep(TICK_S)

    async def _look_after_replicas(self) -> None:
        """Apart from the tick: an author's `is_healthy` may take its time, and leases may not."""
        while True:
            with contextlib.suppress(Exception):
                await self._replicas.look_after()
            await asyncio.sleep(TICK_S)

    async def _renew_soon(self) -> None:
        await asyncio.sleep(_MAIL_PAUSE_S)
        self._renewing = False
        await self._renew()

    async def _renew(self) -> None:
        held = set(self._held)
        ours = await asyncio.wrap_future(
            self._committer.submit(lambda store: store.renew(worker=self.identity), urgent=True)
        )
        for invocation_id in held - ours:
            execution = self._held.get(invocation_id)
            if execution is not None and not execution.cancelled():
                log.info("%s.%s is no longer ours", execution.claim.chain, execution.claim.chainlet)
                execution.cancel(ending=True)

    def _on_mail(self, ids: Collection[UUID]) -> None:
        self._calls.look(ids)
        # One look answers for all that came meanwhile: a burst of mail is not a burst of transactions.
        if not self._renewing and any(invocation_id in self._held for invocation_id in ids):
            self._renewing = True
            asyncio.run_coroutine_threadsafe(self._renew_soon(), self._system)

    def _submit(self, operation: Callable[[RunStore], Any], *about: UUID) -> Future[Any]:
        return self._committer.submit(operation, about=about)

    async def _commit(self, operation: Callable[[RunStore], Any], *about: UUID) -> Any:
        return await asyncio.wrap_future(self._committer.submit(operation, about=about))


def _hand_back(store: RunStore, *, fence: Fence) -> bool:
    return store.hand_back(fence=fence)


class _ConversationLost(Exception):
    """A websocket cannot be handed to another worker."""

    retryable = False


class _TooLateError(Exception):
    """The author's code did not come back within its time."""


class _Slot:
    """One of a replica's slots, given back once, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, slots: asyncio.Semaphore) -> None:
        self._loop = loop
        self._slots = slots
        self._lock = threading.Lock()
        self._held = True

    def release(self) -> None:
        with self._lock:
            held, self._held = self._held, False
        if held:
            self._loop.call_soon_threadsafe(self._slots.release)
