"""Chainlets whose work is counted: each line of the ledger is one execution."""

import asyncio
from pathlib import Path

import chainlets as chains


def note(ledger: str, line: str) -> None:
    """Append a line at once, whole, whoever else writes."""
    with Path(ledger).open("a") as out:
        out.write(f"{line}\n")


class Nap(chains.ChainletBase):
    """Sleeps until it is over or woken."""

    async def run_remote(self, seconds: float, ledger: str) -> None:
        await nap(seconds, ledger)


async def nap(seconds: float, ledger: str) -> None:
    """Sleep, and note it if the sleep is cut short."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note(ledger, "woken")
        raise


class Leaf(chains.ChainletBase):
    """Multiplies."""

    factor = 2

    async def run_remote(self, number: int, ledger: str) -> int:
        note(ledger, f"leaf {number}")
        return number * self.factor


class Group(chains.ChainletBase):
    """Some leaves."""

    def __init__(self, leaf: Leaf = chains.depends(Leaf)) -> None:
        self._leaf = leaf

    async def run_remote(self, numbers: list[int], ledger: str) -> int:
        note(ledger, f"group {numbers}")
        return sum(await asyncio.gather(*(self._leaf.run_remote(n, ledger) for n in numbers)))


class Last(chains.ChainletBase):
    """Fails until a file says that it may succeed."""

    async def run_remote(self, numbers: list[int], ledger: str) -> list[int]:
        note(ledger, "last")
        if not Path(f"{ledger}.gate").exists():
            raise LookupError("no gate")
        return numbers


class Writes(chains.ChainletBase):
    """Makes a file."""

    async def run_remote(self, text: str, ledger: str, *, keep: bool) -> chains.File:
        note(ledger, f"writes {text}")
        path = chains.scratch_dir() / "words.txt"
        path.write_text(text)
        return chains.File.from_path(path, keep=keep)


class Reads(chains.ChainletBase):
    """Reads one."""

    async def run_remote(self, file: chains.File, ledger: str) -> str:
        note(ledger, "reads")
        return file.path().read_text()


class Cached(chains.ChainletBase):
    """Serves other runs as well."""

    remote_config = chains.RemoteConfig(options=chains.ChainletOptions(cache_s=3600))

    async def run_remote(self, number: int, ledger: str) -> int:
        note(ledger, f"cached {number}")
        return number + 1


@chains.mark_entrypoint("again")
class Again(chains.ChainletBase):
    """Calls the others; each way is chosen by name."""

    def __init__(
        self,
        nap: Nap = chains.depends(Nap),
        group: Group = chains.depends(Group),
        last: Last = chains.depends(Last),
        writes: Writes = chains.depends(Writes),
        reads: Reads = chains.depends(Reads),
        cached: Cached = chains.depends(Cached),
    ) -> None:
        self._nap, self._group, self._last = nap, group, last
        self._writes, self._reads, self._cached = writes, reads, cached

    async def run_remote(
        self, way: str, ledger: str, groups: list[list[int]] | None = None, *, keep: bool = False
    ) -> list[int | str | chains.File]:
        note(ledger, "again")
        if way == "nap":
            await self._nap.run_remote(60, ledger)
        if way == "rest":
            await nap(60, ledger)
        if way == "cached":
            return [await self._cached.run_remote(number, ledger) for number in (1, 2)]
        if way == "file":
            file = await self._writes.run_remote("some words", ledger, keep=keep)
            return [await self._reads.run_remote(file, ledger), file]
        sums = [self._group.run_remote(numbers, ledger) for numbers in groups or []]
        return [*await self._last.run_remote(list(await asyncio.gather(*sums)), ledger)]
