"""A chainlet that a service elsewhere allows ten calls a second."""

import asyncio
import os
import time

import chainlets as chains


class Elsewhere(chains.ChainletBase):
    """Tells when it was called, and in which process."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(gpu="any", predict_concurrency=4),
        options=chains.ChainletOptions(fleet_rate_limit="10/s"),
    )

    async def run_remote(self, number: int) -> tuple[float, int]:
        began = time.time()
        await asyncio.sleep(0.05)  # as if somebody answered
        return began, os.getpid()


class Here(chains.ChainletBase):
    """Needs the same workers, and nobody's leave."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(gpu="any", predict_concurrency=4))

    async def run_remote(self) -> float:
        return time.time()


@chains.mark_entrypoint("paced")
class Paced(chains.ChainletBase):
    """Asks elsewhere many times, and once here; tells how long that took to begin."""

    def __init__(
        self, elsewhere: Elsewhere = chains.depends(Elsewhere), here: Here = chains.depends(Here)
    ) -> None:
        self._elsewhere, self._here = elsewhere, here

    async def run_remote(self, count: int) -> tuple[list[tuple[float, int]], float]:
        begin = time.time()
        asked = [self._elsewhere.run_remote(n) for n in range(count)]
        here = await self._here.run_remote()
        return list(await asyncio.gather(*asked)), here - begin
