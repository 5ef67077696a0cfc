"""Builds a chainlet in the `__init__` of another."""

import chainlets as chains


class Tool(chains.ChainletBase):
    """What is meant to be a dependency."""

    def run_remote(self) -> str:
        return "tool"


class Box(chains.ChainletBase):
    """Builds its tool itself."""

    def __init__(self) -> None:
        self._tool = Tool()

    def run_remote(self) -> str:
        return self._tool.run_remote()


@chains.mark_entrypoint("truss-misuse-in-init")
class Workshop(chains.ChainletBase):
    """Would be right by itself."""

    def __init__(self, box: Box = chains.depends(Box)) -> None:
        self._box = box

    def run_remote(self) -> str:
        return self._box.run_remote()
