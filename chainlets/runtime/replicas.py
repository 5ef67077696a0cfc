"""Live chainlet instances: built once a process, each with a bound on what it executes at a time."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainlets.chainlet import ChainletBase
from chainlets.context import DeployedServiceDescriptor
from chainlets.describe import ChainletDescriptor
from chainlets.errors import ChainsRuntimeError
from chainlets.graph import Chain
from chainlets.runtime.assembling import StubFactory, assemble
from chainlets.runtime.containment import contained
from chainlets.runtime.measuring import Boundless, Machine, give_back
from chainlets.runtime.room import Kept
from chainlets.runtime.space import Space, Use

log = logging.getLogger(__name__)

_Key = tuple[str, str, str]
_BUILDS = 3  # times that a replica is built before it is given up as unhealthy
_HEALTH_EVERY_S = 10.0
_HEALTH_ANSWER_S = 30.0
_LONG_S = 0.5  # a build that takes so long is worth a call's way to another worker


class Slots:
    """How much a replica executes at a time, and who waits for his turn. For any thread."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()

    def take(self, then: Callable[[], None]) -> bool:
        """Call `then` with a slot taken: now, or when one is given back; whether it was now."""
        with self._lock:
            if not self._free:
                self._waiting.append(then)
                return False
            self._free -= 1
        then()
        return True

    @property
    def free(self) -> int:
        """How many more it could execute now."""
        return self._free

    def ahead_of(self, then: Callable[[], None]) -> int | None:
        """How many wait before this one; None if it does not wait any more."""
        with self._lock:
            return self._waiting.index(then) if then in self._waiting else None

    def withdraw(self, then: Callable[[], None]) -> bool:
        """Let this one wait no longer; False if it has its slot by now."""
        with self._lock:
            waits = then in self._waiting
            if waits:
                self._waiting.remove(then)
        return waits

    def give_back(self) -> None:
        """A slot is free; the one who waits longest has it now."""
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            then = self._waiting.popleft()
        then()


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One instance, its method as its class has it, and the slots of its `predict_concurrency`."""

    chain: Chain
    descriptor: ChainletDescriptor
    instance: ChainletBase
    method: Callable[..., Any]
    slots: Slots
    built_in_s: float = 0.0
    use: Use = field(default_factory=Use)


class Replicas:
    """Builds replicas when they are first needed, and keeps them while they are healthy and there is room."""

    def __init__(
        self,
        *,
        stub: StubFactory,
        secrets: Mapping[str, str],
        data_dir: Path,
        services: Mapping[str, DeployedServiceDescriptor],
        machine: Machine | None = None,
    ) -> None:
        self._stub = stub
        self._services = services
        self._space = Space(machine or Boundless())
        self._known: dict[_Key, ChainletDescriptor] = {}
        self._takers: Counter[_Key] = Counter()
        self._secrets = secrets
        self._data_dir = data_dir
        self._building: dict[_Key, asyncio.Future[Replica]] = {}
        self._asked: dict[_Key, float] = {}
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="chainlets-build")

    def built(self, chain: Chain, descriptor: ChainletDescriptor) -> Replica | None:
        """The replica of a chainlet, if there is one, as `take` gives it; for any thread."""
        replica = _done(self._building.get(_key(chain, descriptor)))
        return replica if replica is not None and replica.use.begin() else None

    def free_slots(self, chain: Chain, descriptor: ChainletDescriptor) -> int:
        """How many slots of a chainlet are free at this moment, if it is built; for any thread."""
        replica = _done(self._building.get(_key(chain, descriptor)))
        return replica.slots.free if replica is not None else 0

    async def take(self, chain: Chain, descriptor: ChainletDescriptor) -> Replica:
        """As `get`, and nobody lets it go until its `use` has ended."""
        key = _key(chain, descriptor)
        self._takers[key] += 1
        try:
            while not (replica := await self.get(chain, descriptor)).use.begin():
                pass  # it was let go just before
            return replica
        finally:
            self._takers[key] -= 1

    async def get(self, chain: Chain, descriptor: ChainletDescriptor) -> Replica:
        """The replica of a chainlet, built if this is the first call or the last one fell ill.

        Raises:
            Exception: whatever the author's `__init__` raised; the next call tries again.
        """
        key = _key(chain, descriptor)
        pending = self._building.get(key)
        if pending is None:
            self._known[key] = descriptor
            pending = asyncio.ensure_future(self._build(chain, descriptor))
            self._building[key] = pending
        try:
            return await asyncio.shield(pending)
        except BaseException:
            if pending.done() and self._building.get(key) is pending:
                del self._building[key]
            raise

    def adopt(self, chain: Chain, descriptor: ChainletDescriptor, instance: ChainletBase) -> None:
        """Serve calls of a chainlet by this instance, from now on; called on the engine's loop."""
        replica = _replica(chain, descriptor, instance)
        replica.use.begin()  # for good: nobody here can build it anew
        self._known[_key(chain, descriptor)] = descriptor
        done: asyncio.Future[Replica] = asyncio.get_running_loop().create_future()
        done.set_result(replica)
        self._building[_key(chain, descriptor)] = done

    def warm(self) -> list[tuple[Chain, ChainletDescriptor]]:
        """Those that are built and took long to build; for any thread."""
        built = [replica for pending in list(self._building.values()) if (replica := _done(pending))]
        return [(one.chain, one.descriptor) for one in built if one.built_in_s >= _LONG_S]

    def close(self) -> None:
        """Build nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def look_after(self) -> None:
        """Ask replicas that can say so whether they are healthy; the next call builds anew those that are not."""
        for key, pending in list(self._building.items()):
            replica = _done(pending)
            if replica is None:
                continue
            due = time.monotonic() - self._asked.get(key, 0.0) >= _HEALTH_EVERY_S
            if due and not await self._healthy(key, replica) and self._building.get(key) is pending:
                log.warning("%s.%s says that it is not healthy and is built anew", *_names(replica))
                del self._building[key]

    def _kept(self, *, but: _Key) -> list[Kept]:
        """All others, those that are being built included."""
        found = []
        for key, pending in self._building.items():
            replica, need = _done(pending), self._space.need(key, self._known[key].compute)
            idle = replica is not None and replica.use.idle and not self._takers[key]
            used_at = replica.use.last if replica is not None else 0.0
            if key != but:
                found.append(Kept(key=key, need=need, idle=idle, used_at=used_at))
        return found

    async def _drop(self, key: _Key) -> None:
        """Let a replica go, unless somebody has begun to use it."""
        replica = _done(self._building.get(key))
        if replica is None or not replica.use.retire():
            return
        del self._building[key]
        unused = time.monotonic() - replica.use.last
        log.info("%s.%s is let go, unused for %.1f s: another needs the room", *_names(replica), unused)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, _close, replica)
        del replica  # the last one who holds it
        await loop.run_in_executor(self._threads, give_back)

    async def _build(self, chain: Chain, descriptor: ChainletDescriptor) -> Replica:
        loop, key = asyncio.get_running_loop(), _key(chain, descriptor)
        need = self._space.need(key, descriptor.compute)
        await self._space.make(need, kept=lambda: self._kept(but=key), drop=self._drop, threads=self._threads)
        for attempt in range(_BUILDS):
            started = time.monotonic()
            instance = await loop.run_in_executor(self._threads, self._instantiate, chain, descriptor)
            replica = _replica(chain, descriptor, instance, built_in_s=time.monotonic() - started)
            log.info("Built %s.%s in %.1f s", *_names(replica), replica.built_in_s)
            if await self._healthy(_key(chain, descriptor), replica):
                return replica
            log.warning(
                "%s.%s says that it is not healthy, build %d of %d", *_names(replica), attempt + 1, _BUILDS
            )
        raise ChainsRuntimeError(
            f"`{descriptor.name}` was built {_BUILDS} times, and each time its `is_healthy` said that it is not. "
            f"Look at what it checks; the worker's log may say more."
        )

    async def _healthy(self, key: _Key, replica: Replica) -> bool:
        """What the author's `is_healthy` says; no answer in time, or an error, means no."""
        ask = getattr(replica.instance, "is_healthy", None)
        self._asked[key] = time.monotonic()
        if ask is None:
            return True
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_HEALTH_ANSWER_S):
                answer = await loop.run_in_executor(
                    self._threads, lambda: _answer(ask, replica.descriptor.name)
                )
        except Exception as error:  # noqa: BLE001 (the author's code may raise anything)
            log.warning("%s.%s could not say whether it is healthy: %r", *_names(replica), error)
            return False
        return bool(answer)

    def _instantiate(self, chain: Chain, descriptor: ChainletDescriptor) -> ChainletBase:
        with self._space.measured(_key(chain, descriptor)):
            return assemble(
                chain,
                descriptor,
                stub=self._stub,
                secrets=self._secrets,
                data_dir=self._data_dir,
                services=self._services,
            )


