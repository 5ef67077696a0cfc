"""The model itself: sound in, tokens out. Everything heavy is imported here, when an `Ear` is made."""

from __future__ import annotations

import os
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainlets.chains.transcribe.phrases import phrases_of
from chainlets.chains.transcribe.quality import Take
from chainlets.chains.transcribe.spelling import TimedWord, timed_words
from chainlets.chains.transcribe.types import SAMPLE_RATE, Task

if TYPE_CHECKING:
    import numpy as np

POSITIONS_A_SECOND = 50
"""Rows of the encoder's output for a second of sound."""

_FRAMES_A_POSITION = 2
_MOST_POSITIONS = 1_500  # what the decoder was trained on
_FILLED_TO = (300, 550, 800, 1_075)  # rows; the last holds the longest pieces there usually are
_WIDE = 512  # as the base model is; tiny, at 384, loses three words in a hundred when its rows are thinned
_MOST_TOKENS = 448
_MOST_PROMPT = 223
_TOKENS_A_SECOND = {"en": 7}  # people do not speak faster; what is longer is a loop
_TOKENS_A_SECOND_ELSEWHERE = 14  # other scripts take more tokens a word
_SAMPLE = Path(__file__).with_name("sample") / "jfk.wav"
_STILLNESS = ((1.0, 6.0), (2.5, 12.0), (8.0, 30.0))  # seconds of speech, and of it with the quiet after it
_MARGIN = 1.0  # seconds after speech until the encoder writes nothing but quiet


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard to listen.

    Attributes:
        beams: searched at a time.
        quiet: seconds of silence heard after the sound; more keeps the model from saying its end twice.
        stillness: rows of quiet shown to the decoder after that, at least. They cost the encoder nothing.
        thinned: the decoder sees only every second row, if the model is wide enough to bear it. Half of
            them say the same to within two words in a thousand, and reading them is most of what a CPU
            does while it decodes.
        temperature: above 0, words are drawn by chance: the last resort against loops.
    """

    beams: int
    quiet: float = 0.5
    stillness: int = 100
    thinned: bool = True
    temperature: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is wanted of one window.

    Attributes:
        seconds: of sound in it.
        language: code; ignored by a model that knows only English.
        task: write down or translate.
        prompt: words that may occur, in the manner of text that came before.
    """

    seconds: float
    language: str
    task: Task = "transcribe"
    prompt: str | None = None


