"""A sync entrypoint, and async chainlets that sync ones run to their end."""

import asyncio

import chainlets as chains


class Bake(chains.ChainletBase):
    """Async."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency="cpu_count", cpu_count=4))

    async def run_remote(self, flour: int) -> str:
        await asyncio.sleep(0.01)
        return f"{flour} loaves"


class Mill(chains.ChainletBase):
    """Sync."""

    def run_remote(self, grain: int) -> int:
        return grain // 2


@chains.mark_entrypoint("truss-async-in-sync")
class Bakery(chains.ChainletBase):
    """Sync; begins an event loop of its own for the async one."""

    def __init__(self, mill: Mill = chains.depends(Mill), bake: Bake = chains.depends(Bake)) -> None:
        self._mill = mill
        self._bake = bake

    def run_remote(self, grains: list[int]) -> list[str]:
        flours = [self._mill.run_remote(grain) for grain in grains]

        async def bake_all() -> list[str]:
            return await asyncio.gather(*(self._bake.run_remote(flour) for flour in flours))

        return [*asyncio.run(bake_all()), asyncio.run(self._bake.run_remote(sum(flours)))]
