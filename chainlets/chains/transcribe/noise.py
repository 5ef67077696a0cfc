"""Finds long stretches that are loud although nobody speaks: music, machines, applause. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from chainlets.chains.transcribe.split import FRAME
from chainlets.chains.transcribe.types import SAMPLE_RATE, Span
from chainlets.chains.transcribe.wording import clock

_SHORTEST = 15 * SAMPLE_RATE  # samples; shorter ones are part of any conversation
_LOUD = 150  # of the 255 levels: about 41 dB below the loudest there is; a quiet room lies far below
_BELOW_SPEECH = 50  # levels, about 20 dB: softer than that is background


def loud_gaps(speech: Sequence[Span], levels: Sequence[int], *, samples: int) -> list[Span]:
    """Long stretches without speech that are nearly as loud as the speech.

    Args:
        speech: ascending and apart; at least one.
        levels: of each frame, from 0 to 255, 51 to a factor of ten.
        samples: length of the audio.
    """
    spoken = [level for first, last in speech for level in levels[first // FRAME : last // FRAME]]
    least = max(_LOUD, (median(spoken) if spoken else 0) - _BELOW_SPEECH)
    starts = [0, *(last for _, last in speech)]
    ends = [*(first for first, _ in speech), samples]
    return [
        (start, end)
        for start, end in zip(starts, ends, strict=True)
        if end - start >= _SHORTEST and median(levels[start // FRAME : end // FRAME]) >= least
    ]


def loud_gaps_in_words(gaps: Sequence[Span], *, offset: float, most: int = 5) -> str:
    """A sentence that says where they are; empty if there are none.

    Args:
        gaps: in samples.
        offset: seconds of the recording before the first sample.
        most: how many are named.
    """
    if not gaps:
        return ""
    named = [
        f"{clock(first / SAMPLE_RATE + offset)}–{clock(last / SAMPLE_RATE + offset)}"
        for first, last in gaps[:most]
    ]
    more = f" and {len(gaps) - most} more places" if len(gaps) > most else ""
    return f"Music or noise without speech at {', '.join(named)}{more}: nothing is written there."
