"""Greets people, each by a call of its own."""

import asyncio

import chainlets as chains


class Greeter(chains.ChainletBase):
    """Says hello to one person."""

    async def run_remote(self, name: str, loud: bool = False) -> str:
        """Make one greeting."""
        greeting = f"Hello, {name}!"
        return greeting.upper() if loud else greeting


@chains.mark_entrypoint("hello")
class Hello(chains.ChainletBase):
    """Says hello to everybody on a list, all at the same time."""

    def __init__(self, greeter: Greeter = chains.depends(Greeter, retries=2)) -> None:
        self._greeter = greeter

    async def run_remote(self, names: list[str], loud: bool = False) -> list[str]:
        """Call `Greeter` once for each name, and keep the order."""
        return await asyncio.gather(*(self._greeter.run_remote(name, loud) for name in names))
