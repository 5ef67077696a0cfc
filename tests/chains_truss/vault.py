"""Secrets and other things of the context."""

import chainlets as chains


class Safe(chains.ChainletBase):
    """Declares one secret, and sees no other."""

    remote_config = chains.RemoteConfig(assets=chains.Assets(secret_keys=["safe_code"]))

    def __init__(self, context: chains.DeploymentContext = chains.depends_context()) -> None:
        self._context = context

    def run_remote(self, key: str) -> str:
        return self._context.secrets[key]


@chains.mark_entrypoint("truss-vault")
class Vault(chains.ChainletBase):
    """Declares another one."""

    remote_config = chains.RemoteConfig(assets=chains.Assets(secret_keys=["door_code"]))

    def __init__(
        self,
        safe: Safe = chains.depends(Safe),
        context: chains.DeploymentContext = chains.depends_context(),
    ) -> None:
        self._safe = safe
        self._context = context

    async def run_remote(self, key: str) -> tuple[str, str, int, bool, bool]:
        context = self._context
        return (
            context.secrets["door_code"],
            self._safe.run_remote(key),
            len(context.secrets),
            "safe_code" in context.secrets,
            context.environment is None and not context.chainlet_to_service,
        )
