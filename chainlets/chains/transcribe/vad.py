"""Finds the speech in decoded audio, in blocks, so that memory stays flat."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING

import chainlets as chains
from chainlets.chains.transcribe.sound import samples_of
from chainlets.chains.transcribe.split import FRAME
from chainlets.chains.transcribe.types import SAMPLE_RATE, Frames, Part

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 20 * SAMPLE_RATE // FRAME * FRAME  # samples looked at in one go; the model takes 2 MB a second
_WARM_UP = 2 * SAMPLE_RATE // FRAME * FRAME  # samples before a block that tell the model where it is


class SpeechDetector(chains.ChainletBase):
    """Says for each moment of a part how likely somebody speaks, and how loud it is."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(cpu_count=1, memory="512Mi", predict_concurrency=2)
    )

    def __init__(self) -> None:
        from faster_whisper.vad import get_vad_model

        self._speech_probability = get_vad_model()

    async def run_remote(self, part: Part, before: Part | None = None) -> Frames:
        """Look at a part.

        Args:
            part: begins at a whole frame.
            before: the part that ends where it begins; the model listens itself in on it.
        """
        return await chains.offload(self._look, part, before)

    def _look(self, part: Part, before: Part | None) -> Frames:
        speech, loudness = bytearray(), bytearray()
        for block, skip in _blocks(part, before):
            if chains.cancelled():
                msg = "The search for speech was stopped because its result is no longer wanted."
                raise chains.ChainsRuntimeError(msg)
            probabilities = self._speech_probability(block).reshape(-1)[skip:]
            speech += (probabilities * 255).round().astype("uint8").tobytes()
            loudness += _levels(block[skip * FRAME :])
        return Frames(speech=b64encode(speech).decode(), loudness=b64encode(loudness).decode())


def _levels(samples: np.ndarray) -> bytes:
    """Loudness of each frame: 0 is silence, 255 the loudest there is, in steps of about 0.4 dB."""
    import numpy as np

    means = np.maximum(abs(samples.reshape(-1, FRAME)).mean(axis=1), 1e-5)
    levels: bytes = np.clip(255 + 51 * np.log10(means), 0, 255).round().astype("uint8").tobytes()
    return levels


def _blocks(part: Part, before: Part | None) -> Iterator[tuple[np.ndarray, int]]:
    """Blocks of whole frames as floats from -1 to 1, and how many first frames were in the block before."""
    import numpy as np

    parts = [part] if before is None else [before, part]
    for start in range(part.first, part.first + part.samples, _BLOCK):
        warm_up = min(start - parts[0].first, _WARM_UP)
        end = min(start + _BLOCK, part.first + part.samples)
        block = samples_of(parts, (start - warm_up, end))
        whole = -(-len(block) // FRAME) * FRAME
        yield np.pad(block, (0, whole - len(block))), warm_up // FRAME
