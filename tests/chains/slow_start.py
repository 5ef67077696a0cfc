"""A chainlet that takes a second to build; each build is a line in the ledger."""

import asyncio
import os
import time
from pathlib import Path

import chainlets as chains


class Model(chains.ChainletBase):
    """Loads for a second; two calls at a time do not fit into one worker."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(gpu="any"))

    def __init__(self) -> None:
        time.sleep(1.0)
        self._pid = os.getpid()

    async def run_remote(self, ledger: str, seconds: float) -> int:
        with Path(ledger).open("a") as out:
            out.write(f"{self._pid}\n")
        await asyncio.sleep(seconds)
        return self._pid


@chains.mark_entrypoint("slow_start")
class Caller(chains.ChainletBase):
    """Calls the model so many times at once; gives the processes that answered."""

    def __init__(self, model: Model = chains.depends(Model)) -> None:
        self._model = model

    async def run_remote(self, ledger: str, calls: int = 1, seconds: float = 0.0) -> list[int]:
        return await asyncio.gather(*(self._model.run_remote(ledger, seconds) for _ in range(calls)))
