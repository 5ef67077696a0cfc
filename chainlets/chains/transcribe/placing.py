"""Carries times in a window back to the file, over the silences that were left out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from chainlets.chains.transcribe.spelling import TimedWord
from chainlets.chains.transcribe.types import SAMPLE_RATE, Piece, Span, Word

_REACH = (
    0.8  # seconds of a stretch of speech without words at its start or end that belong to the word beside
)
_HALF = SAMPLE_RATE / 2


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


def seconds_of_window(part: Span, spans: Sequence[Span]) -> tuple[float, float]:
    """Where in the window a part of the file is, as far as the window holds it."""
    before = 0
    for first, last in spans:
        if part[0] < last and part[1] > first:
            start = before + max(part[0], first) - first
            return start / SAMPLE_RATE, (start + min(part[1], last) - max(part[0], first)) / SAMPLE_RATE
        before += last - first
    return before / SAMPLE_RATE, before / SAMPLE_RATE


def placed(words: Sequence[TimedWord], piece: Piece) -> list[Word]:
    """Words in seconds of the file, as near to the speech as it is known.

    The aligner lets words reach into the pauses around them, and ends them before their sound does. So
    each is drawn back to the stretch of speech that it shares the most time with, and the first and the
    last of a stretch reach to its ends.
    """
    times = [_on_speech(*_in_file(word, piece), piece.speech) for word in words]
    for first, last in piece.speech:
        inside = [at for at, (start, end) in enumerate(times) if first <= (start + end) * _HALF < last]
        if inside:
            start, end = times[inside[0]]
            if start - first / SAMPLE_RATE <= _REACH:
                times[inside[0]] = (first / SAMPLE_RATE, end)
            start, end = times[inside[-1]]
            if last / SAMPLE_RATE - end <= _REACH:
                times[inside[-1]] = (start, last / SAMPLE_RATE)
    found: list[Word] = []
    earliest = 0.0
    for word, (start, end) in zip(words, times, strict=True):
        if not (text := word.text.strip()):
            continue
        begins = max(start, earliest)
        earliest = max(end, begins)
        confidence = None if word.confidence is None else round(word.confidence, 3)
        found.append(Word(start=round(begins, 3), end=round(earliest, 3), text=text, confidence=confidence))
    return found


def _in_file(word: TimedWord, piece: Piece) -> tuple[float, float]:
    start = seconds_in_file(word.start, piece.spans, is_end=False)
    return start, max(start, seconds_in_file(word.end, piece.spans, is_end=True))


def _on_speech(start: float, end: float, speech: Sequence[Span]) -> tuple[float, float]:
    best, shared = (start, end), 0.0
    for first, last in speech:
        from_, to = max(start, first / SAMPLE_RATE), min(end, last / SAMPLE_RATE)
        if to - from_ > shared:
            best, shared = (from_, to), to - from_
    return best
