"""Live chainlet instances: built once a process, each with a bound on what it executes at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chainlets.chainlet import ChainletBase, DependencyMarker, assembler
from chainlets.context import DeploymentContext, Secrets
from chainlets.describe import ChainletDescriptor, Dependency
from chainlets.errors import MissingDependencyError
from chainlets.graph import Chain

log = logging.getLogger(__name__)

StubFactory = Callable[[Chain, ChainletDescriptor, Dependency], object]


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One instance, and the slots of its `predict_concurrency`."""

    chain: Chain
    descriptor: ChainletDescriptor
    instance: ChainletBase
    slots: asyncio.Semaphore


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
    ) -> None:
        self._chain = chain
        self._descriptor = descriptor
        self._stub = stub
        self._secrets = secrets
        self._data_dir = data_dir

    def dependency(self, marker: DependencyMarker) -> object:
        for dependency in self._descriptor.dependencies:
            if dependency.chainlet is marker.chainlet and dependency.options is marker.options:
                return self._stub(self._chain, self._descriptor, dependency)
        inherited = Dependency(argument="", chainlet=marker.chainlet, options=marker.options)
        return self._stub(self._chain, self._descriptor, inherited)

    def context(self, owner: type[ChainletBase]) -> DeploymentContext:
        keys = owner.remote_config.assets.secret_keys
        missing = [key for key in keys if key not in self._secrets]
        if missing:
            msg = (
                f"`{owner.__name__}` of chain `{self._chain.name}` needs the secret {missing[0]!r}. "
                f"Set CHAINLETS_SECRET_{missing[0].upper()} for the workers."
            )
            raise MissingDependencyError(msg)
        return DeploymentContext(
            secrets=Secrets({key: self._secrets[key] for key in keys}), data_dir=self._data_dir
        )


class Replicas:
    """Builds replicas when they are first needed, and keeps them."""

    def __init__(self, *, stub: StubFactory, secrets: Mapping[str, str], data_dir: Path) -> None:
        self._stub = stub
        self._secrets = secrets
        self._data_dir = data_dir
        self._building: dict[tuple[str, str, str], asyncio.Future[Replica]] = {}
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="chainlets-build")

    async def get(self, chain: Chain, descriptor: ChainletDescriptor) -> Replica:
        """The replica of a chainlet, built if this is the first call.

        Raises:
            Exception: whatever the author's `__init__` raised; the next call tries again.
        """
        key = (chain.name, chain.digest, descriptor.name)
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

    async def _build(self, chain: Chain, descriptor: ChainletDescriptor) -> Replica:
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        instance = await loop.run_in_executor(self._threads, self._instantiate, chain, descriptor)
        log.info("Built %s.%s in %.1f s", chain.name, descriptor.name, time.monotonic() - started)
        slots = asyncio.Semaphore(descriptor.compute.concurrency)
        return Replica(chain=chain, descriptor=descriptor, instance=instance, slots=slots)

    def _instantiate(self, chain: Chain, descriptor: ChainletDescriptor) -> ChainletBase:
        active = _RuntimeAssembler(
            chain=chain,
            descriptor=descriptor,
            stub=self._stub,
            secrets=self._secrets,
            data_dir=self._data_dir,
        )
        token = assembler.set(active)
        try:
            return descriptor.cls()
        finally:
            assembler.reset(token)
