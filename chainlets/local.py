"""Running a chain in one process, for developing and testing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chainlets.chainlet import ChainletBase, DependencyMarker, assembler
from chainlets.context import DeploymentContext, Secrets
from chainlets.describe import describe
from chainlets.errors import MissingDependencyError


class _LocalAssembler:
    """Passes real instances, one of each class for the length of the block."""

    def __init__(
        self, secrets: Mapping[str, str], data_dir: Path | None, services: Mapping[str, Any]
    ) -> None:
        self._secrets = secrets
        self._data_dir = data_dir
        self._services = services
        self._built: dict[type[ChainletBase], ChainletBase] = {}

    def dependency(self, marker: DependencyMarker) -> object:
        cls = marker.chainlet
        if cls not in self._built:
            describe(cls)
            self._built[cls] = cls()
        return self._built[cls]

    def context(self, owner: type[ChainletBase]) -> DeploymentContext:
        keys = owner.remote_config.assets.secret_keys
        missing = [key for key in keys if key not in self._secrets]
        if missing:
            msg = f"`{owner.__name__}` needs the secret {missing[0]!r}. Pass it: `run_local(secrets={{{missing[0]!r}: …}})`."
            raise MissingDependencyError(msg)
        return DeploymentContext(
            secrets=Secrets({key: self._secrets[key] for key in keys}),
            data_dir=self._data_dir,
            chainlet_to_service=self._services,
        )


@contextmanager
def run_local(
    secrets: Mapping[str, str] | None = None,
    data_dir: Path | str | None = None,
    chainlet_to_service: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Let chainlets be built and called directly inside the block, all in this process.

    Calls are plain Python calls: nothing is serialised, retried or timed. Dependencies are built
    once a block.

    Args:
        secrets: values for the keys that chainlets declare.
        data_dir: what their context gives as `data_dir`.
        chainlet_to_service: what their context gives as `chainlet_to_service`.
    """
    folder = Path(data_dir) if data_dir is not None else None
    token = assembler.set(_LocalAssembler(secrets or {}, folder, chainlet_to_service or {}))
    try:
        yield
    finally:
        assembler.reset(token)
