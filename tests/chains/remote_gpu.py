"""A chain for a GPU that no worker serves until a test starts one."""

import chainlets as chains


@chains.mark_entrypoint("remote_gpu")
class Rare(chains.ChainletBase):
    """Asks for rare hardware."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(gpu="A100"))

    async def run_remote(self) -> str:
        return "done"
