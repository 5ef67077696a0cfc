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
from collections.abc import Callable, Collection, Mapping
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
from chainlets.files import FileStore
from chainlets.graph import Chain
from chainlets.runtime.answer import Answer
from chainlets.runtime.calls import OpenCalls
from chainlets.runtime.committer import Committer
from chainlets.runtime.crash_points import crash_point
from chainlets.runtime.early import EarlyCalls
from chainlets.runtime.execution import Execution
from chainlets.runtime.feeds import Feed
from chainlets.runtime.inbox import landed
from chainlets.runtime.loops import UserLoops, end_loop
from chainlets.runtime.measuring import Machine
from chainlets.runtime.replicas import Replica, Replicas
from chainlets.runtime.serving import Serving, Workshop, record_failure
from chainlets.runtime.spilling import Sizes
from chainlets.runtime.store import Claim, Fence, NewCall, RunStore, WorkerIdentity
from chainlets.runtime.stub import stub_for
from chainlets.runtime.terms import PLAIN, Terms
from chainlets.runtime.time_limits import Overdue
from chainlets.runtime.waiting_room import WaitingRoom
from chainlets.runtime.watchdog import Watchdog
from chainlets.websocket import WebSocketProtocol

log = logging.getLogger(__name__)

#: Seconds between two renewals of this worker's leases.
TICK_S = 2.0
_TIME_EVERY_S = 0.05  # between two looks for what is late
_MAIL_PAUSE_S = 0.05
_SYNC_THREADS = 10_000  # made as needed; those that wait for calls must never use up those that execute


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the engine is given to work with.

    Attributes:
        find: the chain and chainlet of these names, or None if this process does not know them.
        files: the file store of one attempt, from its run's and its call's id.
        scratch: folder for temporary files, on the same file system as the file store.
        mailbox: makes what reads wake-ups, from the worker's name and who is to be told.
        sockets: opens the websocket of an invocation, for the length of a block.
        on_tick: called about every two seconds, for instance to look for new chains.
        services: addresses of services elsewhere, for the chainlets' context.
        batch: operations on the store to a transaction, at most.
        sizes: which values go to the file store.
        serves: whether this worker may ring itself, and takes calls of a queue, at this moment.
        ring_here: has this worker answer the bell of a call.
        passed_on: whether another worker has taken a call whose chainlet is not built here; may take a moment.
        machine: how much memory there is for replicas; without, everything fits.
    """

    store: RunStore
    find: Callable[[str, str], tuple[Chain, ChainletDescriptor] | None]
    files: Callable[[UUID, UUID], FileStore]
    scratch: Path
    data_dir: Path
    mailbox: Callable[[str, Callable[[Collection[UUID]], None]], Mailbox]
    sockets: Callable[[UUID], AbstractAsyncContextManager[WebSocketProtocol]]
    secrets: dict[str, str]
    on_tick: Callable[[], None]
    services: Mapping[str, DeployedServiceDescriptor] = field(default_factory=dict)
    batch: int = 200
    sizes: Sizes = field(default_factory=Sizes)
    machine: Machine | None = None
    serves: Callable[[str], bool] = lambda queue: False  # noqa: ARG005 (nothing is rung)
    ring_here: Callable[[NewCall], None] = lambda call: None  # noqa: ARG005 (as above)
    passed_on: Callable[[str, str, UUID], bool] = lambda chain, chainlet, invocation_id: False  # noqa: ARG005 (nobody is asked)


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
        self._calls = OpenCalls(
            committer=self._committer, store=surroundings.store, loops=loops, sizes=surroundings.sizes
        )
        self._early = EarlyCalls(room=self._room_for, ring=surroundings.ring_here)
        self._calls.early = self._early
        self._mailbox = surroundings.mailbox(identity.name, self._on_mail)
        self._system = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._system.run_forever, name="chainlets-system", daemon=True)
        self._threads = ThreadPoolExecutor(_SYNC_THREADS, thread_name_prefix="chainlets-sync")
        self._replicas = Replicas(
            stub=self.stub,
            secrets=surroundings.secrets,
            data_dir=surroundings.data_dir,
            services=surroundings.services,
            machine=surroundings.machine,
        )
        self._serving: set[UUID] = set()
        self._again: set[UUID] = set()
        self._lock = threading.Lock()
        self._held: dict[UUID, Serving] = {}
        self._room = WaitingRoom()
        self._overdue = Overdue()
        self._stopping = False
        self._hurrying = False
        self._renewing = False
        self._workshop = Workshop(
            committer=self._committer,
            calls=self._calls,
            early=self._early,
            watchdog=self._watchdog,
            threads=self._threads,
            files=surroundings.files,
            scratch=surroundings.scratch,
            sockets=surroundings.sockets,
            worker=lambda: self.identity,
            stopping=lambda: self._stopping,
            held=self._held,
            room=self._room,
            overdue=self._overdue,
        )

    def start(self) -> None:
        """Make the worker known and begin to work."""
        self._committer.start()
        self._thread.start()
        self._submit(lambda store: store.join(worker=self.identity)).result()
        self._mailbox.start()
        self._watchdog.start()
        asyncio.run_coroutine_threadsafe(self._tick(), self._system)
        asyncio.run_coroutine_threadsafe(self._look_after_replicas(), self._system)
        asyncio.run_coroutine_threadsafe(self._keep_time(), self._system)

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

    def warm(self) -> list[tuple[Chain, ChainletDescriptor]]:
        """Chainlets that are built here and took long to build; for any thread."""
        return self._replicas.warm()

    def stub(self, chain: Chain, owner: ChainletDescriptor, dependency: Dependency) -> object:
        """The object to call in place of a dependency."""
        return stub_for(self._calls, chain, owner, dependency)

    def watch(self, invocation_id: UUID, feed: Feed | None) -> Answer:
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
        found = self._given.find(chain, chainlet)
        if found is None:
            log.warning(
                "A bell for %s.%s, which is not known here; the reconciler will ring again.", chain, chainlet
            )
        with self._lock:
            if found is None or self._stopping or invocation_id in self._serving:
                # A doubled bell as a rule. But the attempt under way may have been cut off, by a
                # cancel and a resume say, and then this bell is for the next one.
                if invocation_id in self._serving:
                    self._again.add(invocation_id)
                elif found is not None and terms.put_back is not None:
                    terms.put_back(found[1].queue)
                found = None
            else:
                self._serving.add(invocation_id)
        if found is None:
            on_done()
        elif (replica := self._replicas.built(*found)) is not None:
            self._begin(replica, invocation_id, on_wait, on_done, terms)
        else:
            building = self._build(*found, invocation_id, on_wait, on_done, terms)
            asyncio.run_coroutine_threadsafe(building, self._system)

    def stop(self, grace_s: float) -> None:
        """Finish what executes within the grace, hand back the rest, and end.

        Invocations that only wait are handed back at once: their calls are in the journal.
        """
        self._stopping = True
        self._room.close()
        deadline = time.monotonic() + grace_s
        crash_point("stop.before")
        self._hand_back([held for held in self._unfinished() if held.waiting])
        while (left := self._unfinished()) and time.monotonic() < deadline and not self._hurrying:
            time.sleep(0.05)
        self._hand_back(left)
        crash_point("stop.handed_back")
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
        waiting = sum(serving.execution.waiting for serving in held)
        return {"executing": len(held) - waiting, "waiting": waiting, "overdue": self._overdue.count}

    def end(self) -> None:
        """After `stop`, in a process that goes on: end the threads that would otherwise end with it."""
        self._calls.close()
        self._calls.loops.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._replicas.close()
        end_loop(self._system, self._thread)

    def _unfinished(self) -> list[Execution]:
        executions = [serving.execution for serving in list(self._held.values())]
        return [execution for execution in executions if not execution.ending]

    def _hand_back(self, executions: Collection[Execution]) -> None:
        for execution in executions:
            execution.cancel(ending=True)
            fence = execution.claim.fence
            self._submit(partial(_hand_back, fence=fence), fence.invocation_id)

    def _begin(
        self,
        replica: Replica,
        invocation_id: UUID,
        on_wait: Callable[[], None],
        on_done: Callable[[], None],
        terms: Terms,
    ) -> None:
        def ended() -> None:
            with self._lock:
                again = invocation_id in self._again
                self._again.discard(invocation_id)
                if not again:
                    self._serving.discard(invocation_id)
            if again:
                self._begin(replica, invocation_id, on_wait, on_done, terms)
            else:
                replica.use.end()
                on_done()

        def passed(to: UUID) -> None:
            nonlocal invocation_id
            with self._lock:
                # What has succeeded is not begun again, however many bells ring for it.
                self._again.discard(invocation_id)
                self._serving.discard(invocation_id)
                self._serving.add(to)
            invocation_id = to

        Serving(
            workshop=self._workshop,
            replica=replica,
            invocation_id=invocation_id,
            on_wait=on_wait,
            on_end=ended,
            on_pass=passed,
            terms=terms,
        ).begin()

    async def _build(
        self,
        chain: Chain,
        descriptor: ChainletDescriptor,
        invocation_id: UUID,
        on_wait: Callable[[], None],
        on_done: Callable[[], None],
        terms: Terms,
    ) -> None:
        def end() -> None:
            with self._lock:
                self._serving.discard(invocation_id)
                self._again.discard(invocation_id)
            on_done()

        if await self._passed_on(chain, descriptor, invocation_id):
            end()
            return
        try:
            replica = await self._replicas.take(chain, descriptor)
        except Exception as error:  # noqa: BLE001 (the author's __init__ failed: a failed attempt like any other)
            failed = error
        else:
            crash_point("replica.built")
            self._begin(replica, invocation_id, on_wait, on_done, terms)
            return

        claim: Claim | None = await landed(
            self._submit(
                lambda store: store.claim(invocation_id=invocation_id, worker=self.identity), invocation_id
            )
        )
        if claim is None:
            end()
        else:
            terms.on_start()
            terms.on_failure(record_failure(self._workshop, claim, failed, then=end))

    async def _passed_on(self, chain: Chain, descriptor: ChainletDescriptor, invocation_id: UUID) -> bool:
        ask = partial(self._given.passed_on, chain.name, descriptor.name, invocation_id)
        try:
            return await self._system.run_in_executor(None, ask)
        except Exception:
            log.exception("%s.%s is built here, for nobody could be asked", chain.name, descriptor.name)
            return False

    async def _tick(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                await self._system.run_in_executor(None, self._given.on_tick)
            await self._renew()
            self._calls.look()
            await asyncio.sleep(TICK_S)

    async def _keep_time(self) -> None:
        """Stop or let go of what takes too long, and send away bells that have waited for long enough."""
        while True:
            await asyncio.sleep(_TIME_EVERY_S)
            now = time.monotonic()
            for serving in list(self._held.values()):
                if serving.late_at is not None and serving.late_at <= now:
                    serving.check_time(now)
            self._room.sweep(now)

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
        held = {invocation_id for invocation_id, serving in list(self._held.items()) if serving.claimed}
        ours = await landed(
            self._committer.submit(lambda store: store.renew(worker=self.identity), urgent=True)
        )
        for invocation_id in held - ours:
            serving = self._held.get(invocation_id)
            if serving is not None and not serving.execution.cancelled():
                claim = serving.execution.claim
                log.info("%s.%s is no longer ours", claim.chain, claim.chainlet)
                crash_point("cancel.seen")
                serving.execution.cancel(ending=True)

    def _on_mail(self, ids: Collection[UUID]) -> None:
        self._calls.look(ids)
        # One look answers for all that came meanwhile: a burst of mail is not a burst of transactions.
        if not self._renewing and any(invocation_id in self._held for invocation_id in ids):
            self._renewing = True
            asyncio.run_coroutine_threadsafe(self._renew_soon(), self._system)

    def _room_for(self, call: NewCall) -> int:
        """How many calls like this one could execute here at once."""
        if self._stopping or self._room.crowded() or not self._given.serves(call.queue):
            return 0
        found = self._given.find(call.chain, call.chainlet)
        return self._replicas.free_slots(*found) if found is not None else 0

    def _submit(self, operation: Callable[[RunStore], Any], *about: UUID) -> Future[Any]:
        return self._committer.submit(operation, about=about)


def _hand_back(store: RunStore, *, fence: Fence) -> bool:
    return store.hand_back(fence=fence)
