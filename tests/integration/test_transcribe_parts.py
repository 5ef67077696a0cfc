"""Decoded sound is handed on in parts, while the rest is still being decoded."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import chainlets as chains
from chainlets import streaming
from chainlets.chains.transcribe import Decode
from chainlets.chains.transcribe.decode import decode_file
from chainlets.chains.transcribe.split import FRAME
from chainlets.chains.transcribe.types import DECODING, Decoded, Part
from chainlets.testing import MemoryFileStore
from tests.harness import ROOT
from tests.integration.transcribe_sounds import PRINT_PEAK_MEMORY, SAMPLE, encode, noise, sample_bytes, wav

SECOND = 16_000
DAY = 24 * 3600 * 32_000  # bytes of 16-bit samples at 16 kHz


@pytest.fixture
def files():
    with MemoryFileStore() as store:
        yield store


def handle(path: Path) -> chains.File:
    """The file without its hash, which takes long for a day of audio."""
    return chains.File(id=f"file:{path}")


async def read(path: Path, **options) -> tuple[list[Part], Decoded]:
    stream = streaming.stream_reader(DECODING, Decode().run_remote(handle(path), **options))
    parts = [part async for part in stream.read_items()]
    return parts, await stream.read_footer()


def joined(files, parts) -> bytes:
    return b"".join(files.content(part.pcm) for part in parts)


def decoders() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and any("decode_child" in part for part in child.cmdline())
    ]


async def test_parts_follow_each_other_by_a_fixed_schedule(files, tmp_path):
    path = wav(tmp_path / "long.wav", noise(900, loudness=0.1))
    parts, decoded = await read(path)

    assert [round(part.samples / SECOND) for part in parts] == [10, 20, 30, 60, 120, 240, 240, 180]
    assert [round(part.first / SECOND) for part in parts] == [0, 10, 30, 60, 120, 240, 480, 720]
    assert {part.first % FRAME for part in parts} == {0}
    assert decoded.samples == sum(part.samples for part in parts) == 900 * SECOND
    assert [part.pcm.name for part in parts[:2]] == ["part-0.pcm", "part-1.pcm"]
    assert joined(files, parts) == noise(900, loudness=0.1)
    assert [file.name for file in files.kept] == ["peaks.json"]


async def test_the_parts_together_are_what_is_decoded_at_once(files, tmp_path):
    path = encode("a.mp3", tmp_path)
    parts, decoded = await read(path)
    sound = decode_file(path, pcm=tmp_path / "audio.pcm", peaks=tmp_path / "peaks.json")

    assert joined(files, parts) == (tmp_path / "audio.pcm").read_bytes()
    assert files.content(decoded.peaks) == (tmp_path / "peaks.json").read_bytes()
    assert (decoded.samples, decoded.warnings) == (sound.samples, [])
    assert decoded.peaks_per_second == sound.peaks_per_second


async def test_the_first_part_is_there_long_before_the_end(files, tmp_path):
    path = wav(tmp_path / "day.wav", sample_bytes(), sparse=DAY // 2)
    began = time.monotonic()
    stream = Decode().run_remote(handle(path))
    reader = streaming.stream_reader(DECODING, stream)
    async for part in reader.read_items():
        assert files.content(part.pcm) == sample_bytes()[: 2 * part.samples]
        break
    waited = time.monotonic() - began
    await stream.aclose()

    assert waited < 3
    assert not decoders()


async def test_the_event_loop_goes_on_meanwhile(files, tmp_path):
    path = wav(tmp_path / "long.wav", sparse=600 * 32_000)
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    ticking = asyncio.create_task(tick())
    await read(path)
    ticking.cancel()
    assert longest < 0.25


async def test_a_stream_nobody_reads_any_more_stops_its_decoder(files, tmp_path):
    path = wav(tmp_path / "day.wav", sparse=DAY)
    reading = asyncio.create_task(read(path))
    while not decoders():
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    began = time.monotonic()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert time.monotonic() - began < 0.7
    assert not decoders()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty"),
        (b"This is a letter and no recording. " * 100, "This file is not audio"),
        (b"fLaC" + bytes(500), "cannot be read as audio"),
        (b"OggS\x00\x02" + bytes(500), "cannot be read as audio"),
    ],
)
async def test_what_is_refused_ends_the_stream_before_its_first_part(content, sentence, files, tmp_path):
    path = tmp_path / "upload.mp3"
    path.write_bytes(content)
    with pytest.raises(chains.InputRejected, match=sentence):
        await read(path)
    assert files.scratch == files.kept == []


async def test_what_turns_out_to_be_too_long_is_refused_in_the_middle(files, tmp_path, monkeypatch):
    monkeypatch.setenv("MAX_AUDIO_SECONDS", "60")
    path = wav(tmp_path / "day.wav", sparse=DAY)
    with pytest.raises(chains.InputRejected, match=r"longer than 1:00, the most that is taken\. Cut it"):
        await read(path)
    assert [file.name for file in files.scratch[:2]] == ["part-0.pcm", "part-1.pcm"]
    assert not decoders()


@pytest.mark.parametrize(
    ("given", "first", "last"),
    [
        ({"start": 2.5, "end": 4.0}, 40_000, 64_000),
        ({"end": 3.0}, 0, 48_000),
        ({"start": 10.5}, 168_000, 176_000),
        ({"start": 0.0, "end": 11.0}, 0, 176_000),
    ],
)
async def test_an_excerpt_is_exactly_that_part_of_the_whole(given, first, last, files, tmp_path):
    parts, decoded = await read(SAMPLE, **given)

    assert joined(files, parts) == sample_bytes()[first * 2 : last * 2]
    assert parts[0].first == 0
    assert decoded.samples == last - first
    assert decoded.warnings == []


async def test_nothing_after_an_excerpt_is_decoded(files, tmp_path):
    path = wav(tmp_path / "day.wav", sample_bytes(), sparse=DAY // 2)
    began = time.monotonic()
    _, decoded = await read(path, start=1, end=9)
    assert time.monotonic() - began < 3
    assert decoded.warnings == []


async def test_an_excerpt_that_the_recording_does_not_fill_says_so(files):
    _, decoded = await read(SAMPLE, start=5, end=60)
    assert decoded.samples == 6 * SECOND
    assert decoded.warnings == ["The recording ends at 0:11, so the excerpt ends there too."]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"start": -1.0}, "cannot begin before the recording does. Give a start of 0 or more"),
        ({"start": 5.0, "end": 5.0}, "must end after it begins. Give an end that is later than the start"),
        ({"start": 5.0, "end": 2.0}, "must end after it begins"),
        ({"end": 0.0}, "must end after it begins"),
        ({"end": -3.0}, "must end after it begins"),
        ({"start": float("nan")}, "in seconds"),
        ({"end": float("inf")}, "in seconds"),
        ({"start": 11.5}, r"The recording ends at 0:11\. Choose a start before that"),
        ({"start": 1e300}, r"The recording ends at 0:11\. Choose a start before that"),
    ],
)
async def test_an_excerpt_that_makes_no_sense_is_refused_in_a_sentence(given, sentence, files):
    with pytest.raises(chains.InputRejected, match=sentence):
        await read(SAMPLE, **given)


def test_memory_does_not_grow_with_the_length(tmp_path):
    code = (
        "import asyncio, resource, sys\n"
        "import chainlets as chains\n"
        "from chainlets.chains.transcribe import Decode\n"
        "async def main():\n"
        "    async for _ in Decode().run_remote(chains.File.local(sys.argv[1])): pass\n"
        "asyncio.run(main())\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    ) + PRINT_PEAK_MEMORY

    def peak(minutes: int) -> list[int]:
        path = wav(tmp_path / "long.wav", sample_bytes(), sparse=minutes * 60 * 32_000)
        run = subprocess.run(
            [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return [int(kilobytes) for kilobytes in run.stdout.split()]

    short, long = peak(minutes=5), peak(minutes=120)
    assert all(after - before < 20_000 for before, after in zip(short, long, strict=True))
