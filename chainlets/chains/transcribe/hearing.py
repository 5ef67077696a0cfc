"""Hears the pieces of one recording: all at once, in one language, each shown as soon as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import chainlets as chains
from chainlets.chains.transcribe.join import joined, likeliest, moved
from chainlets.chains.transcribe.sound import parts_for
from chainlets.chains.transcribe.types import SAMPLE_RATE, Decoded, Heard, Part, Piece, Quality, Task
from chainlets.chains.transcribe.whisper import WhisperModel

_VOTERS = 4  # pieces whose language decides for the file: one greeting must not


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """How a recording is to be heard.

    Attributes:
        language: code; None to find out.
        mixed: find it out for each piece.
        task: write down or translate.
        prompt: words that may occur.
        model: None for the system's own choice.
        quality: how hard to listen.
        word_times: whether words get times of their own.
        temperature: above 0, words are drawn by chance.
    """

    language: str | None = None
    mixed: bool = False
    task: Task = "transcribe"
    prompt: str | None = None
    model: str | None = None
    quality: Quality = "balanced"
    word_times: bool = True
    temperature: float = 0.0


class Hearing:
    """The pieces of a recording while they are heard. Leaving it gives up what is still under way."""

    def __init__(self, whisper: WhisperModel, wishes: Wishes, *, offset: float) -> None:
        self._whisper = whisper
        self._wishes = wishes
        self._offset = offset  # seconds of the recording before the audio that is heard
        self._tasks: list[asyncio.Task[Heard]] = []
        self._votes: list[dict[str, float]] = []
        self._voters = _VOTERS
        self._pinned = asyncio.Event()
        self._length = self._planned = self._done = 0  # samples
        self.language = wishes.language or ""
        self.probability = 1.0 if wishes.language else 0.0
        if wishes.language or wishes.mixed:
            self._pinned.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:  # one has failed: a task group would hide its error in a group
            task.cancel()

    def begin(self, sound: Sequence[Part], pieces: Sequence[Piece]) -> None:
        """Have pieces heard.

        Args:
            sound: parts that hold them.
            pieces: the next ones, in order.

        Raises:
            Exception: whatever an earlier piece has failed with.
        """
        for task in self._tasks:
            if task.done():
                task.result()
        first = len(self._tasks)
        bounds = [[self._seconds(piece.spans[0][0]), self._seconds(piece.spans[-1][1])] for piece in pieces]
        chains.emit({"kind": "plan", "first": first, "pieces": bounds})
        self._planned += sum(piece.length for piece in pieces)
        for index, piece in enumerate(pieces, start=first):
            held = parts_for(sound, (piece.spans[0][0], piece.spans[-1][1]))
            self._tasks.append(asyncio.create_task(self._hear(index, held, piece)))

    def ends_at(self, sound: Decoded) -> None:
        """All is decoded: the length is known."""
        self._length = sound.samples
        peaks = {"id": sound.peaks.id, "per_second": sound.peaks_per_second}
        chains.emit({"kind": "audio", "duration": sound.samples / SAMPLE_RATE, "peaks": peaks})

    async def finished(self) -> list[Heard]:
        """What was heard, in order, once nothing more is begun."""
        if not self._tasks:
            self._tell(1.0)
        self._voters = min(len(self._tasks), _VOTERS)
        self._decide()
        heard = await asyncio.gather(*self._tasks)
        if self._wishes.mixed and heard:
            self.language, self.probability = likeliest([answer.languages for answer in heard])
        return heard

    async def _hear(self, index: int, sound: list[Part], piece: Piece) -> Heard:
        asks = not self._pinned.is_set() and index < _VOTERS
        if not asks:
            await self._pinned.wait()
        heard = await self._call(sound, piece, None if asks or self._wishes.mixed else self.language)
        self._show(index, piece, heard)
        if asks:
            self._votes.append(heard.languages)
            self._decide()
            await self._pinned.wait()
            if likeliest([heard.languages])[0] != self.language:
                heard = await self._call(sound, piece, self.language)
                self._show(index, piece, heard)
        self._done += piece.length
        self._tell(self._done / self._planned)
        return heard

    async def _call(self, sound: list[Part], piece: Piece, language: str | None) -> Heard:
        wishes = self._wishes
        return await self._whisper.run_remote(
            sound,
            piece,
            language=language,
            task=wishes.task,
            prompt=wishes.prompt,
            model=wishes.model,
            quality=wishes.quality,
            temperature=wishes.temperature,
            word_times=wishes.word_times,
        )

    def _decide(self) -> None:
        """Fix the language for the file once enough pieces have said theirs."""
        if self._pinned.is_set() or not self._votes or len(self._votes) < self._voters:
            return
        self.language, self.probability = likeliest(self._votes)
        self._pinned.set()
        chains.emit({"kind": "language", "language": self.language, "probability": self.probability})

    def _show(self, index: int, piece: Piece, heard: Heard) -> None:
        language = "en" if self._wishes.task == "translate" else self.language
        segments = moved(
            joined([heard], language=language, word_times=self._wishes.word_times), by=self._offset
        )
        chains.emit(
            {
                "kind": "piece",
                "index": index,
                "start": self._seconds(piece.spans[0][0]),
                "end": self._seconds(piece.spans[-1][1]),
                # Words come with the transcript; they would make the history of a run ten times as long.
                "segments": [segment.model_dump(mode="json", exclude={"words"}) for segment in segments],
            }
        )

    def _tell(self, share: float) -> None:
        if self._length:  # how far it is can only be said once the length is known
            duration = self._length / SAMPLE_RATE
            chains.progress(duration * share, duration, "Transcribing")

    def _seconds(self, samples: int) -> float:
        return round(samples / SAMPLE_RATE + self._offset, 3)
