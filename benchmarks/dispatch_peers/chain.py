"""A chain that calls a chainlet which does nothing, and says how long that took."""  # noqa: INP001 (a chain's file)

import asyncio
import time

import chainlets as chains


class Nothing(chains.ChainletBase):
    """Gives back its argument."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=64))

    async def run_remote(self, number: int) -> int:
        """Nothing happens here."""
        return number


@chains.mark_entrypoint("dispatch")
class Dispatch(chains.ChainletBase):
    """Calls many at once, or one after another."""

    def __init__(self, nothing: Nothing = chains.depends(Nothing, concurrency_limit=100_000)) -> None:
        self._nothing = nothing

    async def run_remote(self, count: int, at_once: bool = True) -> list[float]:  # noqa: FBT001, FBT002 (a form's field)
        """Seconds: of all together, or of each."""
        if at_once:
            begin = time.perf_counter()
            numbers = await asyncio.gather(*(self._nothing.run_remote(n) for n in range(count)))
            assert sum(numbers) == count * (count - 1) // 2
            return [time.perf_counter() - begin]
        took = []
        for number in range(count):
            begin = time.perf_counter()
            await self._nothing.run_remote(number)
            took.append(time.perf_counter() - begin)
        return took
