"""Decodes one file in a process of its own, because the file comes from a stranger.

Run as a script by `decode.py` with one JSON argument; never imported by the application. It knows
nothing but the standard library, PyAV and numpy. Lines of JSON on stdout say how far it is; the
last one is `{"done": {…}}`, `{"rejected": "…"}` or `{"no_room": true}`.

Memory does not grow with the length of the audio: samples go to files as they are decoded.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import av
    import numpy as np

MIN_SOURCE_RATE, MAX_SOURCE_RATE = 4_000, 192_000
MAX_CHANNELS = 8
MAX_PEAKS = 8_000
EXTRA_MEMORY = 1 << 30  # bytes of address space beyond what the libraries take
UNREADABLE = "This file cannot be read as audio. It may be damaged, or cut off before the part that says how to read it."
TELL_EVERY = 0.2  # seconds
STUCK_AFTER = 32  # read errors in a row without one packet between them

MOST_SILENCE = 60.0  # seconds put in place of what is missing at one damaged place
MOST_MISSING = 600.0  # seconds; a clock that leaps further, without an error, counts from somewhere else
LEAST_MISSING = 0.1  # seconds; clocks are rounded, and some tick in milliseconds
ONE_PLACE = 5.0  # seconds; damage that is closer than this to damage before it is the same place
NAMED_PLACES = 10

FORMATS = "wav,w64,aiff,mp3,flac,ogg,matroska,webm,mov,mp4,m4a,3gp,aac,amr,asf,caf"
CODECS = frozenset(
    """
    pcm_alaw pcm_mulaw pcm_s8 pcm_u8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be
    pcm_f32le pcm_f32be pcm_f64le pcm_f64be adpcm_ms adpcm_ima_wav adpcm_ima_qt gsm gsm_ms
    mp1 mp1float mp2 mp2float mp3 mp3float aac aac_latm ac3 eac3 alac flac vorbis opus libopus
    speex libspeex wmav1 wmav2 wmapro wmavoice wmalossless
    amrnb amrwb libopencore_amrnb libopencore_amrwb
    """.split()  # noqa: SIM905 (a list would take forty lines)
)
# How far the declared length may be off, as a share. Some formats only guess it from the bit rate:
# None means do not compare.
TOLERANCE = {"mp3": 0.1, "aac": None, "amr": None}
# Formats of bare frames: FFmpeg makes their clock by counting frames, so bytes that hold none are no time to it.
COUNTED = {"mp3", "aac", "amr"}
# Formats whose readers leave out what is damaged without a word, and whose own clock goes on.
LEAPING = {"ogg", "flac", "matroska"}
NO_SOUND = (b"ID3", b"TAG", b"APETAGEX")  # what joined files have between them


class Rejected(Exception):
    """The file cannot be decoded; the message is for the user."""


class Peaks:
    """The loudest sample of each stretch of time, at most MAX_PEAKS of them whatever the length."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self.samples_each = rate // 50
        self._values: list[int] = []
        self._height = self._filled = 0  # of the stretch under way

    @property
    def per_second(self) -> float:
        """How many stretches there are in a second, by now."""
        return self._rate / self.samples_each

    def add(self, samples: np.ndarray) -> None:
        """Take the next samples, 16-bit."""
        while len(samples):
            room = self.samples_each - self._filled
            part, samples = samples[:room], samples[room:]
            self._height = max(self._height, int(part.max()), -int(part.min()))
            self._filled += len(part)
            if self._filled == self.samples_each:
                self._end_stretch()

    def _end_stretch(self) -> None:
        self._values.append(self._height)
        self._height = self._filled = 0
        if len(self._values) == MAX_PEAKS:
            self._values = [max(pair) for pair in zip(self._values[::2], self._values[1::2], strict=True)]
            self.samples_each *= 2

    def as_json(self) -> dict[str, Any]:
        """Heights from 0 to 100 and how many there are per second."""
        heights = [*self._values, self._height] if self._filled else self._values
        return {"per_second": self.per_second, "peaks": [height * 100 // 32_768 for height in heights]}


class OneFile:
    """All samples in one file."""

    def __init__(self, path: str) -> None:
        self._out = Path(path).open("wb")  # noqa: SIM115 (closed by `close`)

    def write(self, samples: np.ndarray) -> None:
        """Append samples."""
        self._out.write(samples.tobytes())

    def close(self) -> None:
        """No more will come."""
        self._out.close()


class Parts:
    """Samples in files that follow each other, each told to the parent once it is complete."""

    def __init__(self, folder: str, lengths: list[int]) -> None:
        self._folder = Path(folder)
        self._lengths = lengths  # in samples; the last one is that of all parts that follow
        self._number = self._filled = 0
        self._out: BinaryIO | None = None

    def write(self, samples: np.ndarray) -> None:
        """Append samples, to as many parts as it takes."""
        while len(samples):
            length = self._lengths[min(self._number, len(self._lengths) - 1)]
            part, samples = samples[: length - self._filled], samples[length - self._filled :]
            if self._out is None:
                self._out = (self._folder / f"part-{self._number}.pcm").open("wb")
            self._out.write(part.tobytes())
            self._filled += len(part)
            if self._filled == length:
                self.close()

    def close(self) -> None:
        """The part under way is complete."""
        if self._out is not None:
            self._out.close()
            say({"part": self._filled})
            self._out = None
            self._number += 1
            self._filled = 0


class Sink:
    """Where samples go, with the cap on their number and the part of them that is wanted."""

    def __init__(self, out: OneFile | Parts, job: dict[str, Any]) -> None:
        self._out = out
        self._max_samples: int = job["max_samples"]
        self._too_long: str = job["too_long"]
        self._first: int
        self._last: int
        self._first, self._last = job["span"]
        self.heard = 0  # samples decoded, wanted or not
        self.samples = 0  # samples written
        self.peaks = Peaks(job["rate"])

    @property
    def full(self) -> bool:
        """Whether all that was asked for is there."""
        return self._last < self._max_samples and self.heard >= self._last

    @property
    def wanted(self) -> bool:
        """Whether the next sample is one that was asked for."""
        return self._first <= self.heard < self._last

    def add(self, samples: np.ndarray) -> None:
        """Append 16-bit samples, unless that would pass the cap."""
        if self.heard + len(samples) > self._max_samples:
            raise Rejected(self._too_long)
        wanted = samples[max(0, self._first - self.heard) : max(0, self._last - self.heard)]
        self.heard += len(samples)
        if len(wanted):
            self._out.write(wanted)
            self.samples += len(wanted)
            self.peaks.add(wanted)


def main(job: dict[str, Any]) -> None:
    """Decode as the parent asks.

    Args:
        job: `path` and `format` of the source; `to`, what `OneFile` or `Parts` is made of, and
            `peaks`, where the results go; `rate`, samples a second to make; `max_samples` and the
            sentence `too_long` for more; `span`, the samples wanted; `declared`, seconds by the
            header where FFmpeg would not say; `cpu_seconds`.
    """
    die_with_parent()
    leave_the_network()
    import av  # only now: a network namespace needs a process without threads

    limit_resources(max_samples=job["max_samples"], cpu_seconds=job["cpu_seconds"])
    try:
        to = job["to"]
        out = OneFile(to["pcm"]) if "pcm" in to else Parts(to["folder"], to["lengths"])
        sink = Sink(out, job)
        with open_safely(job["path"], job["format"]) as container:
            facts = decode(container, sink, rate=job["rate"], declared=job["declared"])
        out.close()
        Path(job["peaks"]).write_text(json.dumps(sink.peaks.as_json()))
    except Rejected as reason:
        say({"rejected": str(reason)})
    except MemoryError:
        say({"rejected": "Decoding this file takes more memory than a recording should. It may be damaged."})
    except (av.FFmpegError, ValueError, OverflowError, RuntimeError):
        traceback.print_exc()  # PyAV meets things in a file that it never expected
        say({"rejected": UNREADABLE})
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        say({"no_room": True})
    else:
        counts = {"heard": sink.heard, "samples": sink.samples, "per_second": sink.peaks.per_second}
        say({"done": facts | counts})


def open_safely(path: str, container_format: str) -> av.container.InputContainer:
    """Open a local file as one given format, following nothing that it points to."""
    import av

    options = {
        "format_whitelist": FORMATS,
        "protocol_whitelist": "file",
        "codec_whitelist": ",".join(sorted(CODECS)),
    }
    try:
        return av.open(
            f"file:{path}",
            format=container_format,
            container_options=options,
            timeout=(5.0, 5.0),
            metadata_errors="ignore",
        )
    except (av.FFmpegError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENOMEM:
            raise MemoryError from None
        raise Rejected(UNREADABLE) from None


def decode(
    container: av.container.InputContainer, sink: Sink, *, rate: int, declared: float | None
) -> dict[str, Any]:
    """Decode the first audio stream into the sink; what was odd about it comes back."""
    stream = first_audio(container)
    declared = declared or declared_seconds(container, stream)
    resampler, damage, last_said = Resampler(rate), Damage(container.format.name, stream), 0.0

    def add(ready: Iterator[np.ndarray]) -> None:
        for samples in ready:
            sink.add(samples)

    for packet in packets(container, stream):
        frames = frames_of(packet)
        if frames is None:
            damage.meet(packet)
        for frame in frames or ():
            check_sound(frame.sample_rate, frame.layout.nb_channels)
            place = damage.before(frame)
            if place is not None:
                add(resampler.rest())
                damage.note(place, sink.heard / rate, named=sink.wanted)
                add(silence(place.filled, rate))
            add(resampler.take(frame))
        if sink.full:
            break
        if packet is not None and frames:
            damage.learn(packet)
        if (now := time.monotonic()) - last_said > TELL_EVERY:
            last_said = now
            say({"at": sink.heard / rate, "of": declared})
    else:
        add(resampler.rest())
        if (place := damage.at_end()) is not None:
            damage.note(place, sink.heard / rate, named=sink.wanted)
    if sink.heard == 0:
        msg = "No sound could be decoded from this file. It may be damaged or cut off."
        raise Rejected(msg)
    tolerance = TOLERANCE.get(container.format.name, 0.02)
    return {
        "declared": declared if tolerance is not None and not sink.full else None,
        "tolerance": tolerance,
        "damage": damage.as_json(),
    }


@dataclass(frozen=True, kw_only=True)
class Place:
    """Sound that is missing, in seconds."""

    missing: float
    filled: float  # how much silence is put there
    early: bool  # nothing says whether that is all


class Damage:
    """Finds where sound is missing, and how much by the container's clock.

    Only damaged places are looked at: elsewhere a clock may say what it likes.
    """

    def __init__(self, container_format: str, stream: av.AudioStream) -> None:
        self._counted = container_format in COUNTED
        self._leaping = container_format in LEAPING
        # By the container's clock: where the last good frame ended.
        self._end: float | None = None
        if stream.start_time is not None and stream.time_base is not None:
            self._end = float(stream.start_time * stream.time_base)
        self._met = False  # damage since the last good frame
        self._lost = 0.0  # seconds that the packets in it should have lasted
        self._swallowed = 0  # bytes in it that no frame can account for
        self._largest = self._bytes = 0  # of good packets
        self._seconds = 0.0  # of good frames
        self._places: list[float] = []
        self._more = 0
        self._missing = 0.0
        self._early = False
        self._last = -ONE_PLACE  # where the last place ended

    def meet(self, packet: Any) -> None:
        """A packet that cannot be decoded, or None where none could be read."""
        if packet is None:
            self._met = True
            return
        if self._counted and packet.size > self._largest > 0:
            if bytes(packet)[:8].startswith(NO_SOUND):
                return
            self._swallowed += packet.size
        self._met = True
        self._lost += float((packet.duration or 0) * (packet.time_base or 0))

    def learn(self, packet: Any) -> None:
        """Remember the size of a good packet."""
        self._largest = max(self._largest, packet.size)
        self._bytes += packet.size

    def before(self, frame: av.AudioFrame) -> Place | None:
        """What is missing between the last good frame and this one, if that was damaged."""
        start, length = frame.time, frame.samples / frame.sample_rate
        gap = start - self._end if start is not None and self._end is not None else None
        leap = self._leaping and self._seconds and gap is not None and LEAST_MISSING < gap < MOST_MISSING
        place = self._place(gap) if self._met or leap else None
        self._met, self._lost, self._swallowed = False, 0.0, 0
        self._seconds += length
        if start is not None:
            self._end = start + length
        elif self._end is not None:
            self._end += length
        return place

    def at_end(self) -> Place | None:
        """What is missing after the last good frame; no clock tells how much."""
        return Place(missing=self._lost, filled=0.0, early=False) if self._lost else None

    def _place(self, gap: float | None) -> Place | None:
        if gap is None:
            return Place(missing=self._lost, filled=0.0, early=True)
        gap = max(0.0, gap)
        filled = min(gap, MOST_SILENCE)
        if self._swallowed and self._seconds:
            guess = self._swallowed * self._seconds / self._bytes
            return Place(missing=max(gap, guess), filled=filled, early=True)
        # A packet may fail and still leave nothing out.
        return Place(missing=gap, filled=filled, early=filled < gap) if gap else None

    def note(self, place: Place, at: float, *, named: bool) -> None:
        """Keep a place for what is told at the end.

        Args:
            place: what is missing.
            at: where, in seconds.
            named: it is in what was asked for.
        """
        new, self._last = at - self._last >= ONE_PLACE, at + place.filled
        if not named:
            return
        self._missing += place.missing
        self._early = self._early or place.early
        if new and len(self._places) < NAMED_PLACES:
            self._places.append(at)
        else:
            self._more += new

    def as_json(self) -> dict[str, Any]:
        """What the parent makes a sentence of."""
        return {
            "places": self._places,
            "more": self._more,
            "seconds": self._missing,
            "early": self._early,
        }


def silence(seconds: float, rate: int) -> Iterator[np.ndarray]:
    """Samples without sound, in arrays of at most a second."""
    import numpy as np

    left = round(seconds * rate)
    while left > 0:
        yield np.zeros(min(left, rate), dtype=np.int16)
        left -= rate


def first_audio(container: av.container.InputContainer) -> av.AudioStream:
    """The stream to decode; all others, such as pictures, are not even read."""
    from av.stream import Discard

    if not container.streams.audio:
        msg = "This file holds no sound."
        raise Rejected(msg)
    stream = container.streams.audio[0]
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    codec: Any = stream.codec_context  # None where FFmpeg has no decoder
    if codec is None or codec.name not in CODECS:
        msg = "The sound in this file is stored in a way that is not supported. Convert it, for instance to FLAC."
        raise Rejected(msg)
    check_sound(codec.sample_rate, codec.layout.nb_channels)
    return stream


def frames_of(packet: Any) -> list[av.AudioFrame] | None:
    """The frames in a packet, None where it is damaged."""
    import av

    if packet is None:
        return None
    try:
        return list(packet.decode())
    except av.FFmpegError as error:
        return [] if isinstance(error, EOFError) else None


def packets(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[Any]:
    """The stream's packets to the end; None stands for a place that could not be read."""
    import av

    errors_in_a_row = 0
    while errors_in_a_row < STUCK_AFTER:
        try:
            for packet in container.demux(stream):
                errors_in_a_row = 0
                yield packet
        except av.FFmpegError as error:
            if isinstance(error, EOFError):
                return
            # Reading on after a bad place often works: a long file must not end at its first scratch.
            errors_in_a_row += 1
            yield None
        else:
            return


class Resampler:
    """Turns frames of any rate, layout and format, even changing ones, into one of a fixed rate, mono."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._shape: tuple[Any, ...] | None = None
        self._inner: av.AudioResampler | None = None
        self._waiting: av.AudioFifo | None = None

    def take(self, frame: av.AudioFrame) -> Iterator[np.ndarray]:
        """Samples ready after this frame, in arrays of shape (samples,)."""
        import av

        shape = (frame.format.name, frame.layout.name, frame.sample_rate, frame.time_base)
        if shape != self._shape:
            yield from self.rest()
            self._inner = av.AudioResampler(format="s16", layout="mono", rate=self._rate)
            self._waiting, self._shape = av.AudioFifo(), shape
        assert self._waiting is not None  # it comes with the shape
        frame.pts = None  # a lying clock must not make the resampler invent or drop samples
        self._waiting.write(frame)
        # Frames are short: one by one, handling them costs more than decoding them.
        if self._waiting.samples >= frame.sample_rate // 2:
            yield from self._out(self._waiting.read())

    def rest(self) -> Iterator[np.ndarray]:
        """What the resampler still holds."""
        if self._inner is not None and self._waiting is not None:
            if self._waiting.samples:
                yield from self._out(self._waiting.read())
            yield from self._out(None)
            self._inner = self._waiting = self._shape = None

    def _out(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
        import av

        assert self._inner is not None  # both callers see to it
        try:
            frames = self._inner.resample(frame)
        except (av.FFmpegError, ValueError):
            return
        for done in frames:
            yield done.to_ndarray().reshape(-1)


def check_sound(rate: int, channels: int) -> None:
    """Refuse what would blow up when it is resampled."""
    if not MIN_SOURCE_RATE <= rate <= MAX_SOURCE_RATE:
        msg = f"The file claims a sample rate of {rate} Hz. Only {MIN_SOURCE_RATE} to {MAX_SOURCE_RATE} Hz are taken."
        raise Rejected(msg)
    if not 1 <= channels <= MAX_CHANNELS:
        msg = f"The file claims to have {channels or 'no'} channels. Only 1 to {MAX_CHANNELS} are taken."
        raise Rejected(msg)


def declared_seconds(container: av.container.InputContainer, stream: av.AudioStream) -> float | None:
    """How long the file says it is. Only ever compared and shown, never trusted."""
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration:
        seconds = container.duration / 1_000_000
    else:
        return None
    return seconds if seconds > 0 else None


def die_with_parent() -> None:
    """Be killed when the worker is killed, so that nothing decodes on for nobody (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def leave_the_network() -> None:
    """Move into a namespace without network, where the system lets us."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).unshare(0x1000_0000 | 0x4000_0000)  # CLONE_NEWUSER | CLONE_NEWNET


def limit_resources(*, max_samples: int, cpu_seconds: int) -> None:
    """Cap address space, CPU time and the size of any file we write."""
    with contextlib.suppress(OSError, ValueError):
        base = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (base + EXTRA_MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_samples * 2 + (1 << 20),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def say(line: dict[str, Any]) -> None:
    """Tell the parent; if it is gone, the broken pipe ends us."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
    # The interpreter's own end can hang in a library's destructor; what matters is written.
    sys.stdout.flush()
    os._exit(0)
