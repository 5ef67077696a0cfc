"""Finds the speech in decoded audio, in blocks, so that memory stays flat."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import chainlets as chains
from chainlets.chains.transcribe.split import FRAME, cut_long, pack, speech_spans
from chainlets.chains.transcribe.types import SAMPLE_RATE, Plan

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 20 * SAMPLE_RATE // FRAME * FRAME  # samples looked at in one go; the model takes 2 MB a second
_WARM_UP = 2 * SAMPLE_RATE // FRAME * FRAME  # samples before a block that tell the model where it is


class Split(chains.ChainletBase):
    """Finds who speaks when, and cuts the speech into pieces for the model."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(cpu_count=1, memory="512Mi", predict_concurrency=2)
    )

    def __init__(self) -> None:
        from faster_whisper.vad import get_vad_model

        self._speech_probability = get_vad_model()

    async def run_remote(self, pcm: chains.File, samples: int) -> Plan:
        """Plan the pieces of decoded audio of this many samples."""
        return await chains.offload(self._split, pcm, samples)

    def _split(self, pcm: chains.File, samples: int) -> Plan:
        # 8 bytes for every 32 ms: a day of audio takes 22 MB.
        probabilities, loudness = array("f"), array("f")
        for block, skip in _blocks(pcm.path(), samples):
            if chains.cancelled():
                msg = "The search for speech was stopped because its result is no longer wanted."
                raise chains.ChainsRuntimeError(msg)
            loudness.frombytes(abs(block[skip * FRAME :].reshape(-1, FRAME)).mean(axis=1).tobytes())
            probabilities.frombytes(self._speech_probability(block).reshape(-1)[skip:].tobytes())
        speech = speech_spans(probabilities, samples=samples)
        return Plan(
            pieces=pack(cut_long(speech, loudness), samples=samples),
            speech=sum(last - first for first, last in speech),
        )


def _blocks(path: Path, samples: int) -> Iterator[tuple[np.ndarray, int]]:
    """Blocks of whole frames as floats from -1 to 1, and how many first frames were in the block before."""
    import numpy as np

    for start in range(0, samples, _BLOCK):
        warm_up = min(start, _WARM_UP)
        count = warm_up + min(_BLOCK, samples - start)
        block = np.fromfile(path, dtype=np.int16, count=count, offset=(start - warm_up) * 2)
        padded = np.zeros(-(-count // FRAME) * FRAME, dtype=np.float32)
        padded[:count] = block
        yield padded / 32_768, warm_up // FRAME
