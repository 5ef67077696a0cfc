"""Running a chain in one process, for developing and testing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chainlets import definitions
from chainlets.assets import provide_assets
from chainlets.chainlet import ChainletBase, DependencyMarker, assembler, build
from chainlets.context import DeployedServiceDescriptor, DeploymentContext, Secrets
from chainlets.describe import describe, inspect_class
from chainlets.environment import set_environment
from chainlets.errors import MissingDependencyError
from chainlets.faults import raise_faults


class _LocalAssembler:
    """Passes real instances, one of each class for the length of the block."""

    def __init__(
        self,
        secrets: Mapping[str, str],
        data_dir: Path | None,
        services: Mapping[str, DeployedServiceDescriptor],
    ) -> None:
        self._secrets = secrets
        self._data_dir = data_dir
        self._services = services
        self._built: dict[type[ChainletBase], ChainletBase] = {}

    def adopt(self, chainlet: ChainletBase) -> None:
        describe(type(chainlet))
        _prepare(type(chainlet))

    def dependency(self, marker: DependencyMarker) -> object:
        cls = marker.chainlet
        if cls not in self._built:
            describe(cls)
            _prepare(cls)
            self._built[cls] = build(cls, self)
        return self._built[cls]

    def context(self, owner: type[ChainletBase]) -> DeploymentContext:
        keys = owner.remote_config.assets.secret_keys
        missing = [key for key in keys if key not in self._secrets]
        if missing:
            msg = f"`{owner.__name__}` needs the secret {missing[0]!r}. Pass it: `run_local(secrets={{{missing[0]!r}: …}})`."
            raise MissingDependencyError(msg)
        data_dir = provide_assets(
            chainlet=owner.__name__, config=owner.remote_config, folder=self._data_dir, secrets=self._secrets
        )
        return DeploymentContext(
            secrets=Secrets({key: self._secrets[key] for key in keys}),
            data_dir=data_dir,
            chainlet_to_service=self._services,
        )


@contextmanager
def run_local(
    secrets: Mapping[str, str] | None = None,
    data_dir: Path | str | None = None,
    chainlet_to_service: Mapping[str, DeployedServiceDescriptor] | None = None,
    *,
    strict: bool = False,
) -> Iterator[None]:
    """Let chainlets be built and called directly inside the block, all in this process.

    Calls are plain Python calls: nothing is serialised, retried or timed. Dependencies are built
    once a block. With `strict`, every call goes through the engine instead, in this process: it is
    serialised, timed, retried and limited as in a worker, and errors come back as they do there.

    Args:
        secrets: values for the keys that chainlets declare.
        data_dir: what their context gives as `data_dir`.
        chainlet_to_service: what their context gives as `chainlet_to_service`.
        strict: behave as the real thing, not as plain Python.

    Raises:
        ChainsUsageError: chainlets that were defined since the last block break rules; all faults together.
    """
    raise_faults(fault for cls in definitions.take() for fault in inspect_class(cls)[1])
    folder = Path(data_dir) if data_dir is not None else None
    if strict:
        # The one place where the SDK reaches for the engine, and only when asked for it.
        from chainlets.runtime.inprocess import StrictRuntime

        runtime = StrictRuntime(secrets=secrets or {}, data_dir=folder, services=chainlet_to_service or {})
        runtime.start()
        token = assembler.set(runtime)
        try:
            yield
        finally:
            assembler.reset(token)
            runtime.stop()
        return
    token = assembler.set(_LocalAssembler(secrets or {}, folder, chainlet_to_service or {}))
    try:
        yield
    finally:
        assembler.reset(token)


def _prepare(cls: type[ChainletBase]) -> None:
    set_environment(chainlet=cls.__name__, variables=cls.remote_config.options.env_variables)
