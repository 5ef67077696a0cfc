"""The chain: decode, find the speech, hear all pieces at once, join them in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from pydantic import Field

import chainlets as chains
from chainlets import streaming
from chainlets.chains.transcribe.decode import Decode
from chainlets.chains.transcribe.hearing import Hearing, Wishes
from chainlets.chains.transcribe.join import joined, moved, places, whole_text
from chainlets.chains.transcribe.languages import LANGUAGES
from chainlets.chains.transcribe.noise import loud_gaps, loud_gaps_in_words
from chainlets.chains.transcribe.planning import Planner
from chainlets.chains.transcribe.sound import parts_for
from chainlets.chains.transcribe.split import Rules
from chainlets.chains.transcribe.types import (
    DECODING,
    SAMPLE_RATE,
    Decoded,
    Frames,
    Part,
    Piece,
    Quality,
    Task,
    Transcript,
)
from chainlets.chains.transcribe.vad import SpeechDetector
from chainlets.chains.transcribe.whisper import WhisperModel

_SURE_LANGUAGE = 0.5  # probability below which it is called a guess
_MOST_PROMPT = 2_000  # characters; the model looks at the last 223 tokens anyway
_AHEAD = 8  # parts that are searched for speech at a time
_MIXED = "mixed"  # each piece in its own language


@chains.mark_entrypoint("transcribe")
class Transcribe(chains.ChainletBase):
    """Turns a recording of any length into text with times."""

    def __init__(
        self,
        decode: Decode = chains.depends(Decode, retries=2, timeout_sec=7200),
        speech: SpeechDetector = chains.depends(SpeechDetector, retries=2, timeout_sec=900),
        whisper: WhisperModel = chains.depends(WhisperModel, retries=3, timeout_sec=900),
    ) -> None:
        self._decode = decode
        self._speech = speech
        self._whisper = whisper

    async def run_remote(
        self,
        audio: chains.File,
        language: str | None = None,
        task: Task = "transcribe",
        prompt: str | None = None,
        hotwords: str | None = None,
        model: str | None = None,
        quality: Quality = "balanced",
        word_times: bool = True,
        temperature: Annotated[float, Field(ge=0, le=1)] = 0.0,
        vad_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5,
        vad_min_silence: Annotated[float, Field(ge=0.1, le=5)] = 0.2,
        vad_max_piece: Annotated[float, Field(ge=5, le=27)] = 19.0,
        excerpt: tuple[float, float] | None = None,
    ) -> Transcript:
        """Transcribe a recording.

        Args:
            audio: any common audio or video file.
            language: code of what is spoken, such as "en"; found out by listening if left out;
                "mixed" finds it out anew for each piece.
            task: write down what is said, or say it in English.
            prompt: text in the manner that is wanted, as if it came before.
            hotwords: names and words that occur, to get their spelling right.
            model: one that this system has; its own choice if left out.
            quality: how hard to listen: fast, balanced or best.
            word_times: whether each word gets times of its own.
            temperature: above 0, words are drawn by chance; for text that keeps repeating itself.
            vad_threshold: probability from which a sound counts as speech.
            vad_min_silence: seconds of silence that end a stretch of speech.
            vad_max_piece: seconds that the model hears at once, at most.
            excerpt: start and end in seconds, if only a part of the recording is wanted.
        """
        wishes = Wishes(
            language=_checked(language),
            mixed=(language or "").strip().lower() == _MIXED,
            task=task,
            prompt=" ".join(filter(None, [(hotwords or "").strip(), (prompt or "").strip()]))[-_MOST_PROMPT:]
            or None,
            model=model,
            quality=quality,
            word_times=word_times,
            temperature=temperature,
        )
        start, end = excerpt or (None, None)
        rules = Rules(
            speech=vad_threshold,
            silence=min(vad_threshold, max(vad_threshold - 0.15, 0.01)),
            pause=round(vad_min_silence * SAMPLE_RATE),
            longest=round(vad_max_piece * SAMPLE_RATE),
        )
        planner = Planner(rules)
        hearing = Hearing(self._whisper, wishes, offset=start or 0.0)
        sound: Decoded | None = None
        async with hearing, aclosing(self._planned(audio, start, end, planner)) as planned:
            async for step in planned:
                if isinstance(step, Decoded):
                    sound = step
                    hearing.ends_at(sound)
                else:
                    hearing.begin(*step)
            heard = await hearing.finished()
        if sound is None:
            msg = "The decoding ended without saying how long the recording is."
            raise chains.ChainsRuntimeError(msg)
        written = "en" if task == "translate" else hearing.language
        segments = moved(joined(heard, language=written, word_times=word_times), by=start or 0.0)
        warnings = [*sound.warnings, *_remarks(hearing, nothing=not heard)]
        if planner.speech:
            gaps = loud_gaps(planner.speech, planner.levels, samples=sound.samples)
            warnings += filter(None, [loud_gaps_in_words(gaps, offset=start or 0.0)])
        doubtful = places([segment for segment in segments if segment.doubtful])
        if doubtful:
            warnings.append(f"Low confidence at {doubtful}: what is written there may be wrong.")
        for warning in warnings:
            chains.warn(warning)
        return Transcript(
            duration=sound.samples / SAMPLE_RATE,
            language=hearing.language,
            language_probability=hearing.probability,
            model=heard[0].model if heard else "",
            text=whole_text(segments, language=written),
            segments=segments,
            warnings=warnings,
            peaks=sound.peaks,
        )

    async def _planned(
        self, audio: chains.File, start: float | None, end: float | None, planner: Planner
    ) -> AsyncGenerator[tuple[list[Part], list[Piece]] | Decoded, None]:
        """Pieces with the sound they lie in, as soon as they are certain; what is known at the end."""
        parts: list[Part] = []
        async with aclosing(self._looked_at(audio, start, end)) as looked_at:
            async for step in looked_at:
                if isinstance(step, Decoded):
                    rest = planner.finish(step.samples)
                    yield step
                    if rest:
                        yield parts, rest
                    return
                part, frames = step
                parts.append(part)
                pieces = planner.add(*frames.decoded())
                if pieces:
                    yield list(parts), pieces
                    # No piece to come begins before this one's speech ends.
                    parts = parts_for(parts, (pieces[-1].speech[-1][1], part.first + part.samples))

    async def _looked_at(
        self, audio: chains.File, start: float | None, end: float | None
    ) -> AsyncGenerator[tuple[Part, Frames] | Decoded, None]:
        """Parts with where speech is in them, in order; several are looked at while decoding goes on."""
        ahead: asyncio.Queue[tuple[Part, asyncio.Task[Frames]] | None] = asyncio.Queue(_AHEAD)

        async def read() -> Decoded:
            sound = streaming.stream_reader(DECODING, self._decode.run_remote(audio, start, end))
            before: Part | None = None
            try:
                async for part in sound.read_items():
                    await ahead.put((part, asyncio.create_task(self._look(part, before))))
                    before = part
                return await sound.read_footer()
            finally:
                await ahead.put(None)

        reading = asyncio.create_task(read())
        try:
            while (step := await ahead.get()) is not None:
                part, looking = step
                yield part, await looking
            yield await reading
        finally:
            reading.cancel()
            while not ahead.empty():
                if (left := ahead.get_nowait()) is not None:
                    left[1].cancel()

    async def _look(self, part: Part, before: Part | None) -> Frames:
        return await self._speech.run_remote(part, before)


def _checked(language: str | None) -> str | None:
    code = (language or "").strip().lower()
    if code == _MIXED:
        return None
    if code and code not in LANGUAGES:
        msg = f"“{language}” is not a language that can be transcribed. Give a code such as en, de or fr, or leave it out."
        raise chains.InputRejected(msg)
    return code or None


def _remarks(hearing: Hearing, *, nothing: bool) -> list[str]:
    if nothing:
        return ["No speech was found."]
    if hearing.probability < _SURE_LANGUAGE:
        guess = (
            f"The language was hard to tell: “{hearing.language}” is a guess. "
            "If the text looks wrong, start again and choose the language."
        )
        return [guess]
    return []
