"""From the model's tokens to phrases with the times it wrote, in seconds of its window. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
