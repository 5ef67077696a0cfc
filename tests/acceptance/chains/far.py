"""A chain whose work needs a GPU that no worker of these tests has by itself."""

import chainlets as chains


class Painter(chains.ChainletBase):
    """Works on the rarest hardware."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(gpu="A100"))

    async def run_remote(self, colour: str) -> str:
        return f"a {colour} square"


@chains.mark_entrypoint("far")
class Gallery(chains.ChainletBase):
    """Orders pictures."""

    def __init__(self, painter: Painter = chains.depends(Painter)) -> None:
        self._painter = painter

    async def run_remote(self, colours: list[str]) -> list[str]:
        pictures = [self._painter.run_remote(colour) for colour in colours]
        return [await picture for picture in pictures]
