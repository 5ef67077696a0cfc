"""Streams that go well, begin badly, or break."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import chainlets as chains


class Teapot(Exception):
    """Asks for a status of its own."""

    status_code = 418


class Words(chains.ChainletBase):
    """Says words, slowly."""

    async def run_remote(
        self, count: int, seconds: float, fail_at: int | None, ledger: str
    ) -> AsyncIterator[str]:
        for number in range(count):
            if number == fail_at:
                raise Teapot(f"no word {number}")
            with Path(ledger).open("a") as out:
                out.write(f"word {number}\n")
            yield f"wörd {number}, "
            await asyncio.sleep(seconds)


@chains.mark_entrypoint("spoken")
class Spoken(chains.ChainletBase):
    """Says them louder."""

    def __init__(self, words: Words = chains.depends(Words)) -> None:
        self._words = words

    async def run_remote(
        self, count: int, ledger: str, seconds: float = 0.02, fail_at: int | None = None
    ) -> AsyncIterator[str]:
        async for word in self._words.run_remote(count, seconds, fail_at, ledger):
            yield word.upper()
