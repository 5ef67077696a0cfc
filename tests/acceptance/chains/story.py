"""A chain that streams, logs and blocks its loop."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import chainlets as chains

BEGINNING = "Once upon a time\n    there was a queue.\n"
END = "It was empty at last. " + "And so they lived, one call after the other. " * 6


class Dozer(chains.ChainletBase):
    """Blocks the loop it runs on."""

    async def run_remote(self, seconds: float) -> None:
        chains.log("Dozes off.", level="warning", seconds=seconds)
        time.sleep(seconds)
        chains.log("Is awake.")


@chains.mark_entrypoint("story")
class Teller(chains.ChainletBase):
    """Tells the beginning, and the end once there is a file that allows it."""

    def __init__(self, dozer: Dozer = chains.depends(Dozer)) -> None:
        self._dozer = dozer

    async def run_remote(self, gate: str) -> AsyncIterator[str]:
        for line in BEGINNING.splitlines(keepends=True):
            yield line
        await self._dozer.run_remote(1.0)
        while not Path(gate).exists():
            await asyncio.sleep(0.05)
        for word in END.split(" "):
            yield word + " "
            await asyncio.sleep(0.01)
