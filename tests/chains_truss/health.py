"""A replica that is not healthy when it is first built."""

import chainlets as chains


class Model(chains.ChainletBase):
    """Is healthy from the second one on."""

    built = 0

    def __init__(self) -> None:
        type(self).built += 1
        self._number = type(self).built

    async def is_healthy(self) -> bool:
        return self._number > 1

    async def run_remote(self, text: str) -> str:
        return f"{text} by replica {self._number}"


@chains.mark_entrypoint("truss-health")
class Clinic(chains.ChainletBase):
    """Says by a sync method that it is healthy."""

    def __init__(self, model: Model = chains.depends(Model)) -> None:
        self._model = model

    def is_healthy(self) -> bool:
        return True

    async def run_remote(self, text: str) -> str:
        return await self._model.run_remote(text)
