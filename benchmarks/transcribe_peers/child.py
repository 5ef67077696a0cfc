"""A contender that needs no system, in a process of its own which lives across rounds.

Run as `python child.py inprocess|default|batched FOLDER`, with the model's folder. Every line of standard
input is a path as JSON; every answer is a line `{"text": …}` or `{"error": …}`. The first line says `{"text": ""}`:
the model is loaded.
"""  # noqa: INP001 (a command)

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Hear = Callable[[str], str]


@contextlib.contextmanager
def inprocess(_folder: str) -> Iterator[Hear]:
    """Our chain under `run_local`; WHISPER_MODEL names its model."""
    import chainlets as chains
    from chainlets.chains.transcribe import Transcribe

    with chains.run_local(), asyncio.Runner() as runner:
        chain = Transcribe()
        yield lambda path: runner.run(chain.run_remote(chains.File.local(path))).text


@contextlib.contextmanager
def default(folder: str) -> Iterator[Hear]:
    """What faster-whisper does if nothing is asked of it."""
    model = _model(folder)
    yield lambda path: _joined(model.transcribe(path)[0])


@contextlib.contextmanager
def batched(folder: str) -> Iterator[Hear]:
    """Its pipeline for speed."""
    from faster_whisper import BatchedInferencePipeline

    pipeline = BatchedInferencePipeline(model=_model(folder))
    yield lambda path: _joined(pipeline.transcribe(path, batch_size=8)[0])


def _model(folder: str) -> Any:
    import ctranslate2
    from faster_whisper import WhisperModel

    on_gpu = ctranslate2.get_cuda_device_count() > 0
    device, kind = ("cuda", "float16") if on_gpu else ("cpu", "int8")
    return WhisperModel(folder, device=device, compute_type=kind)


def _joined(segments: Iterable[Any]) -> str:
    return " ".join(segment.text.strip() for segment in segments)


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries may print what they like

    def answer(**given: str) -> None:
        answers.write(f"{json.dumps(given)}\n")
        answers.flush()

    contenders = {"inprocess": inprocess, "default": default, "batched": batched}
    with contenders[sys.argv[1]](sys.argv[2]) as hear:
        answer(text="")
        for line in sys.stdin:
            try:
                answer(text=hear(json.loads(line)))
            except Exception as error:  # noqa: BLE001 (whatever it was, the benchmark shows it and ends)
                answer(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
