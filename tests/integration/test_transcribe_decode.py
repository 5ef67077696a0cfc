import json
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

import chainlets as chains
from chainlets.chains.transcribe import decode_child
from chainlets.chains.transcribe.decode import Limits, Sound, decode_file
from tests.harness import ROOT
from tests.integration.transcribe_sounds import (
    ENCODINGS,
    PRINT_PEAK_MEMORY,
    SAMPLE,
    SAMPLE_SECONDS,
    encode,
    flac_that_claims,
    has_encoder,
    loudness,
    sample_bytes,
    wav,
)

DAY = 24 * 3600 * 32_000  # bytes of 16-bit samples at 16 kHz


@pytest.fixture
def decode(tmp_path):
    """Decodes a file with whatever options; afterwards `tmp_path` holds audio.pcm and peaks.json."""

    def run(path: Path, **options) -> Sound:
        return decode_file(path, pcm=tmp_path / "audio.pcm", peaks=tmp_path / "peaks.json", **options)

    return run


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The sample in every container and codec, by name."""
    folder = tmp_path_factory.mktemp("good")
    return {name: encode(name, folder) for name in ENCODINGS if has_encoder(name)}


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_container_and_codec_is_decoded_to_the_same_sound(name, good, decode, tmp_path):
    if name not in good:
        pytest.skip(f"FFmpeg has no encoder for {ENCODINGS[name][0]}")
    sound = decode(good[name])
    assert sound.samples / 16_000 == pytest.approx(SAMPLE_SECONDS, abs=0.15)
    assert sound.warnings == []
    assert (tmp_path / "audio.pcm").stat().st_size == sound.samples * 2
    decoded = np.fromfile(tmp_path / "audio.pcm", dtype=np.int16)
    original = np.frombuffer(sample_bytes(), dtype=np.int16)
    if name.endswith(".wma"):
        original = original[46 * 16 :]  # FFmpeg's decoder makes nothing of the first frame
    pairs = zip(loudness(decoded), loudness(original), strict=False)
    assert np.corrcoef(np.array(list(pairs)).T)[0, 1] > 0.9


def test_the_outline_has_fifty_heights_a_second_and_fewer_for_long_files(decode, tmp_path):
    decode(SAMPLE)
    short = json.loads((tmp_path / "peaks.json").read_text())
    assert (short["per_second"], len(short["peaks"])) == (50.0, 550)
    assert 50 < max(short["peaks"]) <= 100

    decode(wav(tmp_path / "long.wav", sample_bytes(), sparse=3600 * 32_000))
    long = json.loads((tmp_path / "peaks.json").read_text())
    assert len(long["peaks"]) <= 8_000
    assert len(long["peaks"]) / long["per_second"] == pytest.approx(3611, abs=1)
    assert max(long["peaks"][:20]) == max(short["peaks"])
    assert max(long["peaks"][-100:]) == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"This is a letter and no recording. " * 100, "This file is not audio"),
        (bytes(10_000), "This file is not audio"),
        (b"ffconcat version 1.0\nfile secret/other.wav\n", "This file is not audio"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "This file is not audio"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 40000 RTP/AVP 0\n", "This file is not audio"),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(500), "cannot be read as audio"),
        (b"fLaC" + bytes(500), "cannot be read as audio"),
        (b"OggS\x00\x02" + bytes(500), "cannot be read as audio"),
    ],
)
def test_what_is_not_audio_is_refused_in_a_sentence(content, sentence, decode, tmp_path):
    path = tmp_path / "upload.mp3"
    path.write_bytes(content)
    with pytest.raises(chains.InputRejected, match=sentence):
        decode(path)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"rate": 1}, "a sample rate of 1 Hz"),
        ({"rate": 3_999}, "a sample rate of 3999 Hz"),
        ({"rate": 384_000}, "a sample rate of 384000 Hz"),
        ({"rate": 0}, "cannot be read as audio"),
        ({"channels": 9}, "9 channels"),
        ({"channels": 0}, "no channels"),
        ({"channels": 65_535}, "channels"),
    ],
)
def test_a_header_that_would_blow_up_is_refused_before_any_work(header, sentence, decode, tmp_path):
    began = time.monotonic()
    with pytest.raises(chains.InputRejected, match=sentence):
        decode(wav(tmp_path / "bomb.wav", b"\x00\x01" * 500_000, **header))
    assert time.monotonic() - began < 5
    assert not (tmp_path / "audio.pcm").exists() or (tmp_path / "audio.pcm").stat().st_size == 0


def test_a_header_without_sound_is_refused(decode, tmp_path):
    with pytest.raises(chains.InputRejected, match="No sound could be decoded"):
        decode(wav(tmp_path / "header.wav"))


def test_pictures_alone_are_no_sound(decode, tmp_path):
    import av

    with av.open(str(tmp_path / "film.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        out.mux(stream.encode(None))
    with pytest.raises(chains.InputRejected, match="holds no sound"):
        decode(tmp_path / "film.mp4")


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_header_that_claims_ten_hours_is_not_believed(kind, good, decode, tmp_path):
    if kind == "wav":
        path = wav(tmp_path / "lie.wav", sample_bytes(), claims=36_000 * 32_000)
    else:
        path = flac_that_claims(tmp_path / "lie.flac", good["a.flac"], seconds=36_000)
    told = []
    sound = decode(path, on_progress=lambda done, declared: told.append((done, declared)))
    assert sound.samples / 16_000 == pytest.approx(11.0, abs=0.1)
    assert sound.warnings == ["The file says it is 10:00:00 long, but only 0:11 could be decoded."]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_a_file_that_was_cut_off_is_decoded_as_far_as_it_goes(name, good, decode, tmp_path):
    whole = good[name].read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(whole[: len(whole) // 2])
    sound = decode(path)
    assert 4 < sound.samples / 16_000 < 7
    assert len(sound.warnings) == 1
    assert sound.warnings[0].startswith("The file says it is 0:11 long, but only 0:0")


def test_a_scratch_in_the_middle_does_not_end_the_recording(good, decode, tmp_path):
    scratched = bytearray(good["a.mp3"].read_bytes())
    middle = len(scratched) // 2
    scratched[middle : middle + 8_000] = random.Random(1).randbytes(8_000)
    (tmp_path / "scratched.mp3").write_bytes(scratched)
    sound = decode(tmp_path / "scratched.mp3")
    assert 9 < sound.samples / 16_000 < 11.1
    assert sound.warnings == [
        "Less than a second at 0:05 could not be decoded. Times after that may be early."
    ]


def test_a_recording_that_is_too_long_is_refused_while_decoding(decode, tmp_path):
    path = wav(tmp_path / "day.wav", sparse=DAY)
    began = time.monotonic()
    with pytest.raises(chains.InputRejected, match=r"longer than 1:00, the most that is taken\. Cut it"):
        decode(path, limits=Limits(audio=60.0))
    assert time.monotonic() - began < 5
    assert (tmp_path / "audio.pcm").stat().st_size <= 60 * 32_000


def test_a_part_is_exactly_that_part_of_the_whole(good, decode, tmp_path):
    decode(good["a.mp3"])
    whole = (tmp_path / "audio.pcm").read_bytes()
    sound = decode(good["a.mp3"], span=(2.5, 4.0))
    assert sound.samples == 24_000
    assert (tmp_path / "audio.pcm").read_bytes() == whole[80_000:128_000]


def test_a_file_that_takes_too_long_is_given_up(decode, tmp_path):
    path = wav(tmp_path / "day.wav", sparse=DAY)
    began = time.monotonic()
    with pytest.raises(chains.InputRejected, match="took far longer"):
        decode(path, limits=Limits(wall=0.5))
    assert time.monotonic() - began < 5


def test_a_decoder_that_hangs_is_killed(decode, tmp_path):
    path = wav(tmp_path / "day.wav", sparse=DAY)

    def stop_it() -> None:
        while not (found := decoders(psutil.Process())):
            time.sleep(0.02)
        time.sleep(0.3)
        found[0].suspend()

    stopper = threading.Thread(target=stop_it)
    stopper.start()
    with pytest.raises(chains.InputRejected, match="took far longer"):
        decode(path, limits=Limits(silence=1.0))
    stopper.join()
    assert not decoders(psutil.Process())


def test_a_decoding_nobody_waits_for_is_stopped_at_once(decode, tmp_path):
    path = wav(tmp_path / "day.wav", sparse=DAY)
    began = time.monotonic()
    with pytest.raises(chains.ChainsRuntimeError, match="no longer wanted"):
        decode(path, cancelled=lambda: time.monotonic() - began > 0.5)
    assert time.monotonic() - began < 3
    assert not decoders(psutil.Process())


def test_the_decoder_dies_with_a_worker_that_is_killed(tmp_path):
    path = wav(tmp_path / "day.wav", sparse=DAY)
    code = (
        "from pathlib import Path; from chainlets.chains.transcribe.decode import decode_file;"
        f"decode_file(Path({str(path)!r}), pcm=Path({str(tmp_path / 'pcm')!r}), peaks=Path({str(tmp_path / 'peaks')!r}))"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        wait_until(lambda: decoders(psutil.Process(worker.pid)))
        (decoder,) = decoders(psutil.Process(worker.pid))
    finally:
        worker.kill()
        worker.wait()
    wait_until(lambda: not decoder.is_running() or decoder.status() == psutil.STATUS_ZOMBIE)


def test_the_decoder_sees_none_of_our_settings(monkeypatch, tmp_path, decode):
    monkeypatch.setenv("SECRET_KEY", "canary")
    path = wav(tmp_path / "day.wav", sparse=DAY)
    seen = []

    def look(_done: float, _declared: float | None) -> None:
        seen.extend(child.environ() for child in decoders(psutil.Process()))

    with pytest.raises(chains.ChainsRuntimeError):
        decode(path, on_progress=look, cancelled=lambda: bool(seen))
    assert "canary" not in seen[0].values()


@pytest.mark.parametrize(
    ("format_", "content"),
    [
        ("concat", "ffconcat version 1.0\nfile {neighbour}\n"),
        ("hls", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"),
        ("sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 40000 RTP/AVP 0\n"),
    ],
)
def test_the_opener_itself_follows_nothing_even_if_the_sniff_were_fooled(format_, content, tmp_path):
    wav(tmp_path / "neighbour.wav", sample_bytes())
    path = tmp_path / "upload"
    path.write_text(content.format(neighbour="neighbour.wav"))
    began = time.monotonic()
    with pytest.raises(decode_child.Rejected):
        decode_child.open_safely(str(path), format_)
    assert time.monotonic() - began < 1


def test_damaged_files_of_all_kinds_end_in_sound_or_in_a_sentence(good, tmp_path):
    def attempt(seed: int) -> None:
        chance = random.Random(seed)
        data = bytearray(good[chance.choice(sorted(good))].read_bytes())
        for _ in range(chance.randrange(1, 40)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = folder / "upload"
        path.write_bytes(data[: chance.randrange(len(data) // 2, len(data) + 1)])
        with suppress(chains.InputRejected):  # any other error fails the test
            decode_file(path, pcm=folder / "pcm", peaks=folder / "peaks")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(attempt, range(60)))


def test_memory_does_not_grow_with_the_length(tmp_path):
    code = (
        "import sys, resource\n"
        "from pathlib import Path\n"
        "from chainlets.chains.transcribe.decode import decode_file\n"
        "decode_file(Path(sys.argv[1]), pcm=Path(sys.argv[2]), peaks=Path(sys.argv[3]))\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    ) + PRINT_PEAK_MEMORY

    def peak(minutes: int) -> list[int]:
        path = wav(tmp_path / "long.wav", sample_bytes(), sparse=minutes * 60 * 32_000)
        arguments = [str(path), str(tmp_path / "pcm"), str(tmp_path / "peaks")]
        run = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return [int(kilobytes) for kilobytes in run.stdout.split()]

    short, long = peak(minutes=5), peak(minutes=120)
    assert all(after - before < 20_000 for before, after in zip(short, long, strict=True))


def decoders(process: psutil.Process) -> list[psutil.Process]:
    """The decoding children of a process that are alive."""
    return [
        child
        for child in process.children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and any("decode_child" in part for part in child.cmdline())
    ]


def wait_until(condition) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit, "it did not happen within 20 s"
        time.sleep(0.05)
