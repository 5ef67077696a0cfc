"""Reads decoded samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainlets.chains.transcribe.types import Part, Span

if TYPE_CHECKING:
    import numpy as np


def samples_of(parts: Sequence[Part], span: Span) -> np.ndarray:
    """A span of the audio; only its samples are read, however long the parts are.

    Args:
        parts: in order and without gaps; together they hold the span.
        span: counted from the start of the audio.

    Returns:
        shape (samples,), floats from -1 to 1.
    """
    import numpy as np

    read = []
    for part in parts:
        first, last = max(span[0], part.first), min(span[1], part.first + part.samples)
        if first < last:
            offset = (first - part.first) * 2
            read.append(np.fromfile(part.pcm.path(), dtype=np.int16, count=last - first, offset=offset))
    return np.concatenate(read).astype(np.float32) / 32_768


def parts_for(parts: Sequence[Part], span: Span) -> list[Part]:
    """The parts that hold a span."""
    return [part for part in parts if part.first < span[1] and part.first + part.samples > span[0]]
