"""Mixes tones, finds them again in the spectrum of the sound, and passes NumPy arrays between the steps."""

from pydantic import BaseModel

import chainlets as chains
from chainlets import pydantic_numpy

RATE = 8_000  # samples a second
HIGHEST = 1_000  # hertz; what the spectrum keeps
LONGEST = 600  # seconds


class Bands(BaseModel):
    """How strong each whole frequency is: `strength` has the shape (HIGHEST + 1,) and counts hertz from 0."""

    strength: pydantic_numpy.NumpyArrayField


class Spectrum(chains.ChainletBase):
    """Measures which frequencies a sound is made of."""

    async def run_remote(self, samples: pydantic_numpy.NumpyArrayField) -> Bands:
        """Of samples with the shape (seconds x RATE,), the strength of each frequency, averaged over all seconds."""
        import numpy as np

        seconds = samples.array.reshape(-1, RATE)
        strength = np.abs(np.fft.rfft(seconds, axis=1)).mean(axis=0) / (RATE / 2)
        return Bands(strength=pydantic_numpy.NumpyArrayField(strength[: HIGHEST + 1].astype(np.float32)))


class Peaks(chains.ChainletBase):
    """Reads off the frequencies that stand out."""

    async def run_remote(self, bands: Bands, at_least: float) -> list[int]:
        """Frequencies in hertz whose strength is `at_least` this."""
        import numpy as np

        return [int(hertz) for hertz in np.flatnonzero(bands.strength.array >= at_least)]


@chains.mark_entrypoint("numbers")
class Numbers(chains.ChainletBase):
    """Mixes tones of some frequencies into one sound and finds them again."""

    def __init__(
        self,
        # A minute of sound is 2 MB. With `use_binary` it travels as bytes in a file; without, as base64 in JSON.
        spectrum: Spectrum = chains.depends(Spectrum, use_binary=True),
        peaks: Peaks = chains.depends(Peaks),
    ) -> None:
        self._spectrum = spectrum
        self._peaks = peaks

    async def run_remote(self, hertz: list[int], seconds: int = 10) -> list[int]:
        """Give back the frequencies that were found, lowest first."""
        if not hertz or not all(0 < tone <= HIGHEST for tone in hertz):
            raise chains.InputRejected(f"Give one or more frequencies, each from 1 to {HIGHEST} hertz.")
        if not 1 <= seconds <= LONGEST:
            raise chains.InputRejected(f"Give a length from 1 to {LONGEST} seconds.")
        tones = sorted(set(hertz))
        samples = await chains.offload(_mixed, tones, seconds)
        bands = await self._spectrum.run_remote(samples)
        return await self._peaks.run_remote(bands, 0.5 / len(tones))


def _mixed(hertz: list[int], seconds: int) -> pydantic_numpy.NumpyArrayField:
    """A sound from -1.0 to 1.0, all tones equally loud."""
    import numpy as np

    time = np.arange(RATE) / RATE
    second = np.sin(2 * np.pi * np.outer(hertz, time)).mean(axis=0)  # whole frequencies repeat every second
    return pydantic_numpy.NumpyArrayField(np.tile(second.astype(np.float32), seconds))
