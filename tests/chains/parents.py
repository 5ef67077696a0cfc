"""Many callers that wait at once for calls on their own queue."""

import asyncio
from pathlib import Path

import chainlets as chains


class Child(chains.ChainletBase):
    """Adds one, once a file is there."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=32))

    async def run_remote(self, number: int, gate: str) -> int:
        while not Path(gate).exists():
            await asyncio.sleep(0.05)
        return number + 1


class Parent(chains.ChainletBase):
    """Awaits one child."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=32))

    def __init__(self, child: Child = chains.depends(Child)) -> None:
        self._child = child

    async def run_remote(self, number: int, gate: str) -> int:
        return await self._child.run_remote(number, gate)


@chains.mark_entrypoint("parents")
class Parents(chains.ChainletBase):
    """Calls all parents at once and adds up what they say."""

    def __init__(self, parent: Parent = chains.depends(Parent, concurrency_limit=20_000)) -> None:
        self._parent = parent

    async def run_remote(self, count: int, gate: str) -> int:
        return sum(await asyncio.gather(*(self._parent.run_remote(n, gate) for n in range(count))))
