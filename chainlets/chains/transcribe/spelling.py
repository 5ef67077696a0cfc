"""From a model's tokens and where they align to words with times. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SECONDS_A_STEP = 0.02
"""The aligner's path counts the encoder's positions."""


@dataclass(frozen=True, kw_only=True)
class TimedWord:
    """A word, or a phrase where words have no times of their own, in seconds of its window.

    Attributes:
        text: as the model wrote it, with the space that comes before it.
        confidence: mean probability of its tokens; None if it was not asked for.
    """

    start: float
    end: float
    text: str
    confidence: float | None = None


def timed_words(
    written: Sequence[str],
    counts: Sequence[int],
    *,
    path: Sequence[tuple[int, int]],
    probabilities: Sequence[float],
    length: float,
) -> list[TimedWord]:
    """Words with the times at which the path enters and leaves them.

    Args:
        written: the text of each word; a mark of punctuation alone may be one.
        counts: tokens in each.
        path: pairs of token and position, ascending, as the aligner gives them.
        probabilities: of each token.
        length: seconds of the window; no time is later.
    """
    entered: dict[int, float] = {}
    for token, position in path:
        entered.setdefault(token, position * SECONDS_A_STEP)
    words: list[TimedWord] = []
    first = 0
    for text, count in zip(written, counts, strict=True):
        last = first + count
        start = min(entered.get(first, length), length)
        end = max(start, min(entered.get(last, length), length))
        likely = probabilities[first:last]
        confidence = sum(likely) / len(likely) if likely else None
        words.append(TimedWord(start=start, end=end, text=text, confidence=confidence))
        first = last
    return _with_punctuation(words)


def _with_punctuation(words: Sequence[TimedWord]) -> list[TimedWord]:
    """Marks without letters go to the word before them, or after them if a space comes first."""
    joined: list[TimedWord] = []
    opening = ""  # marks that wait for their word
    for word in words:
        if any(letter.isalnum() for letter in word.text):
            joined.append(
                TimedWord(
                    start=word.start,
                    end=word.end,
                    text=_glued(opening, word.text),
                    confidence=word.confidence,
                )
            )
            opening = ""
        elif joined and not word.text.startswith(" "):
            before = joined[-1]
            joined[-1] = TimedWord(
                start=before.start, end=before.end, text=before.text + word.text, confidence=before.confidence
            )
        else:
            opening += word.text
    if opening and joined:
        before = joined[-1]
        joined[-1] = TimedWord(
            start=before.start, end=before.end, text=before.text + opening, confidence=before.confidence
        )
    return joined


def _glued(opening: str, text: str) -> str:
    return opening + text.lstrip() if opening else text
