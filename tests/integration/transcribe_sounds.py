"""Makes audio files for tests: good ones of every container from the sample, and hostile ones."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.harness import ROOT

SAMPLE = ROOT / "chainlets" / "chains" / "transcribe" / "sample" / "jfk.wav"
SAMPLE_SECONDS = 11.0

# name: codec, FFmpeg's name of the muxer, sample rate, layout
ENCODINGS = {
    "a.wav": ("pcm_s16le", "wav", 16_000, "mono"),
    "a.w64": ("pcm_s16le", "w64", 16_000, "mono"),
    "a.aiff": ("pcm_s16be", "aiff", 16_000, "mono"),
    "a.mp3": ("libmp3lame", "mp3", 44_100, "stereo"),
    "a.mp2": ("mp2", "mp2", 44_100, "stereo"),
    "a.flac": ("flac", "flac", 16_000, "mono"),
    "a.opus": ("libopus", "ogg", 48_000, "stereo"),
    "a.mka": ("flac", "matroska", 16_000, "mono"),
    "a.webm": ("libopus", "webm", 48_000, "mono"),
    "a.m4a": ("aac", "ipod", 44_100, "stereo"),
    "alac.m4a": ("alac", "ipod", 44_100, "mono"),
    "a.mp4": ("aac", "mp4", 44_100, "mono"),
    "a.mov": ("pcm_s16le", "mov", 16_000, "mono"),
    "a.3gp": ("aac", "3gp", 16_000, "mono"),
    "a.aac": ("aac", "adts", 44_100, "mono"),
    "a.amr": ("libopencore_amrnb", "amr", 8_000, "mono"),
    "a.caf": ("pcm_s16le", "caf", 16_000, "mono"),
}


def encode(name: str, folder: Path) -> Path:
    """The sample in the container and codec that ENCODINGS gives for this name."""
    codec, muxer, rate, layout = ENCODINGS[name]
    target = folder / name
    with av.open(str(SAMPLE)) as source, av.open(str(target), "w", format=muxer) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        kind = stream.codec_context.codec.audio_formats[0]
        resampler, fifo = av.AudioResampler(format=kind, layout=layout, rate=rate), av.AudioFifo()
        for frame in source.decode(audio=0):
            frame.pts = None
            for resampled in resampler.resample(frame):
                fifo.write(resampled)
        written = 0
        while (frame := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
            frame.pts, frame.time_base = written, Fraction(1, rate)
            written += frame.samples
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return target


def wav(
    path: Path,
    samples: bytes = b"",
    *,
    rate: int = 16_000,
    channels: int = 1,
    claims: int | None = None,
    sparse: int = 0,
) -> Path:
    """A WAV file of 16-bit samples, truthful or not.

    Args:
        path: where it goes.
        samples: its data.
        rate: samples a second, as the header says.
        channels: as the header says.
        claims: bytes of data that the header says there are; the truth by default.
        sparse: bytes of silence appended that take no room on the disk.
    """
    size = len(samples) + sparse if claims is None else claims
    block = channels * 2
    header = struct.pack("<4sI4s", b"RIFF", (36 + size) & 0xFFFF_FFFF, b"WAVE") + struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * block & 0xFFFF_FFFF, block & 0xFFFF, 16
    )
    with path.open("wb") as out:
        out.write(header + struct.pack("<4sI", b"data", size & 0xFFFF_FFFF) + samples)
        out.truncate(out.tell() + sparse)
    return path


def sample_bytes() -> bytes:
    """The sample's 16-bit samples without a header."""
    return SAMPLE.read_bytes()[-int(SAMPLE_SECONDS * 32_000) :]


def flac_that_claims(path: Path, source: Path, *, seconds: int) -> Path:
    """A copy of a 16 kHz FLAC whose header says that it is this long."""
    data = bytearray(source.read_bytes())
    total = seconds * 16_000  # 36 bits: the low four of byte 21, and bytes 22 to 25
    data[21] = data[21] & 0xF0 | total >> 32
    data[22:26] = struct.pack(">I", total & 0xFFFF_FFFF)
    path.write_bytes(data)
    return path


def noise(seconds: float, *, loudness: float, seed: int = 1) -> bytes:
    """White noise; loudness is its standard deviation, 1.0 being full scale."""
    values = np.random.default_rng(seed).normal(0, loudness, int(seconds * 16_000))
    return (np.clip(values, -1, 1) * 32_767).astype("<i2").tobytes()


PRINT_PEAK_MEMORY = (
    "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
)
"""Code that prints the most memory its process has held, in kilobytes. (`ru_maxrss` would begin with
what the process that started it held.)"""
