"""The chainlet that holds the model and hears pieces of speech, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING

import chainlets as chains
from chainlets.chains.transcribe.ear import Ear, threads_from_environment
from chainlets.chains.transcribe.listening import Asker, Window, WindowHeard, listen
from chainlets.chains.transcribe.placing import placed, seconds_of_window
from chainlets.chains.transcribe.sound import samples_of
from chainlets.chains.transcribe.types import Heard, Part, Piece, Quality, Span, Task
from chainlets.chains.transcribe.weights import (
    ModelUnavailable,
    checked_choice,
    find_model,
    model_name,
    models_folder,
)

if TYPE_CHECKING:
    import numpy as np

_TOGETHER = 8  # windows decoded as one batch; more only cost memory
_LIKELIEST = 5  # languages told


class WhisperModel(chains.ChainletBase):
    """Whisper, loaded once a process: writes down pieces of speech, of any runs, a batch at a time."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(cpu_count=1, memory="2Gi", gpu="any", predict_concurrency=2 * _TOGETHER)
    )

    def __init__(self) -> None:
        self._ears: dict[str, Ear] = {}
        self._loading, self._working = threading.Lock(), threading.Lock()
        self._ear(model_name())

    async def run_remote(
        self,
        sound: list[Part],
        piece: Piece,
        language: str | None = None,
        task: Task = "transcribe",
        prompt: str | None = None,
        model: str | None = None,
        quality: Quality = "balanced",
        temperature: float = 0.0,
        word_times: bool = True,
    ) -> Heard:
        """Hear one piece.

        Args:
            sound: the parts that hold the piece.
            piece: samples of it, heard as if its spans followed each other; 28 s at most.
            language: what is spoken; None to find out from this piece alone.
            task: write down, or say in English.
            prompt: words that may occur, in the manner of text that came before.
            model: one of those that may be chosen; None for the system's own.
            quality: how hard to listen.
            temperature: above 0, words are drawn by chance.
            word_times: whether each word gets times of its own.
        """
        name = checked_choice(model)
        ear = await chains.offload(self._ear, name)
        if not ear.multilingual and (language not in {"en", None} or task == "translate"):
            msg = f"The model {name} knows only English. Choose English, or set WHISPER_MODEL to one that knows more."
            raise chains.InputRejected(msg)
        window = Window(
            sound=await chains.offload(_samples, sound, piece.spans),
            speech=[seconds_of_window(span, piece.spans) for span in piece.speech],
            language=language,
            task=task,
            prompt=prompt,
            quality=quality,
            temperature=temperature,
            word_times=word_times,
            wanted=_asker(),
        )
        heard = await self._heard((ear, window))
        languages = sorted(heard.languages, key=lambda code: -heard.languages[code])[:_LIKELIEST]
        return Heard(
            model=Path(name).name,  # a folder's whole path is nobody's business
            languages={code: round(heard.languages[code], 4) for code in languages},
            words=placed(heard.words, piece),
            confidence=heard.confidence,
            doubtful=heard.doubtful,
        )

    @chains.batched(max_size=_TOGETHER, max_wait_ms=20)
    async def _heard(self, asked: list[tuple[Ear, Window]]) -> list[WindowHeard]:
        return await chains.offload(self._listen, asked)

    def _listen(self, asked: Sequence[tuple[Ear, Window]]) -> list[WindowHeard]:
        found: dict[int, WindowHeard] = {}
        with self._working:  # two batches at once would take as long, and twice the memory
            for ear in dict.fromkeys(ear for ear, _ in asked):
                chosen = [index for index, (by, _) in enumerate(asked) if by is ear]
                found.update(zip(chosen, listen(ear, [asked[index][1] for index in chosen]), strict=True))
        return [found[index] for index in range(len(asked))]

    def _ear(self, name: str) -> Ear:
        """The model of that name, loaded if it is not."""
        with self._loading:
            if name not in self._ears:
                for other in list(self._ears)[1:]:  # the system's own stays; of the others, the last one
                    del self._ears[other]
                self._ears[name] = _loaded(name)
            return self._ears[name]


def _loaded(name: str) -> Ear:
    folder = find_model(name, folder=models_folder())
    try:
        return Ear(folder, threads=threads_from_environment())
    except (RuntimeError, ValueError, OSError) as error:
        msg = (
            f"The model in {folder} could not be loaded: {error}. "
            f"Put its files there anew, or set WHISPER_MODEL to another model."
        )
        raise ModelUnavailable(msg) from error


def _asker() -> Asker:
    """Whether this call's result is still wanted, for whoever works on it outside the call."""
    context = copy_context()
    return lambda: not context.copy().run(chains.cancelled)


def _samples(sound: Sequence[Part], spans: Sequence[Span]) -> np.ndarray:
    import numpy as np

    return np.concatenate([samples_of(sound, span) for span in spans])
