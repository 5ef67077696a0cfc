"""Live chainlet instances: built once a process, each with a bound on what it executes at a time."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainlets.assets import provide_assets
from chainlets.chainlet import ChainletBase, DependencyMarker, build
from chainlets.config import DockerImage
from chainlets.context import DeployedServiceDescriptor, DeploymentContext, Secrets
from chainlets.describe import ChainletDescriptor, Dependency
from chainlets.environment import set_environment
from chainlets.errors import ChainsRuntimeError, MissingDependencyError
from chainlets.graph import Chain
from chainlets.runtime.containment import contained

log = logging.getLogger(__name__)

_Key = tuple[str, str, str]
_BUILDS = 3  # times that a replica is built before it is given up as unhealthy
_HEALTH_EVERY_S = 10.0
_HEALTH_ANSWER_S = 30.0

StubFactory = Callable[[Chain, ChainletDescriptor, Dependency], object]


class Slots:
    """How much a replica executes at a time, and who waits for his turn. For any thread."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()

    def take(self, then: Callable[[], None]) -> None:
        """Call `then` with a slot taken: now, or when one is given back."""
        with self._lock:
            if not self._free:
                self._waiting.append(then)
                return
            self._free -= 1
        then()

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


class _RuntimeAssembler:
    """Passes stubs in place of dependencies."""

    def __init__(
        self,
        *,
        chain: Chain,
        descriptor: ChainletDescriptor,
        stub: StubFactory,
        secrets: Mapping[str, str],
        data_dir: Path,
        services: Mapping[str, DeployedServiceDescriptor],
    ) -> None:
        self._chain = chain
        self._descriptor = descriptor
        self._stub = stub
        self._secrets = secrets
        self._data_dir = data_dir
        self._services = services

    def dependency(self, marker: DependencyMarker) -> object:
        for dependency in self._descriptor.dependencies:
            if dependency.chainlet is marker.chainlet and dependency.options is marker.options:
                return self._stub(self._chain, self._descriptor, dependency)
        inherited = Dependency(argument="", chainlet=marker.chainlet, options=marker.options)
        return self._stub(self._chain, self._descriptor, inherited)

    def adopt(self, chainlet: ChainletBase) -> None:
        """A replica's `__init__` builds no other chainlets: those are its dependencies."""

    def context(self, owner: type[ChainletBase]) -> DeploymentContext:
        return context_for(
            owner,
            secrets=self._secrets,
            data_dir=self._data_dir,
            services=self._services,
            chain=self._chain.name,
        )


def context_for(
    owner: type[ChainletBase],
    *,
    secrets: Mapping[str, str],
    data_dir: Path | None,
    services: Mapping[str, DeployedServiceDescriptor],
    chain: str,
) -> DeploymentContext:
    """What `depends_context()` gives a chainlet: of the secrets only those that it declares.

    Raises:
        MissingDependencyError: a declared secret is not there.
    """
    keys = owner.remote_config.assets.secret_keys
    missing = [key for key in keys if key not in secrets]
    if missing:
        msg = (
            f"`{owner.__name__}` of chain `{chain}` needs the secret {missing[0]!r}. "
            f"Set CHAINLETS_SECRET_{missing[0].upper()} for the workers, or pass `run_local(secrets={{{missing[0]!r}: …}})`."
        )
        raise MissingDependencyError(msg)
    return DeploymentContext(
        secrets=Secrets({key: secrets[key] for key in keys}), data_dir=data_dir, chainlet_to_service=services
    )


