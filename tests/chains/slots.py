"""Calls that hold slots: politely, deafly, one at a time. Each line of the ledger is `word number pid`."""

import asyncio
import os
import time
from pathlib import Path

import chainlets as chains


def note(ledger: str, line: str) -> None:
    """Append a line at once, whole, whoever else writes."""
    with Path(ledger).open("a") as out:
        out.write(f"{line} {os.getpid()}\n")


class Single(chains.ChainletBase):
    """One at a time in each process."""

    async def run_remote(self, number: int, seconds: float, ledger: str) -> int:
        note(ledger, f"single {number}")
        await asyncio.sleep(seconds)
        return number


class Other(chains.ChainletBase):
    """Another one on the same queue."""

    async def run_remote(self, ledger: str) -> None:
        note(ledger, "other 0")


class Polite(chains.ChainletBase):
    """Stops when it is told to, and says so."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=8))

    async def run_remote(self, number: int, seconds: float, ledger: str) -> int:
        note(ledger, f"polite {number}")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            note(ledger, f"stopped {number}")
            raise
        return number


class Asking(chains.ChainletBase):
    """Plain code that asks whether it shall go on."""

    def run_remote(self, number: int, seconds: float, ledger: str) -> int:
        note(ledger, f"asking {number}")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if chains.cancelled():
                note(ledger, f"stopped {number}")
                break
            time.sleep(0.02)
        return number


class Deaf(chains.ChainletBase):
    """Plain code that goes on whatever happens."""

    def run_remote(self, number: int, seconds: float, ledger: str) -> int:
        note(ledger, f"deaf {number}")
        time.sleep(seconds)
        note(ledger, f"heard {number}")
        return number


@chains.mark_entrypoint("slots")
class Slots(chains.ChainletBase):
    """Calls one of them `count` times at once; what failed counts as its error's name."""

    def __init__(
        self,
        single: Single = chains.depends(Single),
        other: Other = chains.depends(Other),
        polite: Polite = chains.depends(Polite),
        asking: Asking = chains.depends(Asking),
        deaf: Deaf = chains.depends(Deaf),
    ) -> None:
        self._single, self._other = single, other
        self._polite, self._asking, self._deaf = polite, asking, deaf

    async def run_remote(self, way: str, count: int, seconds: float, ledger: str) -> list[str]:
        note(ledger, "slots 0")
        if way == "mixed":
            singles = [self._single.run_remote(n, seconds, ledger) for n in range(count)]
            await self._other.run_remote(ledger)
            return [str(n) for n in await asyncio.gather(*singles)]
        if way in ("asking", "deaf"):
            chainlet = self._asking if way == "asking" else self._deaf
            return [await chains.offload(self._plainly, chainlet, n, seconds, ledger) for n in range(count)]
        called = self._single if way == "single" else self._polite
        calls = [called.run_remote(n, seconds, ledger) for n in range(count)]
        return [_word(result) for result in await asyncio.gather(*calls, return_exceptions=True)]

    @staticmethod
    def _plainly(chainlet: Asking | Deaf, number: int, seconds: float, ledger: str) -> str:
        try:
            return str(chainlet.run_remote(number, seconds, ledger))
        except TimeoutError as error:
            return _word(error)


def _word(result: int | BaseException) -> str:
    return type(result).__name__ if isinstance(result, BaseException) else str(result)
