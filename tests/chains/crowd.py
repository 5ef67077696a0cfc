"""A chain of many short calls, for tests of who is served when."""

import asyncio

import chainlets as chains


class Short(chains.ChainletBase):
    """Four at a time, a little while each."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=4))

    async def run_remote(self, number: int) -> int:
        await asyncio.sleep(0.05)
        return number


@chains.mark_entrypoint("crowd")
class Crowd(chains.ChainletBase):
    """Calls them all at once."""

    def __init__(self, short: Short = chains.depends(Short, concurrency_limit=10_000)) -> None:
        self._short = short

    async def run_remote(self, count: int) -> int:
        return sum(await asyncio.gather(*(self._short.run_remote(n) for n in range(count))))
