"""Chainlets that inherit from chainlets."""

import chainlets as chains


class Vocabulary(chains.ChainletBase):
    """Knows words."""

    def run_remote(self, key: str) -> str:
        return {"hello": "Hello", "good day": "Good day"}[key]


class Punctuation(chains.ChainletBase):
    """Knows marks."""

    async def run_remote(self, loud: bool) -> str:
        return "!" if loud else "."


class Greeter(chains.ChainletBase):
    """Greets in plain code."""

    remote_config = chains.RemoteConfig(name="greeter")
    key = "hello"

    def __init__(self, vocabulary: Vocabulary = chains.depends(Vocabulary)) -> None:
        self._vocabulary = vocabulary

    async def run_remote(self, name: str, times: int = 1) -> str:
        return " ".join([f"{self._vocabulary.run_remote(self.key)}, {name}"] * times)


class Formal(Greeter):
    """Inherits `__init__`, and calls the method it overrides."""

    key = "good day"

    async def run_remote(self, name: str, times: int = 1) -> str:
        return await super().run_remote(f"Dr. {name}", times)


class Loud(Greeter):
    """Has an `__init__` of its own, with one dependency more; its method is inherited."""

    def __init__(
        self,
        vocabulary: Vocabulary = chains.depends(Vocabulary),
        punctuation: Punctuation = chains.depends(Punctuation),
    ) -> None:
        super().__init__(vocabulary)
        self._punctuation = punctuation

    async def run_remote(self, name: str, times: int = 1) -> str:
        return await super().run_remote(name, times) + await self._punctuation.run_remote(loud=True)


class Quiet(Loud):
    """Leaves what its base needs to its base."""

    def __init__(self, punctuation: Punctuation = chains.depends(Punctuation)) -> None:
        super().__init__()
        self._mark = punctuation

    async def run_remote(self, name: str, times: int = 1) -> str:
        first = await Greeter.run_remote(self, name, times)
        return first.lower() + await self._mark.run_remote(loud=False)


@chains.mark_entrypoint("truss-inherit")
class Reception(chains.ChainletBase):
    """Asks each of them; calls itself for those who come twice."""

    def __init__(
        self,
        greeter: Greeter = chains.depends(Greeter),
        formal: Formal = chains.depends(Formal),
        loud: Greeter = chains.depends(Loud),
        quiet: Greeter = chains.depends(Quiet),
    ) -> None:
        self._greeters = [greeter, formal, loud, quiet]

    async def run_remote(self, name: str, again: bool = True) -> list[str]:
        said = [await greeter.run_remote(name) for greeter in self._greeters]
        return [*said, *(await self.run_remote(name, again=False))] if again else said
