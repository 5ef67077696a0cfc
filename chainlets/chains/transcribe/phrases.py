"""From the model's tokens to phrases with times in the file. Pure.

The model hears a window: the spans of one piece, one after the other. Its times are seconds in that
window, and have to be carried back over the silences that were left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainlets.chains.transcribe.types import SAMPLE_RATE, Span

SECONDS_A_TOKEN = 0.02
"""Time tokens count in steps of 20 ms."""


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """Words between two times, in seconds of the window."""

    start: float
    end: float
    tokens: tuple[int, ...]


def phrases_of(tokens: Sequence[int], *, first_time: int, length: float) -> tuple[list[Phrase], float]:
    """Split what the model wrote at its time tokens.

    Args:
        tokens: text tokens, and time tokens from `first_time` upwards.
        first_time: the token that means 0.00 s.
        length: seconds of the window; no time is later.

    Returns:
        the phrases, and up to where the model says it has listened: `length` if it broke off.
    """
    found: list[Phrase] = []
    start, text = 0.0, []
    for token in tokens:
        if token < first_time:
            text.append(token)
            continue
        time = min((token - first_time) * SECONDS_A_TOKEN, length)
        if text:
            found.append(Phrase(start=start, end=max(start, time), tokens=tuple(text)))
            text = []
        start = max(start, time)
    if text:
        found.append(Phrase(start=start, end=length, tokens=tuple(text)))
        return found, length
    return found, found[-1].end if found else 0.0


def seconds_in_file(seconds: float, spans: Sequence[Span], *, is_end: bool) -> float:
    """Where in the file a moment of the window is.

    Args:
        seconds: counted in the window.
        spans: what the window is made of, in samples of the file.
        is_end: where two spans meet, an end belongs to the earlier one and a start to the later.
    """
    left = round(seconds * SAMPLE_RATE)
    for first, last in spans:
        length = last - first
        if left < length or (is_end and left == length):
            return (first + left) / SAMPLE_RATE
        left -= length
    return spans[-1][1] / SAMPLE_RATE