class Ear:
    """A loaded Whisper model."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        import ctranslate2
        import faster_whisper
        from faster_whisper.transcribe import get_suppressed_tokens

        self._on_gpu = ctranslate2.get_cuda_device_count() > 0
        self._model = faster_whisper.WhisperModel(
            str(folder),
            device="cuda" if self._on_gpu else "cpu",
            compute_type="float16" if self._on_gpu else "int8",
            cpu_threads=threads,
            local_files_only=True,
        )
        self._suppressed = list(get_suppressed_tokens(self._tokenizer("en", "transcribe"), [-1]))
        # On a GPU this is also where a missing CUDA library shows: here, not in a run.
        self._stillness = self._quiet_rows()

    @property
    def multilingual(self) -> bool:
        """Whether it knows more than English."""
        return bool(self._model.model.is_multilingual)

    def encoded(self, sound: np.ndarray, *, quiet: float) -> np.ndarray:
        """What the encoder makes of a window, one at a time: on a CPU, two at once take longer than one by one.

        Only as many frames as there are go in; padding to 30 s would cost several times more.

        Args:
            sound: shape (samples,), floats from -1 to 1, less than 28 s.
            quiet: seconds of digital silence after it.

        Returns:
            shape (positions, width), `POSITIONS_A_SECOND`.
        """
        import numpy as np

        padded = np.pad(sound, (0, round(quiet * SAMPLE_RATE)))
        features = self._model.feature_extractor(padded, padding=160)
        return self._rows(features[:, : features.shape[1] // _FRAMES_A_POSITION * _FRAMES_A_POSITION])

    def languages(self, encoded: np.ndarray) -> dict[str, float]:
        """Probability of each language in an encoded window, by code."""
        ((*likely,),) = self._model.model.detect_language(
            self._together([encoded], rows=_rows_shown(len(encoded), 100), thinned=True)
        )
        return {marker.strip("<|>"): float(probability) for marker, probability in likely}

    def hear(
        self, windows: Sequence[np.ndarray], requests: Sequence[Request], *, effort: Effort
    ) -> list[Take]:
        """What is said in each of several encoded windows, decoded in as few batches as they allow.

        Windows share a batch if they are filled up to the same length, as they would be alone. So what
        is heard in a window does not depend on what else is heard at the time.

        Args:
            windows: as `encoded` gives them, of any lengths.
            requests: what is wanted of each.
            effort: how hard to listen.
        """
        starts = [self._start(request) for request in requests]
        shapes = [
            (_rows_shown(len(window), effort.stillness), len(start), _rate(request.language))
            for window, start, request in zip(windows, starts, requests, strict=True)
        ]
        drawn = {"sampling_topk": 0, "sampling_temperature": effort.temperature} if effort.temperature else {}
        takes: dict[int, Take] = {}
        for shape in dict.fromkeys(shapes):
            rows, begun, rate = shape
            chosen = [index for index, other in enumerate(shapes) if other == shape]
            results = self._model.model.generate(
                self._together([windows[index] for index in chosen], rows=rows, thinned=effort.thinned),
                [starts[index] for index in chosen],
                beam_size=1 if drawn else effort.beams,
                # The library takes half of it.
                max_length=min(2 * (begun + round(rows / POSITIONS_A_SECOND * rate)), _MOST_TOKENS),
                return_scores=True,
                return_no_speech_prob=True,
                suppress_blank=True,
                suppress_tokens=self._suppressed,
                max_initial_timestamp_index=50,
                **drawn,
            )
            for index, result in zip(chosen, results, strict=True):
                takes[index] = self._take(result, requests[index])
        return [takes[index] for index in range(len(windows))]

    def words(
        self, windows: Sequence[np.ndarray], takes: Sequence[Take], requests: Sequence[Request]
    ) -> list[list[TimedWord]]:
        """The words of takes with their times in the window, by the decoder's attention (cross-attention DTW, as in openai/whisper)."""
        found: list[list[TimedWord]] = [[] for _ in takes]
        shapes = [
            (request.language, request.task, _rows_shown(len(window), 0))
            for window, request in zip(windows, requests, strict=True)
        ]
        for shape in dict.fromkeys(shapes):
            language, task, rows = shape
            tokenizer = self._tokenizer(language, task)
            chosen = [index for index, other in enumerate(shapes) if other == shape and takes[index].text]
            if not chosen:
                continue
            texts = [[token for token in takes[index].tokens if token < tokenizer.eot] for index in chosen]
            aligned = self._model.model.align(
                self._together([windows[index] for index in chosen], rows=rows),
                list(tokenizer.sot_sequence),
                texts,
                [_FRAMES_A_POSITION * len(windows[index]) for index in chosen],
            )
            for index, text, result in zip(chosen, texts, aligned, strict=True):
                written, tokens = tokenizer.split_to_word_tokens([*text, tokenizer.eot])
                found[index] = timed_words(
                    written[:-1],
                    [len(part) for part in tokens[:-1]],
                    path=result.alignments,
                    probabilities=result.text_token_probs,
                    length=requests[index].seconds,
                )
        return found

    def phrases(self, take: Take, *, length: float) -> list[TimedWord]:
        """A take's phrases with the times the model itself wrote, in seconds of its window of this length."""
        tokenizer = self._tokenizer("en", "transcribe")
        found, _ = phrases_of(take.tokens, first_time=tokenizer.timestamp_begin, length=length)
        return [
            TimedWord(start=phrase.start, end=phrase.end, text=tokenizer.decode(list(phrase.tokens)))
            for phrase in found
        ]

    def _start(self, request: Request) -> list[int]:
        tokenizer = self._tokenizer(request.language, request.task)
        before: list[int] = []
        if request.prompt:
            before = [tokenizer.sot_prev, *tokenizer.encode(f" {request.prompt.strip()}")[-_MOST_PROMPT:]]
        return [*before, *tokenizer.sot_sequence]

    def _take(self, result: Any, request: Request) -> Take:
        tokenizer = self._tokenizer(request.language, request.task)
        tokens = tuple(result.sequences_ids[0])
        _, heard_until = phrases_of(tokens, first_time=tokenizer.timestamp_begin, length=request.seconds)
        return Take(
            text=tokenizer.decode(list(tokens)).strip(),
            tokens=tokens,
            # The score leaves out the end token; with it, a lone wrong word does not look certain.
            log_probability=result.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech=result.no_speech_prob,
            heard_until=heard_until,
        )

    def _together(self, windows: Sequence[np.ndarray], *, rows: int, thinned: bool = False) -> Any:
        """Windows as one batch, filled up with quiet to so many rows."""
        import ctranslate2
        import numpy as np

        every = 2 if thinned and windows[0].shape[1] >= _WIDE else 1
        batch = np.stack(
            [np.concatenate([window, self._stillness[len(window) :]])[:rows:every] for window in windows]
        )
        return ctranslate2.StorageView.from_array(np.ascontiguousarray(batch))

    def _quiet_rows(self) -> np.ndarray:
        """What the encoder writes of quiet after speech, for each position.

        The decoder knows where speech ends by the quiet that follows, as it did in all of its
        training data. Without it the last phrase is said again and again. Rows of quiet from another
        recording do as well as a window's own, so the encoder need not be given 30 s each time.
        """
        import numpy as np

        with wave.open(str(_SAMPLE)) as file:
            spoken = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768
        rows = np.empty((0, 0), np.float32)
        for seconds, whole in _STILLNESS:
            sound = np.pad(spoken[: round(seconds * SAMPLE_RATE)], (0, SAMPLE_RATE))
            features = self._model.feature_extractor(sound, padding=160)
            more = round(whole * POSITIONS_A_SECOND) * _FRAMES_A_POSITION - features.shape[1]
            longer = self._rows(np.pad(features, ((0, 0), (0, more)), constant_values=features.min()))
            known = round((seconds + _MARGIN) * POSITIONS_A_SECOND) if len(rows) else 0
            rows = np.concatenate([rows[:known].reshape(-1, longer.shape[1]), longer[known:]])
        return rows

    def _rows(self, features: np.ndarray) -> np.ndarray:
        import ctranslate2
        import numpy as np

        view = ctranslate2.StorageView.from_array(np.ascontiguousarray(features[None]))
        rows: np.ndarray = np.array(self._model.model.encode(view, to_cpu=self._on_gpu))[0]
        return rows

    def _tokenizer(self, language: str, task: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        return Tokenizer(self._model.hf_tokenizer, self.multilingual, task=task, language=language)


def _rows_shown(length: int, stillness: int) -> int:
    return next((rows for rows in _FILLED_TO if rows >= length + stillness), _MOST_POSITIONS)


def _rate(language: str) -> int:
    return _TOKENS_A_SECOND.get(language, _TOKENS_A_SECOND_ELSEWHERE)


def threads_from_environment() -> int:
    """WHISPER_THREADS, or 1: two processes of one thread do more than one of two."""
    return int(os.environ.get("WHISPER_THREADS") or 1)
