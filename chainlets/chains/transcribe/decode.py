"""Turns an uploaded file into plain samples, at arm's length: `decode_child` does it in its own process.

The samples are handed on in parts while the rest is still being decoded, so that who waits for text
waits for the first seconds of a recording and not for its end.
"""

from __future__ import annotations

import asyncio
import math
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chainlets as chains
from chainlets import streaming
from chainlets.chains.transcribe.decode_process import run_child
from chainlets.chains.transcribe.sniff import SNIFF_BYTES, sniff
from chainlets.chains.transcribe.split import FRAME
from chainlets.chains.transcribe.types import DECODING, SAMPLE_RATE, Decoded, Part
from chainlets.chains.transcribe.wording import Damage, clock, warnings_about

_UNKNOWN_SIZE = 0x7FFF_0000  # written, from here up, by recorders that stream and cannot know it yet
_PART_SECONDS = (10, 20, 30, 60, 120, 240)
_PART_SAMPLES = [seconds * SAMPLE_RATE // FRAME * FRAME for seconds in _PART_SECONDS]
"""How long the parts are, by their number, in whole frames; all that follow are like the last. Nothing
else has a say in it, so that a decoding that is done again gives the same parts."""


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
    """Decodes any audio to 16 kHz mono samples and draws its outline, in a structured stream of `DECODING`."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(cpu_count=1, memory="512Mi", predict_concurrency=4),
        # What comes before an excerpt is decoded too, and nothing is heard of it. A decoder that hangs is noticed here.
        options=chains.ChainletOptions(streaming_read_timeout=int(Limits.wall)),
    )

    async def run_remote(
        self, audio: chains.File, start: float | None = None, end: float | None = None
    ) -> AsyncIterator[bytes]:
        """Decode a file, or an excerpt of it.

        Args:
            audio: any common audio or video file.
            start: where the excerpt begins, in seconds; where the recording does by default.
            end: where it ends; where the recording does by default. Nothing after it is decoded.

        Yields:
            A `Part` as soon as it is decoded, and `Decoded` at the end.
        """
        span = _excerpt(start, end)
        out = streaming.stream_writer(DECODING)
        parts: asyncio.Queue[Part | None] = asyncio.Queue()
        loop, unwanted = asyncio.get_running_loop(), threading.Event()

        def on_part(part: Part) -> None:
            loop.call_soon_threadsafe(parts.put_nowait, part)

        decoding = asyncio.ensure_future(chains.offload(self._decode, audio, span, on_part, unwanted))
        decoding.add_done_callback(lambda _: parts.put_nowait(None))
        try:
            while (part := await parts.get()) is not None:
                yield out.yield_item(part)
            yield out.yield_footer(await decoding)
            yield out.yield_end()
        finally:
            unwanted.set()
            await asyncio.wait([decoding])  # until then the child writes into the folder of this call
            if not decoding.cancelled():
                decoding.exception()  # seen above, or of no interest to anybody

    def _decode(
        self,
        audio: chains.File,
        span: tuple[float, float | None],
        on_part: Callable[[Part], None],
        unwanted: threading.Event,
    ) -> Decoded:
        folder = chains.scratch_dir()
        peaks = folder / "peaks.json"
        _, end = span

        def on_file(pcm: Path, first: int, samples: int) -> None:
            file = chains.File.from_path(pcm, media_type="application/octet-stream")
            on_part(Part(pcm=file, first=first, samples=samples))

        def on_progress(done: float, declared: float | None) -> None:
            total = declared or 0.0 if end is None else min(end, declared or end)
            chains.progress(done, max(done, total), "Decoding")

        sound = _decode(
            audio.path(),
            to={"folder": str(folder), "lengths": _PART_SAMPLES},
            peaks=peaks,
            span=span,
            on_part=_PartsOf(folder, on_file).take,
            on_progress=on_progress,
            cancelled=lambda: unwanted.is_set() or chains.cancelled(),
        )
        length = sound.heard / SAMPLE_RATE
        if not sound.samples:
            msg = f"The recording ends at {clock(length)}. Choose a start before that."
            raise chains.InputRejected(msg)
        warnings = sound.warnings
        if end is not None and length < end - 1.0:
            warnings = [*warnings, f"The recording ends at {clock(length)}, so the excerpt ends there too."]
        return Decoded(
            samples=sound.samples,
            peaks=chains.File.from_path(peaks, media_type="application/json", keep=True),
            peaks_per_second=sound.peaks_per_second,
            warnings=warnings,
        )


def _excerpt(start: float | None, end: float | None) -> tuple[float, float | None]:
    """Where an excerpt begins and ends; refused if that makes no sense whatever the recording."""
    first = 0.0 if start is None else start
    if not math.isfinite(first) or not (end is None or math.isfinite(end)):
        msg = "Give the start and the end of the excerpt in seconds."
    elif first < 0:
        msg = "The excerpt cannot begin before the recording does. Give a start of 0 or more."
    elif end is not None and round(end * SAMPLE_RATE) <= round(first * SAMPLE_RATE):
        msg = "The excerpt must end after it begins. Give an end that is later than the start."
    else:
        return first, end
    raise chains.InputRejected(msg)


class _PartsOf:
    """Takes the files of parts as the child completes them; it says which, but not where they lie."""

    def __init__(self, folder: Path, on_file: Callable[[Path, int, int], None]) -> None:
        self._folder = folder
        self._on_file = on_file
        self._number = self._first = 0

    def take(self, samples: int) -> None:
        """The next part is complete and has so many samples."""
        path = self._folder / f"part-{self._number}.pcm"
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != samples * 2 or samples <= 0:
            msg = "The decoder did not write what it said."
            raise chains.ChainsRuntimeError(msg)
        self._on_file(path, self._first, samples)
        self._number += 1
        self._first += samples


def decode_file(
    path: Path,
    *,
    pcm: Path,
    peaks: Path,
    rate: int = SAMPLE_RATE,
    limits: Limits | None = None,
    span: tuple[float, float] | None = None,
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
        on_progress: called with seconds decoded and seconds declared, a few times a second.
        cancelled: asked a few times a second; when true, the child is killed.

    Raises:
        InputRejected: the file is empty, not audio, damaged, too long or asks for too much.
        ChainsRuntimeError: the disk is full, or the result is no longer wanted.
    """
    return _decode(
        path,
        to={"pcm": str(pcm)},
        peaks=peaks,
        rate=rate,
        limits=limits,
        span=span or (0.0, None),
        on_progress=on_progress,
        cancelled=cancelled,
    )


def _decode(
    path: Path,
    *,
    to: dict[str, Any],
    peaks: Path,
    span: tuple[float, float | None],
    on_progress: Callable[[float, float | None], None],
    cancelled: Callable[[], bool],
    on_part: Callable[[int], None] = lambda _samples: None,
    rate: int = SAMPLE_RATE,
    limits: Limits | None = None,
) -> Sound:
    """Decode a file to whatever `to` says, with an outline, by the child."""
    limits = limits or Limits.from_environment()
    with path.open("rb") as file:
        first_bytes = file.read(SNIFF_BYTES)
    most = int(limits.audio * rate)
    start, end = span
    job = {
        "path": str(path.resolve()),
        "format": _container_format(first_bytes),
        "to": to,
        "peaks": str(peaks),
        "rate": rate,
        "max_samples": most,
        "too_long": f"The recording is longer than {clock(limits.audio)}, the most that is taken. Cut it into parts.",
        "cpu_seconds": int(limits.wall) + 5,  # should this process not live to keep the time
        "declared": wav_seconds(first_bytes),
        "span": [min(round(start * rate), most), most if end is None else min(round(end * rate), most)],
    }

    def on_line(line: dict[str, Any]) -> None:
        if "at" in line:
            on_progress(float(line["at"]), line["of"])
        if "part" in line:
            on_part(int(line["part"]))

    done = run_child(
        job,
        errors=peaks.with_name("decode.stderr"),
        wall=limits.wall,
        silence=limits.silence,
        on_line=on_line,
        cancelled=cancelled,
    )
    return Sound(
        samples=int(done["samples"]),
        heard=int(done["heard"]),
        declared=done["declared"],
        peaks_per_second=float(done["per_second"]),
        warnings=warnings_about(
            seconds=done["heard"] / rate,
            declared=done["declared"],
            tolerance=done["tolerance"],
            damage=Damage(**done["damage"]),
        ),
    )


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
