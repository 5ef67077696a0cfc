"""Cuts segments into subtitles that can be read while they are shown. Pure.

A cue holds two lines at most and stays seven seconds at most, where the words and their times allow.
It comes with its first word and stays at least until its last one ends; if people need longer to
read it, it stays on into the silence. Nothing is left out, and no two cues are shown at once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, pairwise

from chainlets.chains.transcribe.quality import UNSPACED
from chainlets.chains.transcribe.sentences import sentence_ends
from chainlets.chains.transcribe.types import Segment
from chainlets.chains.transcribe.words import (
    ends_clause,
    is_clinging,
    is_conjunction,
    is_opening,
    is_trailing,
)

# Widths are counted so that 42 narrow letters are as wide as 16 wide ones.
_NARROW, _WIDE = 8, 21
_LINE = 42 * _NARROW
_CUE = 2 * _LINE

_LONGEST = 7.0  # seconds
_SHORTEST = 0.8
_STAYS_ON = 1.0  # seconds of silence that a cue may take to be read
_A_SECOND = 20 * _NARROW  # width that is read in a second

_BREATH = 0.3  # seconds: a pause that one hears
_STUMP = _LINE // 4  # a line or a cue should be no narrower


@dataclass(frozen=True, kw_only=True)
class Cue:
    """What is shown at a time, in milliseconds from the start of the file."""

    start: int
    end: int
    lines: tuple[str, ...]  # one or two
    speaker: str | None


@dataclass(frozen=True, kw_only=True)
class _Bit:
    """What is never cut: a word, or a piece of one that is wider than a line. Times are seconds."""

    start: float
    end: float
    text: str
    spaced: bool  # a space stands before it, unless a line begins with it
    ends_sentence: bool = False
    is_label: bool = False


def cues_of(segments: Sequence[Segment], *, language: str, duration: float, labels: bool) -> list[Cue]:
    """All subtitles, in order.

    Args:
        segments: in order; those without words are cut by the number of letters.
        language: code such as "en".
        duration: seconds of the file; no cue stays on beyond.
        labels: whether "Name: " comes before the words when the speaker changes.
    """
    groups: list[tuple[str | None, list[_Bit]]] = []
    before: str | None = None
    for segment in segments:
        speaker = one_line(segment.speaker or "") or None
        label = f"{speaker}:" if labels and speaker and speaker != before else ""
        cut = list(_cut(segment, label=label, language=language))
        groups += [(speaker, bits) for bits in cut]
        before = speaker if cut else before
    return _timed(groups, language=language, duration=duration)


def one_line(text: str) -> str:
    """Without line breaks, and without spaces that nobody sees."""
    return " ".join(text.split())


def _timed(groups: Sequence[tuple[str | None, list[_Bit]]], *, language: str, duration: float) -> list[Cue]:
    cues: list[Cue] = []
    starts = [bits[0].start for _, bits in groups]
    shown_until = 0
    for at, (speaker, bits) in enumerate(groups):
        start = max(_milliseconds(starts[at]), shown_until)
        said = max(*(_milliseconds(bit.end) for bit in bits), start + 1)
        until = starts[at + 1] if at + 1 < len(groups) else duration
        width = _Row(bits).width(0, len(bits))
        wanted = min(
            start + _milliseconds(max(_SHORTEST, width / _A_SECOND)),
            said + _milliseconds(_STAYS_ON),
            start + _milliseconds(_LONGEST),
            _milliseconds(until),
        )
        shown_until = max(said, wanted)
        lines = tuple(_lines(bits, language=language))
        cues.append(Cue(start=start, end=shown_until, lines=lines, speaker=speaker))
    return cues


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


# From a segment to the bits of its cues


def _cut(segment: Segment, *, label: str, language: str) -> Iterator[list[_Bit]]:
    bits = _bits(segment, language=language)
    if not bits:
        return
    if label:
        name = _pieces(label, start=bits[0].start, end=bits[0].start, spaced=True, is_label=True)
        bits = [*name, replace(bits[0], spaced=True), *bits[1:]]
    row = _Row(bits)
    is_short = row.width(0, len(bits)) <= _LINE
    if (is_short and not segment.words) or row.fits(0, len(bits)):
        yield bits
        return
    for sentence in _sentences(row):
        yield from _best_cues(_Row(sentence), language=language)


def _bits(segment: Segment, *, language: str) -> list[_Bit]:
    if not segment.words:
        whole = _pieces(one_line(segment.text), start=segment.start, end=segment.end, spaced=True)
        return _with_ends(whole, language=language)
    spaces = _spaces(segment, language=language)
    bits: list[_Bit] = []
    for word, spaced in zip(segment.words, spaces, strict=True):
        bits += _pieces(one_line(word.text), start=word.start, end=word.end, spaced=spaced)
    return _with_ends(bits, language=language)


def _spaces(segment: Segment, *, language: str) -> list[bool]:
    """For each word, whether a space stands before it: as in the text, else as in the language.

    The text knows better: a translation is not written in the language that is spoken.
    """
    text, at = segment.text, 0
    spaces: list[bool] = []
    for word in segment.words:
        first = at
        while text[at : at + 1].isspace():
            at += 1
        if not text.startswith(word.text, at):
            return [language not in UNSPACED] * len(segment.words)
        spaces.append(at > first)
        at += len(word.text)
    return spaces


def _with_ends(bits: list[_Bit], *, language: str) -> list[_Bit]:
    ends = sentence_ends([bit.text for bit in bits], language=language)
    return [replace(bit, ends_sentence=is_end) for bit, is_end in zip(bits, ends, strict=True)]


def _pieces(text: str, *, start: float, end: float, spaced: bool, is_label: bool = False) -> list[_Bit]:
    """Text as bits no wider than a line; each gets time by the number of its letters."""
    found: list[tuple[str, bool]] = []
    for chunk in text.split():
        parts = [chunk] if _width(chunk) <= _LINE else _letters(chunk)
        found += [(part, at == 0 and (spaced or bool(found))) for at, part in enumerate(parts)]
    bounds = [0, *accumulate(len(part) for part, _ in found)]
    a_letter = (end - start) / bounds[-1] if found else 0.0
    return [
        _Bit(
            start=start + first * a_letter,
            end=end if last == bounds[-1] else start + last * a_letter,
            text=part,
            spaced=has_space,
            is_label=is_label,
        )
        for (part, has_space), (first, last) in zip(found, pairwise(bounds), strict=True)
    ]


def _letters(chunk: str) -> list[str]:
    """Letter by letter, but with what cannot begin or end a line: marks, points, opening brackets.

    Numbers and words in ASCII stay whole if they fit a line.
    """
    parts: list[str] = []
    for found in re.findall(r"[!-~]+|.", chunk, flags=re.DOTALL):
        for part in [found] if _width(found) <= _LINE else found:
            last = parts[-1] if parts else ""
            holds = is_trailing(part) or _width(part) == 0 or (last and is_opening(last[-1]))
            if last and holds and _width(last + part) <= _LINE:
                parts[-1] += part
            else:
                parts.append(part)
    return parts


# Where to cut


class _Row:
    """Bits side by side, and how wide any stretch of them is."""

    def __init__(self, bits: Sequence[_Bit]) -> None:
        self.bits = bits
        self._before = [0, *accumulate(_width(bit.text) + _NARROW * bit.spaced for bit in bits)]
        self._line_ends: list[int] = []  # for each bit, where a line that begins with it is full
        end = 0
        for first in range(len(bits)):
            end = max(end, first + 1)
            while end < len(bits) and self.width(first, end + 1) <= _LINE:
                end += 1
            self._line_ends.append(end)

    def width(self, first: int, end: int) -> int:
        return self._before[end] - self._before[first] - _NARROW * self.bits[first].spaced

    def fits(self, first: int, end: int) -> bool:
        """Whether these bits can be one cue."""
        long = self.bits[end - 1].end - self.bits[first].start > _LONGEST
        return end - first == 1 or (not long and self.second_line(first, end) is not None)

    def second_line(self, first: int, end: int) -> int | None:
        """The last bit that the second line can begin with; `end` if one line holds all."""
        at = min(end, self._line_ends[first])
        return at if at == end or self.width(at, end) <= _LINE else None

    def reasons_against(self, at: int, *, language: str) -> int:
        """How badly a cut before the bit `at` reads; 0 is between two sentences."""
        last, following = self.bits[at - 1], self.bits[at]
        if last.ends_sentence:
            return 0
        if last.is_label or is_trailing(following.text):
            return 20
        if ends_clause(last.text, language=language):
            return 1
        if following.start - last.end >= _BREATH:
            return 2
        if is_conjunction(following.text, language=language):
            return 3
        return 8 if is_clinging(last.text, language=language) or not following.spaced else 5


def _sentences(row: _Row) -> Iterator[list[_Bit]]:
    """Whole sentences, as many together as fit a cue; one that does not fit is alone."""
    first = end = 0
    for at, bit in enumerate(row.bits, start=1):
        if not bit.ends_sentence and at < len(row.bits):
            continue
        if end > first and not row.fits(first, at):
            yield list(row.bits[first:end])
            first = end
        end = at
    yield list(row.bits[first:end])


def _best_cues(row: _Row, *, language: str) -> Iterator[list[_Bit]]:
    """The fewest cues that read well: each costs something, and so do bad cuts and uneven lengths."""
    count = len(row.bits)
    against = [0, *(row.reasons_against(at, language=language) for at in range(1, count)), 0]
    costs = [0.0] * (count + 1)
    ends = [count] * count
    for first in range(count - 1, -1, -1):
        choices: dict[int, float] = {}
        for end in range(first + 1, count + 1):
            if not row.fits(first, end):
                break
            choices[end] = against[end] + _unease(row, first, end) + costs[end]
        ends[first] = min(choices, key=choices.__getitem__)
        costs[first] = choices[ends[first]]
    first = 0
    while first < count:
        yield list(row.bits[first : ends[first]])
        first = ends[first]


def _unease(row: _Row, first: int, end: int) -> float:
    """What a cue costs by itself: more if it is full, so that equal ones win, and if it is a stump."""
    width = row.width(first, end)
    until = row.bits[end].start if end < len(row.bits) else row.bits[end - 1].end + _STAYS_ON
    is_stump = width < _STUMP or until - row.bits[first].start < _SHORTEST
    return 8 + 8 * (width / _CUE) ** 2 + 4 * is_stump


def _lines(bits: Sequence[_Bit], *, language: str) -> Iterable[str]:
    row = _Row(bits)
    count = len(bits)
    if row.width(0, count) <= _LINE:
        return [_text(bits)]

    def cost(at: int) -> float:
        first, second = row.width(0, at), row.width(at, count)
        too_wide = max(0, first - _LINE) + max(0, second - _LINE)
        uneven = abs(first - second) / _LINE * 10
        return too_wide * 100 + uneven + row.reasons_against(at, language=language) + 20 * (second < _STUMP)

    best = min(range(1, count), key=cost, default=count)
    return [_text(part) for part in (bits[:best], bits[best:]) if part]


def _text(bits: Sequence[_Bit]) -> str:
    return "".join(f" {bit.text}" if bit.spaced and at else bit.text for at, bit in enumerate(bits))


def _width(text: str) -> int:
    return sum(_letter_width(letter) for letter in text)


@cache
def _letter_width(letter: str) -> int:
    if unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return _WIDE if unicodedata.east_asian_width(letter) in "WF" else _NARROW
