"""A context to build a chainlet with, outside any run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from chainlets.context import DeployedServiceDescriptor, DeploymentContext, Environment, Secrets


def fake_context(
    *,
    secrets: Mapping[str, str] | None = None,
    data_dir: Path | str | None = None,
    environment: Environment | str | None = None,
    services: Mapping[str, DeployedServiceDescriptor | str] | None = None,
) -> DeploymentContext:
    """What `depends_context()` would give: `Top(context=testing.fake_context(secrets={"token": "t"}))`.

    Args:
        secrets: by key; a key that is not here cannot be read, as one that was not declared.
        data_dir: such as pytest's `tmp_path`.
        environment: or its name.
        services: by chainlet name, or only their addresses: `{"LLM": service.url}`.
    """
    return DeploymentContext(
        secrets=Secrets(secrets or {}),
        data_dir=Path(data_dir) if data_dir is not None else None,
        environment=Environment(name=environment) if isinstance(environment, str) else environment,
        chainlet_to_service={
            name: DeployedServiceDescriptor(name=name, display_name=name, predict_url=found)
            if isinstance(found, str)
            else found
            for name, found in (services or {}).items()
        },
    )
