"""Turns an uploaded file into plain samples, at arm's length: `decode_child` does it in its own process.

The parent believes nothing the child says beyond its shape, and kills it when it takes too long,
falls silent, or its result is no longer wanted.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chainlets as chains
from chainlets import streaming
from chainlets.chains.transcribe.join import clock
from chainlets.chains.transcribe.sniff import SNIFF_BYTES, sniff
from chainlets.chains.transcribe.split import FRAME
from chainlets.chains.transcribe.types import SAMPLE_RATE, SOUND, Decoded, Part

_CHILD = Path(__file__).with_name("decode_child.py")
_MAX_LINE = 65_536  # bytes; the child's lines are short, so more is not the child we know
_UNKNOWN_SIZE = 0x7FFF_0000  # written, from here up, by recorders that stream and cannot know it yet
_TELL_EVERY = 0.5  # seconds
# The first parts are short, so that text appears at once; each is whole frames, by position alone, so
# that whoever decodes the file again makes the same parts.
PART_SAMPLES = [seconds * SAMPLE_RATE // FRAME * FRAME for seconds in (10, 20, 30, 60, 120, 240)]
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one decoding may cost.

    Attributes:
        audio: seconds of sound, counted while decoding; headers are not asked.
        wall: seconds until the child is killed.
        silence: seconds without a sign of life until it is killed.
    """

    audio: float = 24 * 3600.0
    wall: float = 2 * 3600.0
    silence: float = 60.0

    @classmethod
    def from_environment(cls) -> Limits:
        """MAX_AUDIO_SECONDS, if set, in place of 24 hours."""
        return cls(audio=float(os.environ.get("MAX_AUDIO_SECONDS") or cls.audio))


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What came out of a file."""

    samples: int  # written
    heard: int  # samples decoded; more than written if only a span was asked for
    declared: float | None  # seconds the file said, None if it did not or only guesses
    peaks_per_second: float
    warnings: list[str]


class Decode(chains.ChainletBase):
    """Decodes any audio to 16 kHz mono samples and draws its outline."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(cpu_count=1, memory="512Mi", predict_concurrency=4)
    )

    async def run_remote(
        self, audio: chains.File, start: float | None = None, end: float | None = None
    ) -> AsyncIterator[bytes]:
        """Decode a file, or the excerpt between two times in seconds; a stream of `SOUND`.

        Positions in it count from the start of the excerpt.
        """
        span = _checked_span(start, end)
        ready: asyncio.Queue[Part | None] = asyncio.Queue()
        loop, given_up = asyncio.get_running_loop(), threading.Event()

        def on_part(path: Path, first: int, samples: int) -> None:
            pcm = chains.File.from_path(path, name=path.name, media_type="application/octet-stream")
            loop.call_soon_threadsafe(ready.put_nowait, Part(pcm=pcm, first=first, samples=samples))

        decoding = asyncio.create_task(chains.offload(self._decode, audio, span, on_part, given_up))
        decoding.add_done_callback(lambda _: ready.put_nowait(None))
        out = streaming.stream_writer(SOUND)
        try:
            while (part := await ready.get()) is not None:
                yield out.yield_item(part)
            yield out.yield_footer(await decoding)
        finally:
            given_up.set()

    def _decode(
        self,
        audio: chains.File,
        span: tuple[float, float] | None,
        on_part: Callable[[Path, int, int], None],
        given_up: threading.Event,
    ) -> Decoded:
        folder = chains.scratch_dir()
        peaks = folder / "peaks.json"
        last_said = 0.0

        def on_progress(done: float, declared: float | None) -> None:
            nonlocal last_said
            if time.monotonic() - last_said > _TELL_EVERY:
                last_said = time.monotonic()
                chains.progress(done, max(done, declared or 0.0), "Decoding")

        sound = decode_file(
            audio.path(),
            pcm=folder / "audio.pcm",
            peaks=peaks,
            span=span,
            part_samples=PART_SAMPLES,
            on_part=on_part,
            on_progress=on_progress,
            cancelled=lambda: given_up.is_set() or chains.cancelled(),
        )
        if span and not sound.samples:
            msg = (
                f"The recording ends at {clock(sound.heard / SAMPLE_RATE)}. "
                "Choose an excerpt that begins before that."
            )
            raise chains.InputRejected(msg)
        return Decoded(
            peaks=chains.File.from_path(peaks, name="peaks.json", media_type="application/json", keep=True),
            peaks_per_second=sound.peaks_per_second,
            samples=sound.samples,
            warnings=sound.warnings,
        )


