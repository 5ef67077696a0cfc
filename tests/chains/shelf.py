"""Two chainlets that do not fit into one worker together, if it has 400 MiB; each says when it comes and goes."""

import os
from pathlib import Path

import chainlets as chains


def note(line: str) -> None:
    with Path(os.environ["SHELF_LEDGER"]).open("a") as out:
        out.write(f"{line}\n")


class Thick(chains.ChainletBase):
    """Takes three quarters of it."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(memory="300Mi"))

    def __init__(self) -> None:
        note("thick built")

    def close(self) -> None:
        note("thick closed")

    async def run_remote(self) -> str:
        return "thick"


class Thin(chains.ChainletBase):
    """Takes half; while it waits for the thick one it is in use, and must stay."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(memory="200Mi"))

    def __init__(self, thick: Thick = chains.depends(Thick)) -> None:
        self._thick = thick
        note("thin built")

    def close(self) -> None:
        note("thin closed")

    async def run_remote(self, *, ask: bool) -> str:
        return f"thin and {await self._thick.run_remote()}" if ask else "thin"


@chains.mark_entrypoint("shelf")
class Reader(chains.ChainletBase):
    """Takes one after the other from the shelf."""

    def __init__(self, thick: Thick = chains.depends(Thick), thin: Thin = chains.depends(Thin)) -> None:
        self._thick = thick
        self._thin = thin

    async def run_remote(self, titles: list[str]) -> list[str]:
        found = []
        for title in titles:
            if title == "thick":
                found.append(await self._thick.run_remote())
            else:
                found.append(await self._thin.run_remote(ask=title == "both"))
        return found
