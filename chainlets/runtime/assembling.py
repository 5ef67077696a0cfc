"""Makes an instance of a chainlet in this process: its variables, assets, context, and stubs for its dependencies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from chainlets.assets import provide_assets
from chainlets.chainlet import ChainletBase, DependencyMarker, build
from chainlets.config import DockerImage
from chainlets.context import DeployedServiceDescriptor, DeploymentContext, Secrets
from chainlets.describe import ChainletDescriptor, Dependency
from chainlets.environment import set_environment
from chainlets.errors import MissingDependencyError
from chainlets.graph import Chain
from chainlets.runtime.containment import contained

StubFactory = Callable[[Chain, ChainletDescriptor, Dependency], object]


def assemble(
    chain: Chain,
    descriptor: ChainletDescriptor,
    *,
    stub: StubFactory,
    secrets: Mapping[str, str],
    data_dir: Path,
    services: Mapping[str, DeployedServiceDescriptor],
) -> ChainletBase:
    """A new instance, with stubs in place of its dependencies.

    Raises:
        MissingDependencyError: a secret or a package is not there.
        Exception: whatever the author's `__init__` raised.
    """
    active = _RuntimeAssembler(
        chain=chain,
        descriptor=descriptor,
        stub=stub,
        secrets=secrets,
        data_dir=provide(chain, descriptor, data_dir=data_dir, secrets=secrets),
        services=services,
    )
    with contained(descriptor.name):
        try:
            return build(descriptor.cls, active)
        except ModuleNotFoundError as error:
            image = descriptor.cls.remote_config.docker_image
            raise MissingDependencyError(_missing_package(descriptor.name, image, error)) from error


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
