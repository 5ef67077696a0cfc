"""Streams text through two chainlets and out."""

import asyncio
from collections.abc import AsyncIterator

import shared_types

import chainlets as chains


class Speaker(chains.ChainletBase):
    """Says word by word."""

    async def run_remote(self, text: str, ledger: str = "") -> AsyncIterator[str]:
        if ledger:
            shared_types.fail_at_first(1, ledger=ledger, who="speaker")
        for word in text.split():
            await asyncio.sleep(0)
            yield word


@chains.mark_entrypoint("truss-text-stream")
class Interpreter(chains.ChainletBase):
    """Passes the words on, and stops listening when it has heard enough."""

    def __init__(self, speaker: Speaker = chains.depends(Speaker, retries=2)) -> None:
        self._speaker = speaker

    async def run_remote(self, text: str, most: int = 100, ledger: str = "") -> AsyncIterator[str]:
        heard = 0
        async for word in self._speaker.run_remote(text, ledger):
            yield word.upper() + " "
            heard += 1
            if heard == most:
                break
        if not heard:
            raise ValueError("nothing was said")
        yield "…"
