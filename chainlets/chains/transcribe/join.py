"""Puts what was heard back together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from chainlets.chains.transcribe.quality import UNSPACED
from chainlets.chains.transcribe.types import Heard, Segment


def in_order(pieces: Iterable[Heard]) -> list[Segment]:
    """All segments of the pieces, in the order of time and not overlapping.

    Args:
        pieces: in the order of the plan, whatever the order in which they were heard.
    """
    joined: list[Segment] = []
    for piece in pieces:
        for segment in piece.segments:
            earliest = joined[-1].end if joined else 0.0
            start = max(segment.start, earliest)
            joined.append(segment.model_copy(update={"start": start, "end": max(segment.end, start)}))
    return joined


def whole_text(segments: Iterable[Segment], *, language: str) -> str:
    """The transcript as running text."""
    return ("" if language in UNSPACED else " ").join(segment.text for segment in segments)


def likeliest(votes: Sequence[Mapping[str, float]]) -> tuple[str, float]:
    """The language that several places of the file agree on, and the mean of its probabilities.

    Args:
        votes: for each place, the probability of languages by code; at least one.
    """
    codes = sorted({code for vote in votes for code in vote})
    means = {code: sum(vote.get(code, 0.0) for vote in votes) / len(votes) for code in codes}
    best = max(codes, key=lambda code: means[code])
    return best, round(means[best], 4)


def places_to_ask(lengths: Sequence[int], *, most: int = 4) -> list[int]:
    """Which pieces to ask for the language: long ones, from all over the file.

    Args:
        lengths: of the pieces, in any unit.
        most: how many to name.

    Returns:
        indices, ascending. A greeting at the start in another language does not decide alone.
    """
    count = min(most, len(lengths))
    bounds = [len(lengths) * part // count for part in range(count + 1)] if count else []
    return [max(range(first, last), key=lambda index: lengths[index]) for first, last in pairwise(bounds)]
