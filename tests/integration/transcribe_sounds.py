"""Makes audio files for tests: good ones of every container from the sample, and hostile ones."""

import random
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.harness import ROOT

SAMPLE = ROOT / "chainlets" / "chains" / "transcribe" / "sample" / "jfk.wav"
SAMPLE_SECONDS = 11.0

# name: codec, FFmpeg's name of the muxer, sample rate, layout; the part of the name before a dot tells variants apart
ENCODINGS = {
    "a.wav": ("pcm_s16le", "wav", 16_000, "mono"),
    "pcm24.wav": ("pcm_s24le", "wav", 48_000, "stereo"),
    "float.wav": ("pcm_f32le", "wav", 44_100, "mono"),
    "alaw.wav": ("pcm_alaw", "wav", 8_000, "mono"),
    "mulaw.wav": ("pcm_mulaw", "wav", 8_000, "mono"),
    "adpcm_ms.wav": ("adpcm_ms", "wav", 22_050, "mono"),
    "adpcm_ima.wav": ("adpcm_ima_wav", "wav", 22_050, "mono"),
    "a.w64": ("pcm_s16le", "w64", 16_000, "mono"),
    "a.aiff": ("pcm_s16be", "aiff", 16_000, "mono"),
    "a.mp3": ("libmp3lame", "mp3", 44_100, "stereo"),
    "low.mp3": ("libmp3lame", "mp3", 16_000, "mono"),
    "a.mp2": ("mp2", "mp2", 44_100, "stereo"),
    "a.flac": ("flac", "flac", 16_000, "mono"),
    "vorbis.ogg": ("vorbis", "ogg", 44_100, "stereo"),
    "flac.ogg": ("flac", "ogg", 16_000, "mono"),
    "speex.ogg": ("speex", "ogg", 16_000, "mono"),
    "a.opus": ("libopus", "ogg", 48_000, "stereo"),
    "a.mka": ("flac", "matroska", 16_000, "mono"),
    "vorbis.webm": ("vorbis", "webm", 48_000, "stereo"),
    "a.webm": ("libopus", "webm", 48_000, "mono"),
    "video.webm": ("libopus", "webm", 48_000, "mono"),
    "video.mkv": ("aac", "matroska", 44_100, "stereo"),
    "ac3.mkv": ("ac3", "matroska", 48_000, "stereo"),
    "eac3.mkv": ("eac3", "matroska", 48_000, "stereo"),
    "a.m4a": ("aac", "ipod", 44_100, "stereo"),
    "alac.m4a": ("alac", "ipod", 44_100, "mono"),
    "a.mp4": ("aac", "mp4", 44_100, "mono"),
    "video.mp4": ("aac", "mp4", 48_000, "stereo"),
    "a.mov": ("pcm_s16le", "mov", 16_000, "mono"),
    "video.mov": ("aac", "mov", 44_100, "stereo"),
    "a.3gp": ("aac", "3gp", 16_000, "mono"),
    "amr.3gp": ("libopencore_amrnb", "3gp", 8_000, "mono"),
    "a.aac": ("aac", "adts", 44_100, "mono"),
    "a.amr": ("libopencore_amrnb", "amr", 8_000, "mono"),
    "a.wma": ("wmav2", "asf", 44_100, "stereo"),
    "wmav1.wma": ("wmav1", "asf", 44_100, "stereo"),
    "a.caf": ("pcm_s16le", "caf", 16_000, "mono"),
    "alac.caf": ("alac", "caf", 44_100, "mono"),
}
_PICTURES = {"video.webm": "libvpx", "video.mkv": "mpeg4", "video.mp4": "mpeg4", "video.mov": "mpeg4"}
_BIT_RATES = {"a.wma": 64_000, "wmav1.wma": 64_000, "ac3.mkv": 128_000, "eac3.mkv": 128_000}


def has_encoder(name: str) -> bool:
    """Whether this FFmpeg can write that codec; all of them it can read."""
    try:
        av.codec.Codec(ENCODINGS[name][0], "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def encode(name: str, folder: Path, *, times: int = 1) -> Path:
    """The sample, so many times, in the container and codec that ENCODINGS gives for this name."""
    codec, muxer, rate, layout = ENCODINGS[name]
    target = folder / name
    with av.open(str(target), "w", format=muxer) as out:
        # FFmpeg calls its own Vorbis encoder an experiment.
        stream = out.add_stream(codec, rate=rate, layout=layout, options={"strict": "-2"})
        if name in _BIT_RATES:
            stream.codec_context.bit_rate = _BIT_RATES[name]
        if name in _PICTURES:
            _add_pictures(out, _PICTURES[name], seconds=SAMPLE_SECONDS * times)
        kind = stream.codec_context.codec.audio_formats[0]
        resampler, fifo = av.AudioResampler(format=kind, layout=layout, rate=rate), av.AudioFifo()
        for _ in range(times):
            with av.open(str(SAMPLE)) as source:
                for frame in source.decode(audio=0):
                    frame.pts = None
                    for resampled in resampler.resample(frame):
                        fifo.write(resampled)
        for resampled in resampler.resample(None):
            resampled.pts = None
            fifo.write(resampled)
        written = 0
        while (frame := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
            frame.pts, frame.time_base = written, Fraction(1, rate)
            written += frame.samples
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return target


def _add_pictures(out: av.container.OutputContainer, codec: str, *, seconds: float) -> None:
    stream = out.add_stream(codec, rate=5)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    for number in range(int(seconds * 5)):
        frame = av.VideoFrame(64, 64, "yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 5)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def scratch(
    path: Path, container_format: str, places: Sequence[float], *, seconds: float, spare: int = 0
) -> None:
    """Overwrite packets of a file with noise.

    Args:
        path: the file.
        container_format: FFmpeg's name of its demuxer.
        places: where, in seconds.
        seconds: how long each place is.
        spare: first bytes of each packet that stay; a packet that keeps its header keeps its time.
    """
    data, chance = bytearray(path.read_bytes()), random.Random(1)
    with av.open(str(path), format=container_format) as source:
        for packet in source.demux(source.streams.audio[0]):
            if packet.pts is None or packet.pos is None:
                continue
            at = float(packet.pts * packet.time_base)
            if any(place <= at < place + seconds for place in places):
                first, last = packet.pos + spare, packet.pos + packet.size
                data[first:last] = chance.randbytes(max(0, last - first))
    path.write_bytes(data)


def loudness(samples: np.ndarray) -> np.ndarray:
    """The mean height of each tenth of a second of 16 kHz samples."""
    whole = len(samples) // 1_600 * 1_600
    return np.abs(samples[:whole].astype(float)).reshape(-1, 1_600).mean(axis=1)


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
