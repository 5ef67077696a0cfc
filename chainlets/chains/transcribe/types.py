"""What the chainlets of this chain hand to each other, and what the chain answers.

Positions inside the audio are sample indices at `SAMPLE_RATE`, counted from the start of the file,
wherever chainlets talk to each other. Only what a person sees is in seconds.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from chainlets import File, streaming

SAMPLE_RATE = 16_000
"""Samples per second of decoded audio: mono, 16-bit integers, little-endian, no header."""

Span: TypeAlias = tuple[int, int]
"""First sample and one past the last."""

Task: TypeAlias = Literal["transcribe", "translate"]
"""Write down what is said, or say it in English."""


Quality: TypeAlias = Literal["fast", "balanced", "best"]
"""How hard the model listens: best takes about twice as long as fast."""


class Value(BaseModel):
    """Base of the values here: they do not change once made."""

    model_config = ConfigDict(frozen=True)


class Part(Value):
    """A stretch of a recording's sound as plain samples; the next one begins where it ends.

    In an excerpt, positions are counted from where that begins.
    """

    pcm: File
    first: int  # position of its first sample
    samples: int


class Decoded(Value):
    """What is known of a recording, or an excerpt, once it is decoded to its end."""

    samples: int  # in all parts
    peaks: File  # JSON: {"per_second": number, "peaks": [0..100, …]}, at most 8,000 of them
    peaks_per_second: float
    warnings: list[str]  # sentences for the user


DECODING = streaming.stream_types(Part, footer_type=Decoded, end_mark=True)
"""A recording that is decoded: its parts in order, each as soon as it is there."""


class Frames(Value):
    """What a search for speech made of a part: a byte for each frame of 32 ms, in base64."""

    speech: str  # probability, of 255
    loudness: str  # on a logarithmic scale: 0 is silence

    def decoded(self) -> tuple[list[float], list[float]]:
        """Probabilities of speech from 0 to 1, and loudness from 0 to 255."""
        return [byte / 255 for byte in b64decode(self.speech)], [*map(float, b64decode(self.loudness))]


class Piece(Value):
    """A part of the audio that the model hears at once.

    Its spans are heard as if they followed each other; the long silences between them are left out.
    """

    spans: list[Span]
    speech: list[Span]  # where somebody speaks, within the spans

    @property
    def length(self) -> int:
        """Samples heard."""
        return sum(last - first for first, last in self.spans)


class Word(Value):
    """One word with its punctuation and when it is said, in seconds from the start of the file."""

    start: float
    end: float
    text: str  # without spaces around it
    confidence: float | None = None  # 0 to 1: the model's mean probability of its tokens


class Segment(Value):
    """A sentence or phrase and when it is said, in seconds from the start of the file."""

    start: float
    end: float
    text: str
    confidence: float | None = None  # 0 to 1: mean of its words' probabilities, or of its window's tokens
    words: list[Word] = []  # empty if the model or the caller did without
    speaker: str | None = None
    doubtful: bool = False  # it stayed bad after retries: it may be wrong or not have been said at all


class Heard(Value):
    """What the model made of one piece."""

    model: str
    languages: dict[str, float] = {}  # probability by code; only if the call left the language open
    words: list[Word] = []  # whole phrases if word times were not wanted
    confidence: float = 0.0  # 0 to 1: exp of the mean log-probability of all tokens
    doubtful: bool = False  # the text failed the checks even after every try


class Transcript(Value):
    """The text of a recording."""

    duration: float  # seconds
    language: str  # such as "en"; empty if nothing was said
    language_probability: float
    model: str  # empty if none was needed
    text: str
    segments: list[Segment]
    warnings: list[str]
    peaks: File | None = None
