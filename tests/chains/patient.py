"""A chain whose runs stay open for as long as they are told."""

import asyncio

import chainlets as chains


@chains.mark_entrypoint("patient")
class Patient(chains.ChainletBase):
    """Waits."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=100))

    async def run_remote(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds
