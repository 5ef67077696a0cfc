"""The chainlet that holds the model and hears one piece at a time."""

from __future__ import annotations

from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import chainlets as chains
from chainlets.chains.transcribe.phrases import seconds_in_file
from chainlets.chains.transcribe.quality import Doubt, Take, doubts, is_made_up, is_silence, score
from chainlets.chains.transcribe.split import Rules
from chainlets.chains.transcribe.types import SAMPLE_RATE, Heard, Segment, Span, Task
from chainlets.chains.transcribe.weights import ModelUnavailable, find_model, model_name, models_folder

if TYPE_CHECKING:
    import numpy as np

    from chainlets.chains.transcribe.ear import Ear

_EDGE = Rules().edge / SAMPLE_RATE  # seconds of silence that a piece carries at its end
_MOST_LOOKS = 5  # at one window, each from where the one before stopped listening


class WhisperModel(chains.ChainletBase):
    """Whisper, loaded once a process: writes down a piece of speech, or says which language it is."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(cpu_count=1, memory="2Gi", gpu="any", predict_concurrency=1)
    )

    def __init__(self) -> None:
        from chainlets.chains.transcribe.ear import Ear, threads_from_environment

        self._name = model_name()
        folder = find_model(self._name, folder=models_folder())
        try:
            self._ear = Ear(folder, threads=threads_from_environment())
        except (RuntimeError, ValueError, OSError) as error:
            msg = (
                f"The model in {folder} could not be loaded: {error}. "
                f"Put its files there anew, or set WHISPER_MODEL to another model."
            )
            raise ModelUnavailable(msg) from error

    async def run_remote(
        self,
        pcm: chains.File,
        spans: list[Span],
        language: str = "en",
        task: Literal["transcribe", "translate", "language"] = "transcribe",
        prompt: str | None = None,
    ) -> Heard:
        """Hear one piece.

        Args:
            pcm: the decoded file; only the spans are read.
            spans: samples of the file, heard as if they followed each other; 28 s at most.
            language: what is spoken. Not looked at for the task "language", which asks for it.
            task: write down, say in English, or only tell the language.
            prompt: words that may occur, in the manner of text that came before.
        """
        return await chains.offload(self._hear, pcm, spans, language, task, prompt)

    def _hear(
        self,
        pcm: chains.File,
        spans: list[Span],
        language: str,
        task: Literal["transcribe", "translate", "language"],
        prompt: str | None,
    ) -> Heard:
        if task == "language":
            likely = self._ear.languages(_sound(pcm.path(), spans)) if self._ear.multilingual else {"en": 1.0}
            best = sorted(likely, key=lambda code: -likely[code])[:5]
            return self._heard(languages={code: round(likely[code], 4) for code in best})
        if not self._ear.multilingual and (language != "en" or task == "translate"):
            msg = f"The model {self._name} knows only English. Choose English, or set WHISPER_MODEL to one that knows more."
            raise chains.InputRejected(msg)
        window = _Window(self._ear, _sound(pcm.path(), spans), language=language, task=task, prompt=prompt)
        window.listen()
        segments = [
            segment.model_copy(
                update={
                    "start": round(seconds_in_file(segment.start, spans, is_end=False), 3),
                    "end": round(seconds_in_file(segment.end, spans, is_end=True), 3),
                }
            )
            for segment in window.segments
        ]
        return self._heard(segments=segments, doubtful=window.doubtful)

    def _heard(
        self,
        *,
        languages: dict[str, float] | None = None,
        segments: list[Segment] | None = None,
        doubtful: bool = False,
    ) -> Heard:
        return Heard(
            model=Path(self._name).name,  # a folder's whole path is nobody's business
            multilingual=self._ear.multilingual,
            languages=languages or {},
            segments=segments or [],
            doubtful=doubtful,
        )


class _Window:
    """The sound of one piece, and what was made of it so far; times in seconds of the window."""

    def __init__(self, ear: Ear, sound: np.ndarray, *, language: str, task: Task, prompt: str | None) -> None:
        self._ear = ear
        self._sound = sound
        self._language, self._task, self._prompt = language, task, prompt
        self._length = len(sound) / SAMPLE_RATE
        self.segments: list[Segment] = []
        self.doubtful = False

    def listen(self) -> None:
        """Hear the window to its end, looking again where the model stopped before that."""
        position = 0.0
        for look in range(_MOST_LOOKS):
            if chains.cancelled():
                return  # nobody reads the result
            take, found = self._best_take(position)
            if is_silence(take) or (look and is_made_up(take, before=self._text(), language=self._language)):
                return
            self.doubtful |= bool(found & {Doubt.LOOP, Doubt.REPETITIVE, Doubt.UNSURE})
            self._keep(take, position)
            if Doubt.TAIL not in found or take.heard_until <= 0.0:
                return
            position += take.heard_until

    def _best_take(self, position: float) -> tuple[Take, frozenset[Doubt]]:
        take, found = self._take(position, thorough=False)
        if not found:
            return take, found
        second, found_second = self._take(position, thorough=True)
        return max((take, found), (second, found_second), key=lambda pair: score(*pair))

    def _take(self, position: float, *, thorough: bool) -> tuple[Take, frozenset[Doubt]]:
        from chainlets.chains.transcribe.ear import LIGHT, THOROUGH

        take = self._ear.hear(
            self._sound[round(position * SAMPLE_RATE) :],
            language=self._language,
            task=self._task,
            prompt=self._prompt,
            effort=THOROUGH if thorough else LIGHT,
        )
        ends = self._length - position - _EDGE
        return take, doubts(take, speech=ends, speech_ends=ends, language=self._language)

    def _keep(self, take: Take, position: float) -> None:
        confidence = round(exp(min(0.0, take.log_probability)), 3)
        for phrase, text in self._ear.phrases(take, length=self._length - position):
            if text:
                times = {"start": position + phrase.start, "end": position + phrase.end}
                self.segments.append(Segment(**times, text=text, confidence=confidence))

    def _text(self) -> str:
        return " ".join(segment.text for segment in self.segments)


def _sound(path: Path, spans: list[Span]) -> np.ndarray:
    """Only these samples are read, whatever the length of the file."""
    import numpy as np

    parts = [np.fromfile(path, dtype=np.int16, count=last - first, offset=first * 2) for first, last in spans]
    return np.concatenate(parts).astype(np.float32) / 32_768
