"""Tells text that was heard from text that was made up. Pure.

Whisper fails in known ways: it falls into loops, invents words over noise, says too much or too
little for the time, or stops listening before the speech ends. Each leaves a mark that can be
measured without knowing the truth.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue", "km", "bo"})
"""Languages written without spaces between words, by Whisper's codes."""

_LETTERS_A_WORD = 2  # of those languages

_SURE = -0.6  # mean log-probability; good text lies above
_HOPELESS = -1.0  # the same; nothing below can be believed
_DENSE, _VERY_DENSE = 2.1, 2.4  # compression; prose lies below
_SLOWEST, _FASTEST = 1.0, 5.0  # words a second of speech
_TAIL = 1.0  # seconds of speech left unheard that matter
_NOBODY = 0.6  # probability that nobody speaks
_SHORT_LOOP = 7  # words; what a model makes up is rarely longer, what people say twice often is
_LONG_RUN = 4  # words that hardly come twice in a row by chance


class Doubt(StrEnum):
    """A mark of text that was not really heard."""

    UNSURE = "unsure"
    REPETITIVE = "repetitive"
    LOOP = "loop"
    ECHO = "echo"  # four words that come twice: weak on its own
    RATE = "rate"
    TAIL = "tail"  # it stopped listening before the speech ends


_PENALTY = {Doubt.REPETITIVE: 1.0, Doubt.LOOP: 1.0, Doubt.RATE: 0.5, Doubt.ECHO: 0.3, Doubt.TAIL: 0.3}


@dataclass(frozen=True, kw_only=True)
class Take:
    """One try at hearing a window.

    Attributes:
        text: all of it.
        tokens: text and time tokens, as the model gave them.
        log_probability: mean over the tokens; 0 is certain.
        no_speech: the model's own probability that nobody speaks.
        heard_until: seconds in the window; from there on it wrote nothing.
    """

    text: str
    tokens: tuple[int, ...]
    log_probability: float
    no_speech: float
    heard_until: float


def doubts(take: Take, *, speech: float, speech_ends: float, language: str) -> frozenset[Doubt]:
    """What speaks against a take.

    Args:
        take: the try.
        speech: seconds of the window that hold speech.
        speech_ends: seconds in the window.
        language: code, because not every language puts spaces between words.
    """
    words = words_of(take.text, language=language)
    rate = len(words) / max(speech, 0.5)
    found = {
        Doubt.UNSURE: take.log_probability < _SURE,
        Doubt.REPETITIVE: compression(take.text) > _DENSE,
        Doubt.LOOP: has_loop(words),
        Doubt.ECHO: _has_echo(words) and language not in UNSPACED,
        Doubt.RATE: not _SLOWEST <= rate <= _FASTEST,
        Doubt.TAIL: take.heard_until < speech_ends - _TAIL and not _says_too_much(words, take.heard_until),
    }
    return frozenset(doubt for doubt, holds in found.items() if holds)


def score(take: Take, found: frozenset[Doubt]) -> float:
    """How good a take is, to choose between two of the same window; higher is better."""
    # A loop makes the text repetitive too: one failing, counted once.
    counted = found - {Doubt.REPETITIVE} if Doubt.LOOP in found else found
    return take.log_probability - sum(_PENALTY.get(doubt, 0.0) for doubt in counted)


def is_silence(take: Take) -> bool:
    """Whether the model itself thinks that nobody speaks, and is not sure of its words either."""
    return take.no_speech > _NOBODY and take.log_probability < _HOPELESS


def is_made_up(take: Take, *, before: str, language: str) -> bool:
    """Whether a second look at the end of a window brought nothing that can be believed."""
    words = words_of(take.text, language=language)
    says_it_again = bool(words) and " ".join(words) in " ".join(words_of(before, language=language))
    return (
        not words
        or says_it_again
        or take.log_probability < _HOPELESS
        or compression(take.text) > _VERY_DENSE
        or has_loop(words)
        or is_silence(take)
    )


def stays_doubtful(take: Take, found: frozenset[Doubt], *, confirmed: bool, language: str) -> bool:
    """Whether a reader must be told that a take may be wrong, after every try.

    People do say things twice, in songs and slogans. A repetition is believed if it is a long one at a
    pace at which people speak, or if another try heard the same words.

    Args:
        take: the best one.
        found: what speaks against it.
        confirmed: another try, made in another way, brought the same words.
        language: code.
    """
    if Doubt.UNSURE in found:
        return True
    if not found & {Doubt.LOOP, Doubt.REPETITIVE}:
        return False
    short = has_loop(words_of(take.text, language=language), longest=_SHORT_LOOP)
    return Doubt.RATE in found or (short and not confirmed)


def words_of(text: str, *, language: str) -> list[str]:
    """Words without case and punctuation; pairs of letters where words are not set apart."""
    if language in UNSPACED:
        letters = "".join(letter for letter in text if letter.isalnum())
        return [letters[at : at + _LETTERS_A_WORD] for at in range(0, len(letters), _LETTERS_A_WORD)]
    stripped = ("".join(letter for letter in word if letter.isalnum()) for word in text.casefold().split())
    return [word for word in stripped if word]


def compression(text: str) -> float:
    """How many times shorter the text gets by zlib: normal prose stays below about 2."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def has_loop(words: list[str], *, longest: int | None = None) -> bool:
    """Whether words come again at once: four or more twice, two or three thrice, one four times.

    Args:
        words: without case and punctuation.
        longest: words in a repetition that still counts; all by default.
    """
    for length in range(1, min(len(words) // 2, longest or len(words)) + 1):
        times = 2 if length >= _LONG_RUN else 3 if length > 1 else 4
        run = 0  # how many words in a row equal the one `length` before
        for at in range(length, len(words)):
            run = run + 1 if words[at] == words[at - length] else 0
            if run >= length * (times - 1):
                return True
    return False


def _has_echo(words: list[str]) -> bool:
    fours = [tuple(words[at : at + _LONG_RUN]) for at in range(len(words) - _LONG_RUN + 1)]
    return len(set(fours)) < len(fours)


def _says_too_much(words: list[str], seconds: float) -> bool:
    """Whether nobody could have said this in that time: then the time is wrong, not the text."""
    return len(words) > 6 * seconds + 2
