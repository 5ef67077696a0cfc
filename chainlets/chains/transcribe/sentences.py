"""Puts words together to sentences. Pure.

A model breaks its text where its windows and its breath end; people read, seek and copy sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import fsum

from chainlets.chains.transcribe.quality import UNSPACED
from chainlets.chains.transcribe.types import Segment, Word
from chainlets.chains.transcribe.words import (
    ends_clause,
    ends_sentence,
    has_letters,
    is_item_number,
)

_PAUSE = 2.0  # seconds of silence after which something new begins
_LONGEST = 30.0  # seconds
_MOST_LETTERS = 350
_BREATH = 0.3  # seconds: a pause that one hears
_MARGIN = 0.2  # a long sentence is cut no nearer to its ends than this part of it, if it can be


def sentences(words: Sequence[Word], *, language: str) -> list[Segment]:
    """Words of one speaker as sentences, none longer than 30 seconds or 350 characters.

    A silence of more than two seconds ends a sentence too. Only a single word may be longer.

    Args:
        words: in the order in which they were said.
        language: code such as "en"; says how words are joined and which abbreviations there are.

    Returns:
        segments that hold every word once, in order.
    """
    return [
        _segment(part, language=language)
        for sentence in _by_punctuation(words, language=language)
        for part in _short_enough(sentence, language=language)
    ]


def joined(texts: Sequence[str], *, language: str) -> str:
    """Words as they are written in a language: with spaces between them or without."""
    return ("" if language in UNSPACED else " ").join(text for text in texts if text)


def _by_punctuation(words: Sequence[Word], *, language: str) -> Iterator[list[Word]]:
    ends = sentence_ends([word.text for word in words], language=language)
    sentence: list[Word] = []
    for at, word in enumerate(words):
        sentence.append(word)
        is_last = at + 1 == len(words)
        if is_last or ends[at] or words[at + 1].start - word.end > _PAUSE:
            yield sentence
            sentence = []


def sentence_ends(texts: Sequence[str], *, language: str) -> list[bool]:
    """For each word, whether a sentence ends with it by what is written."""
    cased = any(text[:1].isupper() for text in texts)
    ends: list[bool] = []
    tail, is_first = "", True  # the last word and the marks that stand apart from it
    for text, following in pairwise([*texts, ""]):
        tail = text if has_letters(text) else tail + text
        is_end = ends_sentence(tail, following, language=language, cased=cased)
        if is_end and is_first and following and is_item_number(tail):
            is_end = False
        ends.append(is_end)
        is_first = is_end or (is_first and not has_letters(text))
        tail = "" if is_end else tail
    return ends


def _short_enough(words: list[Word], *, language: str) -> Iterator[list[Word]]:
    left = [words]
    while left:
        part = left.pop()
        long = part[-1].end - part[0].start > _LONGEST
        if len(part) > 1 and (long or len(_text(part, language=language)) > _MOST_LETTERS):
            at = _best_cut(part, language=language)
            left += [part[at:], part[:at]]
        else:
            yield part


def _best_cut(words: list[Word], *, language: str) -> int:
    """How many words come before the cut: at a breath, else after a clause, else near the middle."""
    before: list[int] = []  # characters before each possible cut
    for word in words[:-1]:
        before.append((before[-1] if before else 0) + len(word.text) + 1)
    whole = before[-1] + len(words[-1].text)
    cuts = range(1, len(words))
    inner = [at for at in cuts if whole * _MARGIN <= before[at - 1] <= whole * (1 - _MARGIN)] or cuts

    def off_middle(at: int) -> float:
        return abs(before[at - 1] - whole / 2)

    def pause(at: int) -> float:
        return words[at].start - words[at - 1].end

    longest = max(inner, key=pause)
    if pause(longest) >= _BREATH:
        return longest
    clauses = [at for at in inner if ends_clause(words[at - 1].text, language=language)]
    return min(clauses or inner, key=off_middle)


def _segment(words: list[Word], *, language: str) -> Segment:
    known = [word.confidence for word in words if word.confidence is not None]
    return Segment(
        start=words[0].start,
        end=words[-1].end,
        text=_text(words, language=language),
        confidence=round(fsum(known) / len(known), 3) if known else None,
        words=words,
    )


def _text(words: Sequence[Word], *, language: str) -> str:
    return joined([word.text for word in words], language=language)
