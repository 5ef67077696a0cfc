"""A fan-out of fan-outs, for killing what runs it; each line of the ledger is one execution."""

import asyncio
import time
from pathlib import Path

import chainlets as chains


def note(ledger: str, line: str) -> None:
    """Append a line at once, whole, whoever else writes."""
    with Path(ledger).open("a") as out:
        out.write(f"{line}\n")


class Leaf(chains.ChainletBase):
    """Doubles a number; async, several at a time."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=4))

    async def run_remote(self, number: int, ledger: str) -> int:
        note(ledger, f"leaf {number}")
        await asyncio.sleep(0.03 + number % 5 / 100)
        return number * 2


class PlainLeaf(chains.ChainletBase):
    """Doubles a number; plain code, on hardware of another kind."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(gpu="any"))

    def run_remote(self, number: int, ledger: str) -> int:
        note(ledger, f"plain {number}")
        time.sleep(0.02)
        return number * 2


class Branch(chains.ChainletBase):
    """Calls leaves of one kind at once, and of the other one by one meanwhile; adds up what they say."""

    def __init__(
        self, leaf: Leaf = chains.depends(Leaf), plain: PlainLeaf = chains.depends(PlainLeaf)
    ) -> None:
        self._leaf, self._plain = leaf, plain

    async def run_remote(self, first: int, count: int, ledger: str) -> int:
        note(ledger, f"branch {first}")
        numbers = range(first, first + count)
        calls = [self._leaf.run_remote(n, ledger) for n in numbers if n % 3]
        plain = sum(self._plain.run_remote(n, ledger) for n in numbers if n % 3 == 0)
        return plain + sum(await asyncio.gather(*calls))


@chains.mark_entrypoint("crashes")
class Trunk(chains.ChainletBase):
    """Calls the branches at once."""

    def __init__(self, branch: Branch = chains.depends(Branch)) -> None:
        self._branch = branch

    async def run_remote(self, branches: int, leaves: int, ledger: str) -> int:
        note(ledger, "trunk")
        sums = [self._branch.run_remote(n * leaves, leaves, ledger) for n in range(branches)]
        return sum(await asyncio.gather(*sums))
