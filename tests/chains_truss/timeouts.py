"""Calls that take longer than their caller allows."""

import asyncio
import time

import chainlets as chains


class Slow(chains.ChainletBase):
    """Sync."""

    def run_remote(self, seconds: float) -> str:
        time.sleep(seconds)
        return "slow"


class SlowAsync(chains.ChainletBase):
    """Async."""

    async def run_remote(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "slow, async"


@chains.mark_entrypoint("truss-timeouts")
class Hurried(chains.ChainletBase):
    """Waits half a second, twice."""

    def __init__(
        self,
        slow: Slow = chains.depends(Slow, timeout_sec=0.5, retries=2),
        slow_async: SlowAsync = chains.depends(SlowAsync, timeout_sec=0.5, retries=2),
    ) -> None:
        self._slow = slow
        self._slow_async = slow_async

    async def run_remote(self, seconds: float, sync: bool, patient: bool = False) -> str:
        try:
            if sync:
                return self._slow.run_remote(seconds)
            return await self._slow_async.run_remote(seconds)
        except TimeoutError:
            if patient:
                return "too late, and that is all right"
            raise
