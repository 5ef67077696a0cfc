"""Arrays between chainlets, as JSON and as bytes."""

import numpy as np
from pydantic import BaseModel

import chainlets as chains
from chainlets import pydantic_numpy


class Image(BaseModel):
    """An array with a name and a mask."""

    name: str
    pixels: pydantic_numpy.NumpyArrayField
    mask: pydantic_numpy.NumpyArrayField | None = None


class Negative(chains.ChainletBase):
    """Changes its own copy of the array in place."""

    def run_remote(self, image: Image) -> Image:
        pixels = image.pixels.array
        np.subtract(255, pixels, out=pixels)
        return Image(name=f"-{image.name}", pixels=pixels.T, mask=pixels > 100)


class Sum(chains.ChainletBase):
    """Gives a number for each row."""

    async def run_remote(self, images: list[Image]) -> dict[str, float]:
        return {image.name: float(image.pixels.array.sum()) for image in images}


@chains.mark_entrypoint("truss-arrays")
class Darkroom(chains.ChainletBase):
    """Calls the same chainlets by JSON and by bytes."""

    def __init__(
        self,
        negative: Negative = chains.depends(Negative),
        negative_binary: Negative = chains.depends(Negative, use_binary=True),
        sums: Sum = chains.depends(Sum),
        sums_binary: Sum = chains.depends(Sum, use_binary=True),
    ) -> None:
        self._negative = {False: negative, True: negative_binary}
        self._sums = {False: sums, True: sums_binary}

    async def run_remote(self, image: Image, binary: bool) -> tuple[Image, dict[str, float]]:
        spare = image.model_copy(update={"pixels": pydantic_numpy.NumpyArrayField(image.pixels.array.copy())})
        negative = self._negative[binary].run_remote(spare)
        assert negative.pixels.array.shape == image.pixels.array.T.shape
        return negative, await self._sums[binary].run_remote([image, negative])
