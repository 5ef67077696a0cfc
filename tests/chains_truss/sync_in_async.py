"""Sync calls inside `async def`, and sync chainlets that call sync chainlets, five levels deep."""

import asyncio

import chainlets as chains


class Seed(chains.ChainletBase):
    """The last one."""

    def run_remote(self, path: str) -> str:
        return f"{path} > Seed"


class Twig(chains.ChainletBase):
    """Async code that makes a blocking call."""

    def __init__(self, seed: Seed = chains.depends(Seed)) -> None:
        self._seed = seed

    async def run_remote(self, path: str) -> str:
        await asyncio.sleep(0)
        return self._seed.run_remote(f"{path} > Twig")


class Branch(chains.ChainletBase):
    """Sync code that calls sync code."""

    def __init__(self, seed: Seed = chains.depends(Seed)) -> None:
        self._seed = seed

    def run_remote(self, path: str) -> str:
        return self._seed.run_remote(f"{path} > Branch")


class Bough(chains.ChainletBase):
    """Async code that blocks on sync code that blocks on sync code, and awaits async code that blocks."""

    def __init__(self, branch: Branch = chains.depends(Branch), twig: Twig = chains.depends(Twig)) -> None:
        self._branch = branch
        self._twig = twig

    async def run_remote(self, path: str) -> list[str]:
        path = f"{path} > Bough"
        return [self._branch.run_remote(path), await self._twig.run_remote(path)]


@chains.mark_entrypoint("truss-sync-in-async")
class Tree(chains.ChainletBase):
    """Awaits several boughs at a time, and blocks in between."""

    def __init__(self, bough: Bough = chains.depends(Bough), branch: Branch = chains.depends(Branch)) -> None:
        self._bough = bough
        self._branch = branch

    async def run_remote(self, count: int) -> list[str]:
        first = self._branch.run_remote("Tree")
        boughs = await asyncio.gather(*(self._bough.run_remote(f"Tree {n}") for n in range(count)))
        return [first, *(path for paths in boughs for path in paths)]