class Replicas:
    """Builds replicas when they are first needed, and keeps them while they are healthy."""

    def __init__(
        self,
        *,
        stub: StubFactory,
        secrets: Mapping[str, str],
        data_dir: Path,
        services: Mapping[str, DeployedServiceDescriptor],
    ) -> None:
        self._stub = stub
        self._services = services
        self._secrets = secrets
        self._data_dir = data_dir
        self._building: dict[_Key, asyncio.Future[Replica]] = {}
        self._asked: dict[_Key, float] = {}
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="chainlets-build")

    def built(self, chain: Chain, descriptor: ChainletDescriptor) -> Replica | None:
        """The replica of a chainlet, if there is one; for any thread."""
        pending = self._building.get(_key(chain, descriptor))
        if pending is None or not pending.done() or pending.cancelled() or pending.exception() is not None:
            return None
        return pending.result()

    async def get(self, chain: Chain, descriptor: ChainletDescriptor) -> Replica:
        """The replica of a chainlet, built if this is the first call or the last one fell ill.

        Raises:
            Exception: whatever the author's `__init__` raised; the next call tries again.
        """
        key = _key(chain, descriptor)
        pending = self._building.get(key)
        if pending is None:
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
        done: asyncio.Future[Replica] = asyncio.get_running_loop().create_future()
        done.set_result(replica)
        self._building[_key(chain, descriptor)] = done

    def close(self) -> None:
        """Build nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def look_after(self) -> None:
        """Ask replicas that can say so whether they are healthy; the next call builds anew those that are not."""
        for key, pending in list(self._building.items()):
            if not pending.done() or pending.cancelled() or pending.exception() is not None:
                continue
            replica = pending.result()
            due = time.monotonic() - self._asked.get(key, 0.0) >= _HEALTH_EVERY_S
            if due and not await self._healthy(key, replica) and self._building.get(key) is pending:
                log.warning("%s.%s says that it is not healthy and is built anew", *_names(replica))
                del self._building[key]

    async def _build(self, chain: Chain, descriptor: ChainletDescriptor) -> Replica:
        loop = asyncio.get_running_loop()
        for attempt in range(_BUILDS):
            started = time.monotonic()
            instance = await loop.run_in_executor(self._threads, self._instantiate, chain, descriptor)
            replica = _replica(chain, descriptor, instance)
            log.info("Built %s.%s in %.1f s", *_names(replica), time.monotonic() - started)
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
        data_dir = provide(chain, descriptor, data_dir=self._data_dir, secrets=self._secrets)
        active = _RuntimeAssembler(
            chain=chain,
            descriptor=descriptor,
            stub=self._stub,
            secrets=self._secrets,
            data_dir=data_dir,
            services=self._services,
        )
        with contained(descriptor.name):
            try:
                return build(descriptor.cls, active)
            except ModuleNotFoundError as error:
                image = descriptor.cls.remote_config.docker_image
                raise MissingDependencyError(_missing_package(descriptor.name, image, error)) from error


def provide(
    chain: Chain, descriptor: ChainletDescriptor, *, data_dir: Path, secrets: Mapping[str, str]
) -> Path:
    """Set the variables and fetch the assets that a chainlet declares; what its context gives as `data_dir`."""
    name, config = f"{chain.name}.{descriptor.name}", descriptor.cls.remote_config
    set_environment(chainlet=name, variables=config.options.env_variables)
    if config.options.enable_debug_logs:
        logging.getLogger(descriptor.cls.__module__).setLevel(logging.DEBUG)
    return provide_assets(chainlet=name, config=config, folder=data_dir, secrets=secrets) or data_dir


def _missing_package(chainlet: str, image: DockerImage, error: ModuleNotFoundError) -> str:
    """Which requirement to install, if one of the image's looks like the module that is missing."""
    module = (error.name or "").partition(".")[0]
    plain = module.lower().replace("_", "-")
    wanted = [line for line in image.pip_requirements if plain and plain in line.lower().replace("_", "-")]
    name = wanted[0] if wanted else module
    return (
        f"`{chainlet}` imports {module!r}, which is not installed. Nothing is installed at run time: "
        f"`pip install {name}` into the environment of the workers, or build an image with it."
    )


def _answer(ask: Callable[[], Any], chainlet: str) -> Any:
    with contained(chainlet):
        answer = ask()
        return asyncio.run(answer) if asyncio.iscoroutine(answer) else answer


def _replica(chain: Chain, descriptor: ChainletDescriptor, instance: ChainletBase) -> Replica:
    method = getattr(type(instance), descriptor.endpoint.method).__get__(instance)
    slots = Slots(descriptor.compute.concurrency)
    return Replica(chain=chain, descriptor=descriptor, instance=instance, method=method, slots=slots)


def _key(chain: Chain, descriptor: ChainletDescriptor) -> _Key:
    return chain.name, chain.digest, descriptor.name


def _names(replica: Replica) -> tuple[str, str]:
    return replica.chain.name, replica.descriptor.name
