"""Puts what was heard back together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chainlets.chains.transcribe.quality import UNSPACED
from chainlets.chains.transcribe.sentences import sentences
from chainlets.chains.transcribe.types import Heard, Segment, Word
from chainlets.chains.transcribe.wording import clock


def joined(heard: Sequence[Heard], *, language: str, word_times: bool) -> list[Segment]:
    """Sentences of all that was heard, in the order of time and not overlapping.

    Args:
        heard: in the order of the plan, whatever the order in which they were heard.
        language: that it is written in.
        word_times: whether the words are words; otherwise they are phrases, and stay as they are.
    """
    words: list[Word] = []
    doubted: list[tuple[float, float]] = []
    for answer in heard:
        for word in answer.words:
            start = max(word.start, words[-1].end if words else 0.0)
            words.append(word.model_copy(update={"start": start, "end": max(word.end, start)}))
        if answer.doubtful and answer.words:
            doubted.append((answer.words[0].start, answer.words[-1].end))
    if word_times:
        segments = sentences(words, language=language)
    else:
        segments = [
            Segment(start=word.start, end=word.end, text=word.text, confidence=word.confidence)
            for word in words
        ]
    return [
        segment.model_copy(update={"doubtful": True})
        if any(segment.start < end and segment.end > start for start, end in doubted)
        else segment
        for segment in segments
    ]


def moved(segments: Sequence[Segment], *, by: float) -> list[Segment]:
    """Segments later by so many seconds."""
    if not by:
        return list(segments)

    def later(timed: Word | Segment) -> dict[str, float]:
        return {"start": round(timed.start + by, 3), "end": round(timed.end + by, 3)}

    return [
        segment.model_copy(
            update={
                **later(segment),
                "words": [word.model_copy(update=later(word)) for word in segment.words],
            }
        )
        for segment in segments
    ]


def places(segments: Sequence[Segment], *, most: int = 5) -> str:
    """Where segments are, for people: "0:10, 3:05 and 2 more places"; empty if there are none."""
    starts = [clock(segment.start) for segment in segments]
    if len(starts) > most:
        return f"{', '.join(starts[:most])} and {len(starts) - most} more places"
    return " and ".join(filter(None, [", ".join(starts[:-1]), *starts[-1:]]))


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