def _checked_span(start: float | None, end: float | None) -> tuple[float, float] | None:
    if start is None and end is None:
        return None
    first, last = start or 0.0, math.inf if end is None else end
    if math.isnan(first) or math.isnan(last) or first < 0 or last <= first:
        msg = "An excerpt goes from one time in seconds to a later one. Give its start and its end, such as 60 and 90."
        raise chains.InputRejected(msg)
    return first, min(last, Limits.from_environment().audio)


def decode_file(
    path: Path,
    *,
    pcm: Path,
    peaks: Path,
    rate: int = SAMPLE_RATE,
    limits: Limits | None = None,
    span: tuple[float, float] | None = None,
    part_samples: Sequence[int] = (),
    on_part: Callable[[Path, int, int], None] = lambda _path, _first, _samples: None,
    on_progress: Callable[[float, float | None], None] = lambda _done, _declared: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Sound:
    """Decode a stranger's file to 16-bit mono samples in `pcm`, and its outline to `peaks`.

    Args:
        path: the file; its name means nothing.
        pcm: where the samples go.
        peaks: where the outline goes, as JSON.
        rate: samples a second to make.
        limits: by default those of the environment.
        span: seconds from and to; only these samples are kept, and nothing after them is decoded.
        part_samples: lengths of parts to cut the samples into, each a file of its own beside `pcm`; the
            last goes for all that follow. By default all go into `pcm`.
        on_part: called with a part's file, its first sample and how many it has, as soon as it is full.
        on_progress: called with seconds decoded and seconds declared, a few times a second.
        cancelled: asked a few times a second; when true, the child is killed.

    Raises:
        InputRejected: the file is empty, not audio, damaged, too long or asks for too much.
        ChainsRuntimeError: the disk is full, or the result is no longer wanted.
    """
    limits = limits or Limits.from_environment()
    with path.open("rb") as file:
        first_bytes = file.read(SNIFF_BYTES)
    job = {
        "path": str(path.resolve()),
        "format": _container_format(first_bytes),
        "pcm": str(pcm),
        "peaks": str(peaks),
        "part_samples": list(part_samples),
        "rate": rate,
        "max_samples": int(limits.audio * rate),
        "too_long": f"The recording is longer than {clock(limits.audio)}, the most that is taken. Cut it into parts.",
        "cpu_seconds": int(limits.wall) + 5,  # should this process not live to keep the time
        "declared": wav_seconds(first_bytes),
        "span": [round(edge * rate) for edge in span] if span else None,
    }
    errors = pcm.with_name("decode.stderr")
    with errors.open("wb") as stderr, _child(job, stderr) as child:
        try:
            last = _listen(
                child,
                limits=limits,
                on_part=_counting(pcm, on_part),
                on_progress=on_progress,
                cancelled=cancelled,
            )
        finally:
            child.kill()  # no harm where it has ended; the `with` waits for it
    return _verdict(last, errors=errors, exit_code=child.returncode, rate=rate)


def _container_format(first_bytes: bytes) -> str:
    if not first_bytes:
        msg = "The file is empty."
        raise chains.InputRejected(msg)
    container = sniff(first_bytes)
    if container is None:
        msg = (
            "This file is not audio, or is of a kind that is not supported. "
            "WAV, MP3, FLAC, Ogg, Opus, M4A, MP4, MOV, 3GP, WebM, Matroska, AAC, AMR, WMA, AIFF and CAF are."
        )
        raise chains.InputRejected(msg)
    return container.format


def wav_seconds(first_bytes: bytes) -> float | None:
    """How long a WAV file's header says it is; None for other files and for headers written ahead.

    FFmpeg tells only what the file's size allows, so a recording that was cut off would look whole.
    """
    if first_bytes[:4] != b"RIFF" or first_bytes[8:12] != b"WAVE":
        return None
    position, bytes_a_second = 12, 0
    while position + 8 <= len(first_bytes):
        chunk = first_bytes[position : position + 4]
        size = int.from_bytes(first_bytes[position + 4 : position + 8], "little")
        if chunk == b"fmt ":
            bytes_a_second = int.from_bytes(first_bytes[position + 16 : position + 20], "little")
        if chunk == b"data":
            known = 0 < size < _UNKNOWN_SIZE and bytes_a_second
            return size / bytes_a_second if known else None
        position += 8 + size + size % 2
    return None


def _child(job: dict[str, Any], stderr: Any) -> subprocess.Popen[bytes]:
    # -P keeps this folder, with its `types.py`, off the child's import path. Its environment holds
    # none of our settings, so there is no secret in it to steal.
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-P", str(_CHILD), json.dumps(job)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment | {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        close_fds=True,
    )


