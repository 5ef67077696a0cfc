"""Chainlets whose work is counted: each line of the ledger is one execution."""

import asyncio
from pathlib import Path

import chainlets as chains

OFFSET = 0


def note(ledger: str, line: str) -> None:
    """Append a line at once, whole, whoever else writes."""
    with Path(ledger).open("a") as out:
        out.write(f"{line}\n")


class Nap(chains.ChainletBase):
    """Sleeps until it is over or woken."""

    async def run_remote(self, seconds: float, ledger: str) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            note(ledger, "woken")
            raise


@chains.mark_entrypoint("again")
class Again(chains.ChainletBase):
    """Calls the others; each way is chosen by name."""

    def __init__(self, nap: Nap = chains.depends(Nap)) -> None:
        self._nap = nap

    async def run_remote(self, way: str, ledger: str) -> list[int]:
        if way == "nap":
            await self._nap.run_remote(60, ledger)
        return []
