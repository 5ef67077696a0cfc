"""Finds speech that no word covers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from chainlets.chains.transcribe.spelling import TimedWord

_LETTER, _WORD = 0.12, 0.5  # seconds: slow speech for a letter, and for the shortest word


def holes(
    words: Sequence[TimedWord], speech: Sequence[tuple[float, float]], *, shortest: float
) -> list[tuple[float, float]]:
    """Stretches of speech in which nothing was written down.

    The aligner gives all time to some word. One that would have been said far too slowly covers only
    what it needs: at its end before the next word if it begins a stretch of speech, else at its start.

    Args:
        words: ascending in time; phrases count as said at the pace of slow speech.
        speech: stretches, ascending and apart, in the same seconds.
        shortest: seconds of a hole worth telling.
    """
    covered = [_needed(word, speech) for word in words]
    found: list[tuple[float, float]] = []
    for start, end in speech:
        at = start
        for first, last in covered:
            if last <= at or first >= end:
                continue
            if first - at >= shortest:
                found.append((at, first))
            at = max(at, last)
        if end - at >= shortest:
            found.append((at, end))
    return found


def _needed(word: TimedWord, speech: Sequence[tuple[float, float]]) -> tuple[float, float]:
    most = max(_WORD, _LETTER * len(word.text.strip()))
    if word.end - word.start <= most:
        return word.start, word.end
    begins = any(word.start <= start + 0.1 and start < word.end for start, _ in speech)
    return (word.end - most, word.end) if begins else (word.start, word.start + most)
