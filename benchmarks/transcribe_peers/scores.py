"""How good texts are, and how fast they came."""  # noqa: INP001 (of a command)

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jiwer
from transcribe_peers.contenders import Heard
from transcribe_peers.recordings import Recording
from whisper_normalizer.english import EnglishTextNormalizer  # type: ignore[import-untyped]

LONG = 300.0  # seconds of audio from which the system's own work must not be seen

Rounds = Sequence[Sequence[Heard]]
"""What one contender made of each recording, round by round."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Words of the last round, over all recordings together, after both sides are normalised.

    Errors are None if nobody knows what was said; they count recordings of known text only.
    """

    words: int  # that were written
    wer: float | None  # percent
    substituted: int | None
    dropped: int | None
    inserted: int | None
    unsteady: int  # recordings whose text was not the same in all rounds


def score(rounds: Rounds, recordings: Sequence[Recording]) -> Score:
    """Count the words of one contender."""
    normal: Callable[[str], str] = EnglishTextNormalizer()
    written = [normal(heard.text) for heard in rounds[-1]]
    known = [(normal(one.said), text) for one, text in zip(recordings, written, strict=True) if one.said]
    errors = jiwer.process_words([said for said, _ in known], [text for _, text in known]) if known else None
    return Score(
        words=sum(len(text.split()) for text in written),
        wer=round(100 * errors.wer, 2) if errors else None,
        substituted=errors.substitutions if errors else None,
        dropped=errors.deletions if errors else None,
        inserted=errors.insertions if errors else None,
        unsteady=sum(len({heard.text for heard in of_one}) > 1 for of_one in zip(*rounds, strict=True)),
    )


def times_longer(theirs: Rounds | None, ours: Rounds, *, files: Sequence[int] | None = None) -> float | None:
    """How many times longer they took over all files together, or some: the median over rounds."""
    if not theirs:
        return None
    pairs = zip(_totals(theirs, files), _totals(ours, files), strict=True)
    return round(statistics.median(a / b for a, b in pairs), 3)


def overhead(heard: Mapping[str, Rounds], recordings: Sequence[Recording]) -> float | None:
    """How many times longer the system takes than its chain alone, on long recordings if there are any."""
    long = [index for index, one in enumerate(recordings) if one.seconds >= LONG]
    return times_longer(heard["system"], heard["inprocess"], files=long or None)


def median_seconds(rounds: Rounds) -> float:
    """Seconds for all files, the median over rounds."""
    return statistics.median(_totals(rounds, None))


def first_text(rounds: Rounds) -> float | None:
    """Seconds from the end of the upload to the first text, the median over files and rounds."""
    waits = [heard.first_text for one in rounds for heard in one if heard.first_text is not None]
    return round(statistics.median(waits), 3) if waits else None


def _totals(rounds: Rounds, files: Sequence[int] | None) -> list[float]:
    return [
        sum(heard.seconds for index, heard in enumerate(one) if files is None or index in files)
        for one in rounds
    ]