def _answer(ask: Callable[[], Any], chainlet: str) -> Any:
    with contained(chainlet):
        answer = ask()
        return asyncio.run(answer) if asyncio.iscoroutine(answer) else answer


def _done(pending: asyncio.Future[Replica] | None) -> Replica | None:
    """The replica, if it is built."""
    if pending is None or not pending.done() or pending.cancelled() or pending.exception() is not None:
        return None
    return pending.result()


def _close(replica: Replica) -> None:
    """Call the author's `close`, if there is one; what it raises is told and ends nothing."""
    close = getattr(replica.instance, "close", None)
    if callable(close):
        try:
            _answer(close, replica.descriptor.name)
        except Exception:
            log.exception("%s.%s could not be closed", *_names(replica))


def _replica(
    chain: Chain, descriptor: ChainletDescriptor, instance: ChainletBase, *, built_in_s: float = 0.0
) -> Replica:
    return Replica(
        chain=chain,
        descriptor=descriptor,
        instance=instance,
        method=getattr(type(instance), descriptor.endpoint.method).__get__(instance),
        slots=Slots(descriptor.compute.concurrency),
        built_in_s=built_in_s,
    )


def _key(chain: Chain, descriptor: ChainletDescriptor) -> _Key:
    return chain.name, chain.digest, descriptor.name


def _names(replica: Replica) -> tuple[str, str]:
    return replica.chain.name, replica.descriptor.name
