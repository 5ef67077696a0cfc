"""A chainlet of which the whole fleet may run two at a time, and one that blocks its loop."""

import asyncio
import time

import chainlets as chains


class Scarce(chains.ChainletBase):
    """Has room for eight in each process."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(gpu="any", predict_concurrency=8),
        options=chains.ChainletOptions(fleet_concurrency_limit=2),
    )

    async def run_remote(self, number: int, seconds: float) -> tuple[float, float]:
        began = time.time()
        await asyncio.sleep(seconds)
        return began, time.time()


class Stuck(chains.ChainletBase):
    """Forgets that it runs on a loop."""

    async def run_remote(self, seconds: float) -> None:
        time.sleep(seconds)  # what the watchdog is for
        chains.log("at last", level="warning", seconds=seconds)


@chains.mark_entrypoint("limited")
class Limited(chains.ChainletBase):
    """Calls either."""

    def __init__(self, scarce: Scarce = chains.depends(Scarce), stuck: Stuck = chains.depends(Stuck)) -> None:
        self._scarce, self._stuck = scarce, stuck

    async def run_remote(self, count: int = 0, stuck_for: float = 0.0) -> list[tuple[float, float]]:
        if stuck_for:
            await self._stuck.run_remote(stuck_for)
        return list(await asyncio.gather(*(self._scarce.run_remote(n, 0.15) for n in range(count))))
