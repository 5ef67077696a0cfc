"""Chainlets whose inputs and results are too large for rows; each line of the ledger is one execution."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import chainlets as chains

LIKE_OURS = {"$packed": "x", "id": "x", "size": 1, "sha256": "x"}
Parts = dict[str, str | dict[str, str | int]]


def note(ledger: str, line: str) -> None:
    """Append a line at once, whole, whoever else writes."""
    with Path(ledger).open("a") as out:
        out.write(f"{line}\n")


def parts_of(number: int, size: int) -> Parts:
    """A value with about as many bytes; some of it looks like what the engine itself writes."""
    return {"z": 'ä"\n' + str(number) * size, "a": LIKE_OURS}


class Make(chains.ChainletBase):
    """Gives much."""

    async def run_remote(self, number: int, size: int, ledger: str) -> Parts:
        note(ledger, f"make {number}")
        return parts_of(number, size)


class Measure(chains.ChainletBase):
    """Takes much, on a thread, and gives it back."""

    def run_remote(self, parts: Parts, ledger: str) -> Parts:
        note(ledger, f"measure {str(parts['z'])[3]}")
        return parts


class Last(chains.ChainletBase):
    """Fails until a file says that it may succeed."""

    async def run_remote(self, number: int, ledger: str) -> None:
        note(ledger, "last")
        if not Path(f"{ledger}.gate").exists():
            raise LookupError("no gate")


class Kept(chains.ChainletBase):
    """Serves other runs as well; its result names a file."""

    remote_config = chains.RemoteConfig(options=chains.ChainletOptions(cache_s=3600))

    async def run_remote(self, size: int, ledger: str) -> tuple[str, chains.File]:
        note(ledger, "kept")
        path = chains.scratch_dir() / "words.txt"
        path.write_text("some words")
        return "k" * size, chains.File.from_path(path, keep=True)


class Pieces(chains.ChainletBase):
    """Streams much."""

    async def run_remote(self, size: int) -> AsyncIterator[str]:
        for letter in "abc":
            yield letter * size


class Dies(chains.ChainletBase):
    """Kills its process once, when the file is written and the row is not."""

    async def run_remote(self, size: int, ledger: str) -> str:
        note(ledger, "dies")
        from webapp.files import local

        write = local.put

        def put(data: bytes, *, media_type: str) -> local.Stored:
            stored = write(data, media_type=media_type)
            if not Path(f"{ledger}.dead").exists():
                Path(f"{ledger}.dead").touch()
                os.kill(os.getpid(), 9)
            return stored

        local.put = put
        return "d" * size


@chains.mark_entrypoint("large")
class Large(chains.ChainletBase):
    """Calls the others; each way is chosen by name."""

    def __init__(
        self,
        make: Make = chains.depends(Make),
        measure: Measure = chains.depends(Measure),
        last: Last = chains.depends(Last),
        kept: Kept = chains.depends(Kept),
        pieces: Pieces = chains.depends(Pieces),
        dies: Dies = chains.depends(Dies),
    ) -> None:
        self._make, self._measure, self._last = make, measure, last
        self._kept, self._pieces, self._dies = kept, pieces, dies

    async def run_remote(
        self, way: str, ledger: str, count: int = 1, size: int = 5_000_000, text: str = ""
    ) -> list[Parts | str | chains.File]:
        note(ledger, "large")
        if way == "kept":
            return list(await self._kept.run_remote(size, ledger))
        if way == "stream":
            return [piece async for piece in self._pieces.run_remote(size)]
        if way == "dies":
            return [await self._dies.run_remote(size, ledger)]
        if way == "text":
            return [text]
        made = await asyncio.gather(*(self._make.run_remote(n, size, ledger) for n in range(count)))
        same = [self._measure.run_remote(parts, ledger) for parts in made]
        await self._last.run_remote(count, ledger)
        return same
