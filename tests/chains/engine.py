"""Chainlets that do what engines find hard; each line of the ledger is one execution."""

import asyncio
import os
import time
from pathlib import Path

import chainlets as chains


def note(ledger: str, line: str) -> None:
    """Append a line at once, whole, whoever else writes."""
    with Path(ledger).open("a") as out:
        out.write(f"{line} {os.getpid()}\n")


class SyncLeaf(chains.ChainletBase):
    """Plain code, one at a time."""

    def run_remote(self, number: int, ledger: str, seconds: float = 0.0) -> int:
        note(ledger, f"leaf {number}")
        time.sleep(seconds)
        return number * 2


class Blocking(chains.ChainletBase):
    """Async code that calls sync code, which blocks its loop."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=8))

    def __init__(self, leaf: SyncLeaf = chains.depends(SyncLeaf)) -> None:
        self._leaf = leaf

    async def run_remote(self, number: int, ledger: str) -> int:
        return self._leaf.run_remote(number, ledger) + 1


class Failing(chains.ChainletBase):
    """Fails until a file says that it may succeed."""

    async def run_remote(self, number: int, gate: str, ledger: str) -> int:
        note(ledger, f"failing {number}")
        if not Path(gate).exists():
            raise LookupError(f"no {Path(gate).name} for {number}")
        return number


class Rejecting(chains.ChainletBase):
    """Cannot use its input, and says so."""

    async def run_remote(self, text: str) -> str:
        raise chains.InputRejected(f"{text} is not what we need. Send something else.")


class Deadly(chains.ChainletBase):
    """Kills the process it runs in."""

    async def run_remote(self, ledger: str) -> None:
        note(ledger, "deadly")
        os.kill(os.getpid(), 9)


class Down(chains.ChainletBase):
    """Holds the rest; each way is chosen by name."""

    def __init__(
        self,
        leaf: SyncLeaf = chains.depends(SyncLeaf),
        blocking: Blocking = chains.depends(Blocking),
        failing: Failing = chains.depends(Failing, retries=2),
        rejecting: Rejecting = chains.depends(Rejecting, retries=5),
        deadly: Deadly = chains.depends(Deadly),
        slow: SyncLeaf = chains.depends(SyncLeaf, timeout_sec=0.5),
    ) -> None:
        self._leaf, self._blocking, self._failing = leaf, blocking, failing
        self._rejecting, self._deadly, self._slow = rejecting, deadly, slow

    async def run_remote(self, way: str, count: int, ledger: str, gate: str = "") -> list[int]:
        note(ledger, f"down {way}")
        if way == "blocking":
            return list(await asyncio.gather(*(self._blocking.run_remote(n, ledger) for n in range(count))))
        if way == "failing":
            done = [self._leaf.run_remote(n, ledger) for n in range(count)]
            return [*done, await self._failing.run_remote(count, gate, ledger)]
        if way == "rejecting":
            await self._rejecting.run_remote("The tea")
        if way == "deadly":
            await self._deadly.run_remote(ledger)
        if way == "late":
            return [self._slow.run_remote(1, ledger, 3.0)]
        return [self._leaf.run_remote(n, ledger, 0.2) for n in range(count)]


@chains.mark_entrypoint("engine")
class Top(chains.ChainletBase):
    """One level more."""

    def __init__(self, down: Down = chains.depends(Down)) -> None:
        self._down = down

    async def run_remote(self, way: str, count: int, ledger: str, gate: str = "") -> list[int]:
        chains.progress(0, count, "Beginning")
        result = await self._down.run_remote(way, count, ledger, gate)
        chains.emit({"kind": "sum", "value": sum(result)})
        chains.progress(count, count, "Done")
        return result
