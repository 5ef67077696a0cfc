"""The chain: decode, find the speech, hear all pieces at once, join them in order."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence

import chainlets as chains
from chainlets import streaming
from chainlets.chains.transcribe.decode import Decode
from chainlets.chains.transcribe.join import in_order, likeliest, places_to_ask, whole_text
from chainlets.chains.transcribe.languages import LANGUAGES
from chainlets.chains.transcribe.types import (
    DECODING,
    SAMPLE_RATE,
    Decoded,
    Heard,
    Part,
    Plan,
    Span,
    Task,
    Transcript,
)
from chainlets.chains.transcribe.vad import Split
from chainlets.chains.transcribe.whisper import WhisperModel

_SURE_LANGUAGE = 0.5  # probability below which it is called a guess
_MOST_PROMPT = 2_000  # characters; the model looks at the last 223 tokens anyway


@chains.mark_entrypoint("transcribe")
class Transcribe(chains.ChainletBase):
    """Turns a recording of any length into text with times."""

    def __init__(
        self,
        decode: Decode = chains.depends(Decode, retries=2, timeout_sec=7200),
        split: Split = chains.depends(Split, retries=2, timeout_sec=3600),
        whisper: WhisperModel = chains.depends(WhisperModel, retries=3, timeout_sec=900),
    ) -> None:
        self._decode = decode
        self._split = split
        self._whisper = whisper

    async def run_remote(
        self,
        audio: chains.File,
        language: str | None = None,
        task: Task = "transcribe",
        prompt: str | None = None,
    ) -> Transcript:
        """Transcribe a recording.

        Args:
            audio: any common audio or video file.
            language: code of what is spoken, such as "en"; found out by listening if left out.
            task: write down what is said, or say it in English.
            prompt: names and words that occur, to get their spelling right.
        """
        language = _checked(language)
        prompt = prompt.strip()[-_MOST_PROMPT:] if prompt else None
        pcm, sound = await self._decoded(audio)
        duration = sound.samples / SAMPLE_RATE
        peaks = {"id": sound.peaks.id, "per_second": sound.peaks_per_second}
        chains.emit({"kind": "audio", "duration": duration, "peaks": peaks})
        plan = await self._split.run_remote(pcm, sound.samples)
        chains.emit(
            {
                "kind": "plan",
                "pieces": [[_seconds(piece[0][0]), _seconds(piece[-1][1])] for piece in plan.pieces],
            }
        )
        warnings = list(sound.warnings)
        if not plan.pieces:
            warnings.append("No speech was found.")
            _tell(warnings)
            chains.progress(duration, duration, "Transcribing")
            return _transcript(
                sound, [], language=language or "", probability=float(bool(language)), warnings=warnings
            )
        probability = 1.0
        if language is None:
            language, probability = await self._heard_language(pcm, plan)
        if probability < _SURE_LANGUAGE:
            warnings.append(
                f"The language was hard to tell: “{language}” is a guess. "
                "If the text looks wrong, start again and choose the language."
            )
        _tell(warnings)
        chains.emit({"kind": "language", "language": language, "probability": probability})
        heard = await self._heard_pieces(
            pcm, plan, duration=duration, language=language, task=task, prompt=prompt
        )
        written = "en" if task == "translate" else language
        return _transcript(
            sound, heard, language=language, written=written, probability=probability, warnings=warnings
        )

    async def _decoded(self, audio: chains.File) -> tuple[chains.File, Decoded]:
        """The whole sound in one file, and what is known of it."""
        stream = streaming.stream_reader(DECODING, self._decode.run_remote(audio))
        parts = [part async for part in stream.read_items()]
        sound = await stream.read_footer()
        pcm = parts[0].pcm if len(parts) == 1 else await chains.offload(_joined, parts)
        return pcm, sound

    async def _heard_language(self, pcm: chains.File, plan: Plan) -> tuple[str, float]:
        lengths = [sum(last - first for first, last in piece) for piece in plan.pieces]
        asked = [plan.pieces[index] for index in places_to_ask(lengths)]
        answers = await asyncio.gather(
            *(self._whisper.run_remote(pcm, piece, task="language") for piece in asked)
        )
        return likeliest([answer.languages for answer in answers])

    async def _heard_pieces(
        self,
        pcm: chains.File,
        plan: Plan,
        *,
        duration: float,
        language: str,
        task: Task,
        prompt: str | None,
    ) -> list[Heard]:
        """Every piece, all called at once, each shown as soon as it is there."""
        total = sum(_length(piece) for piece in plan.pieces)
        done = 0
        chains.progress(0.0, duration, "Transcribing")

        async def hear(index: int, piece: list[Span]) -> Heard:
            nonlocal done
            heard = await self._whisper.run_remote(pcm, piece, language=language, task=task, prompt=prompt)
            done += _length(piece)
            segments = [segment.model_dump(mode="json") for segment in heard.segments]
            times = {"start": _seconds(piece[0][0]), "end": _seconds(piece[-1][1])}
            chains.emit({"kind": "piece", "index": index, **times, "segments": segments})
            chains.progress(duration * done / total, duration, "Transcribing")
            return heard

        tasks = [asyncio.create_task(hear(index, piece)) for index, piece in enumerate(plan.pieces)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task_under_way in tasks:  # one has failed: a task group would hide its error in a group
                task_under_way.cancel()


def _joined(parts: Sequence[Part]) -> chains.File:
    path = chains.scratch_dir() / "audio.pcm"
    with path.open("wb") as out:
        for part in parts:
            with part.pcm.path().open("rb") as source:
                shutil.copyfileobj(source, out)
    return chains.File.from_path(path, media_type="application/octet-stream")


def _tell(warnings: Sequence[str]) -> None:
    for warning in warnings:
        chains.warn(warning)


def _checked(language: str | None) -> str | None:
    code = (language or "").strip().lower()
    if code and code not in LANGUAGES:
        msg = f"“{language}” is not a language that can be transcribed. Give a code such as en, de or fr, or leave it out."
        raise chains.InputRejected(msg)
    return code or None


def _transcript(
    sound: Decoded,
    heard: Sequence[Heard],
    *,
    language: str,
    probability: float,
    warnings: list[str],
    written: str = "",
) -> Transcript:
    segments = in_order(heard)
    return Transcript(
        duration=sound.samples / SAMPLE_RATE,
        language=language,
        language_probability=probability,
        model=heard[0].model if heard else "",
        text=whole_text(segments, language=written or language),
        segments=segments,
        warnings=warnings,
        peaks=sound.peaks,
    )


def _length(piece: Sequence[Span]) -> int:
    return sum(last - first for first, last in piece)


def _seconds(samples: int) -> float:
    return round(samples / SAMPLE_RATE, 3)
