"""The model itself: sound in, tokens out. Everything heavy is imported here, when an `Ear` is made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainlets.chains.transcribe.phrases import Phrase, phrases_of
from chainlets.chains.transcribe.quality import Take
from chainlets.chains.transcribe.types import SAMPLE_RATE, Task

if TYPE_CHECKING:
    import numpy as np

_FRAMES_A_SECOND = 100
_MOST_FRAMES = 3_000  # what the model was trained on; fewer are as good and much faster
_MOST_TOKENS = 448
_MOST_PROMPT = 223
_TOKENS_A_SECOND = {"en": 9}  # people do not speak faster; what is longer is a loop
_TOKENS_A_SECOND_ELSEWHERE = 18  # other scripts take more tokens a word


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard to listen: beams searched, and seconds of quiet added after the sound."""

    beams: int
    quiet: float


LIGHT = Effort(beams=1, quiet=1.0)
THOROUGH = Effort(beams=5, quiet=3.0)


class Ear:
    """A loaded Whisper model."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        import ctranslate2
        import faster_whisper
        import numpy as np
        from faster_whisper.transcribe import get_suppressed_tokens

        on_gpu = ctranslate2.get_cuda_device_count() > 0
        self._model = faster_whisper.WhisperModel(
            str(folder),
            device="cuda" if on_gpu else "cpu",
            compute_type="float16" if on_gpu else "int8",
            cpu_threads=threads,
            local_files_only=True,
        )
        if on_gpu:
            # A CUDA library that is missing shows only when it is first used: here, not in a run.
            self._encoded(np.zeros(SAMPLE_RATE, dtype=np.float32), quiet=0.0)
        self._suppressed = list(get_suppressed_tokens(self._tokenizer("en", "transcribe"), [-1]))

    @property
    def multilingual(self) -> bool:
        """Whether it knows more than English."""
        return bool(self._model.model.is_multilingual)

    def languages(self, sound: np.ndarray) -> dict[str, float]:
        """Probability of each language, by code.

        Args:
            sound: shape (samples,), floats from -1 to 1, at most 30 s count.
        """
        ((*likely,),) = self._model.model.detect_language(self._encoded(sound, quiet=LIGHT.quiet))
        return {marker.strip("<|>"): float(probability) for marker, probability in likely}

    def hear(
        self, sound: np.ndarray, *, language: str, task: Task, prompt: str | None, effort: Effort
    ) -> Take:
        """What is said.

        Args:
            sound: shape (samples,), floats from -1 to 1, less than 28 s.
            language: code; ignored by a model that knows only English.
            task: write down or translate.
            prompt: words that may occur, in the manner of text that came before.
            effort: how hard to listen.
        """
        seconds = len(sound) / SAMPLE_RATE
        tokenizer = self._tokenizer(language, task)
        before = (
            [tokenizer.sot_prev, *tokenizer.encode(f" {prompt.strip()}")[-_MOST_PROMPT:]] if prompt else []
        )
        start = [*before, *tokenizer.sot_sequence]
        most = round(seconds * _TOKENS_A_SECOND.get(language, _TOKENS_A_SECOND_ELSEWHERE)) + 30
        (result,) = self._model.model.generate(
            self._encoded(sound, quiet=effort.quiet),
            [start],
            beam_size=effort.beams,
            max_length=min(len(start) + most, _MOST_TOKENS),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            max_initial_timestamp_index=50,
        )
        tokens = tuple(result.sequences_ids[0])
        _, heard_until = phrases_of(tokens, first_time=tokenizer.timestamp_begin, length=seconds)
        return Take(
            text=tokenizer.decode(tokens).strip(),
            tokens=tokens,
            # The score leaves out the end token; with it, a lone wrong word does not look certain.
            log_probability=result.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech=result.no_speech_prob,
            heard_until=heard_until,
        )

    def phrases(self, take: Take, *, length: float) -> list[tuple[Phrase, str]]:
        """A take's phrases with their text, in seconds of its window of this length."""
        tokenizer = self._tokenizer("en", "transcribe")
        found, _ = phrases_of(take.tokens, first_time=tokenizer.timestamp_begin, length=length)
        return [(phrase, tokenizer.decode(list(phrase.tokens)).strip()) for phrase in found]

    def _encoded(self, sound: np.ndarray, *, quiet: float) -> Any:
        """The encoder's output, for as many frames as there are: padding to 30 s costs several times more.

        The first second of quiet is digital silence, as the model knows it from the ends of its
        training data; the rest is the faintest sound there is in the window.
        """
        import numpy as np

        silence = min(quiet, 1.0)
        features = self._model.feature_extractor(
            np.pad(sound, (0, round(silence * SAMPLE_RATE))), padding=160
        )
        more = round((quiet - silence) * _FRAMES_A_SECOND)
        padded = np.pad(features, ((0, 0), (0, more)), constant_values=features.min())
        return self._model.encode(padded[:, :_MOST_FRAMES])

    def _tokenizer(self, language: str, task: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        return Tokenizer(self._model.hf_tokenizer, self.multilingual, task=task, language=language)


def threads_from_environment() -> int:
    """WHISPER_THREADS, or 1: two processes of one thread do more than one of two."""
    return int(os.environ.get("WHISPER_THREADS") or 1)