def _listen(
    child: subprocess.Popen[bytes],
    *,
    limits: Limits,
    on_part: Callable[[int, int], None],
    on_progress: Callable[[float, float | None], None],
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    """Follow the child until its last line."""
    last: dict[str, Any] = {}
    started = heard = time.monotonic()
    for line in _lines(child):
        now = time.monotonic()
        if line is not None:
            heard, last = now, line
            if "at" in line:
                on_progress(float(line["at"]), line["of"])
            if "part" in line:
                on_part(int(line["part"]), int(line["samples"]))
        if cancelled():
            msg = "The decoding was stopped because its result is no longer wanted."
            raise chains.ChainsRuntimeError(msg)
        if now - started > limits.wall or now - heard > limits.silence:
            msg = "Decoding this file took far longer than a recording should, so it was stopped. It may be damaged."
            raise chains.InputRejected(msg)
    return last


def _counting(pcm: Path, on_part: Callable[[Path, int, int], None]) -> Callable[[int, int], None]:
    first = 0

    def told(number: int, samples: int) -> None:
        nonlocal first
        on_part(pcm.with_name(f"{pcm.name}.{number}"), first, samples)
        first += samples

    return told


def _lines(child: subprocess.Popen[bytes]) -> Iterator[dict[str, Any] | None]:
    """The child's lines as they come, and None whenever a fifth of a second passed without one."""
    assert child.stdout is not None  # it was opened as a pipe
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout=0.2):
                yield None
                continue
            block = os.read(child.stdout.fileno(), _MAX_LINE)
            if not block or len(pending) > _MAX_LINE:
                return
            *lines, pending = (pending + block).split(b"\n")
            for line in lines:
                yield json.loads(line)


def _verdict(last: dict[str, Any], *, errors: Path, exit_code: int, rate: int) -> Sound:
    if "rejected" in last:
        raise chains.InputRejected(str(last["rejected"]))
    if "no_room" in last:
        msg = "There is no room left on the disk for the decoded audio. Free some, then resume the run."
        raise chains.ChainsRuntimeError(msg)
    if "done" not in last:
        tail = errors.read_bytes()[-2000:].decode(errors="replace").strip()
        cause = RuntimeError(f"the decoder ended with {exit_code}: {tail}")
        if exit_code < 0 and exit_code != -signal.SIGKILL:
            msg = "This file could not be decoded: the decoder broke down over it. It is probably damaged."
            raise chains.InputRejected(msg) from cause
        msg = "The decoder did not finish, for a reason that has nothing to do with the file."
        raise chains.ChainsRuntimeError(msg) from cause
    done = last["done"]
    return Sound(
        samples=int(done["samples"]),
        heard=int(done["heard"]),
        declared=done["declared"],
        peaks_per_second=float(done["per_second"]),
        warnings=_warnings(done, rate=rate),
    )


def _warnings(done: dict[str, Any], *, rate: int) -> list[str]:
    found = []
    seconds, declared = done["heard"] / rate, done["declared"]
    if declared is not None and declared - seconds > max(1.0, declared * done["tolerance"]):
        found.append(
            f"The file says it is {clock(declared)} long, but only {clock(seconds)} could be decoded."
        )
    elif done["damaged"]:
        places = "1 damaged place was" if done["damaged"] == 1 else f"{done['damaged']} damaged places were"
        found.append(f"{places} left out while decoding, so the times after it may be slightly early.")
    return found
