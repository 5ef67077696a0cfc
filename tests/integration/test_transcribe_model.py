"""The chain with the real voice model and real Whisper models, in this process."""

import asyncio
import json
import subprocess
import sys
import wave
from itertools import pairwise

import jiwer
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

import chainlets as chains
from chainlets.chains.excerpt import Excerpt
from chainlets.chains.transcribe import Decode, SpeechDetector, Transcribe, WhisperModel
from chainlets.chains.transcribe.types import Transcript
from chainlets.chains.transcribe.weights import ModelUnavailable
from tests.harness import ROOT
from tests.integration.transcribe_sounds import PRINT_PEAK_MEMORY, SAMPLE, noise, sample_bytes, wav

SAID = "ask not what your country can do for you"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder for assembled models."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def model(models, monkeypatch):
    """Chooses the model for the test."""

    def choose(name: str) -> None:
        monkeypatch.setenv("CHAINLETS_MODELS_DIR", str(models))
        monkeypatch.setenv("WHISPER_MODEL", name)

    return choose


def transcribe(path, **options) -> Transcript:
    async def run() -> Transcript:
        with chains.run_local():
            return await Transcribe().run_remote(chains.File.local(path), **options)

    return asyncio.run(run())


def word_errors(reference: str, hypothesis: str) -> float:
    normal = EnglishTextNormalizer()
    return jiwer.wer(normal(reference), normal(hypothesis))


@pytest.mark.parametrize("name", ["tiny.en", "base"])
def test_the_sample_is_transcribed(name, model):
    model(name)
    transcript = transcribe(SAMPLE)
    assert SAID in transcript.text
    assert (transcript.language, transcript.model, transcript.duration) == ("en", name, 11.0)
    assert transcript.language_probability > 0.9
    assert transcript.warnings == []
    times = [time for segment in transcript.segments for time in (segment.start, segment.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < 1
    assert 9.5 < times[-1] <= 11  # what is heard of the last word differs a little between processors
    assert all(0 < segment.confidence <= 1 for segment in transcript.segments)


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (bytes(30 * 32_000), "silence"),
        (noise(30, loudness=0.003), "a quiet room"),
        (noise(30, loudness=0.2), "a waterfall"),
        (bytes(2), "one sample"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_invented_where_nobody_speaks(samples, what, model, tmp_path):
    model("tiny.en")
    transcript = transcribe(wav(tmp_path / "quiet.wav", samples))
    assert (transcript.text, transcript.segments) == ("", []), what
    assert transcript.warnings == ["No speech was found."]


def test_times_count_from_the_start_of_the_file(model, tmp_path):
    model("tiny.en")
    silence = bytes(60 * 32_000)
    transcript = transcribe(wav(tmp_path / "late.wav", silence + sample_bytes() + silence + sample_bytes()))
    starts = [segment.start for segment in transcript.segments if "fellow Americans" in segment.text]
    assert starts == [pytest.approx(60, abs=1), pytest.approx(131, abs=1)]
    assert transcript.text.count(SAID) == 2


def test_a_file_that_was_cut_off_is_transcribed_as_far_as_it_goes(model, tmp_path):
    model("tiny.en")
    path = wav(tmp_path / "cut.wav", sample_bytes()[: 5 * 32_000], claims=36_000 * 32_000)
    transcript = transcribe(path)
    assert "fellow Americans" in transcript.text
    assert transcript.duration == 5.0
    assert transcript.warnings == ["The file says it is 10:00:00 long, but only 0:05 could be decoded."]


def test_a_model_that_knows_only_english_says_so(model):
    model("tiny.en")
    with pytest.raises(chains.InputRejected, match=r"tiny\.en knows only English"):
        transcribe(SAMPLE, language="de")


def test_the_same_call_gives_the_same_answer(model):
    model("tiny.en")
    assert transcribe(SAMPLE).segments == transcribe(SAMPLE).segments


def test_the_language_of_german_speech_is_found_out(speech_dir, model, tmp_path):
    model("base")

    async def german_part() -> chains.File:
        with chains.run_local():
            return await Excerpt().run_remote(chains.File.local(speech_dir / "multilingual.mp3"), 30.0, 59.0)

    transcript = transcribe(asyncio.run(german_part()).path())
    assert transcript.language == "de"
    assert "Software" in transcript.text


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("base", 0.14), ("tiny.en", 0.19)])
def test_six_minutes_are_written_down_about_as_well_as_by_the_model_alone(name, most, speech_dir, model):
    model(name)
    transcript = transcribe(speech_dir / "six-minutes.flac")
    references = json.loads((speech_dir / "references.json").read_text())
    said = " ".join(segment["ref"] for segment in references["six_minutes"]["segments"])
    assert word_errors(said, transcript.text) < most
    assert all(earlier.end <= later.start for earlier, later in pairwise(transcript.segments))


@pytest.mark.slow
def test_memory_of_the_search_for_speech_does_not_grow_with_the_length(tmp_path):
    code = (
        "import asyncio, sys, chainlets as chains\n"
        "from chainlets.chains.transcribe import SpeechDetector\n"
        "from chainlets.chains.transcribe.types import Part\n"
        "with chains.run_local():\n"
        "    pcm = chains.File.local(sys.argv[1])\n"
        "    part = Part(pcm=pcm, first=0, samples=pcm.size // 2)\n"
        "    frames = asyncio.run(SpeechDetector().run_remote(part))\n"
        "print(len(frames.decoded()[0]))\n"
    ) + PRINT_PEAK_MEMORY

    def frames_and_peak(minutes: int) -> list[int]:
        (tmp_path / "long.pcm").write_bytes(sample_bytes() * (minutes * 60 // 11))
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "long.pcm")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return [int(value) for value in run.stdout.split()]

    (few, small), (many, large) = frames_and_peak(minutes=4), frames_and_peak(minutes=40)
    assert many > 8 * few
    assert large - small < 20_000  # kilobytes


def test_an_excerpt_is_a_wav_file_of_that_part():
    async def run() -> chains.File:
        with chains.run_local():
            return await Excerpt().run_remote(chains.File.local(SAMPLE), 3.0, 8.0)

    excerpt = asyncio.run(run())
    assert (excerpt.name, excerpt.media_type) == ("jfk 0.03-0.08.wav", "audio/wav")
    with wave.open(str(excerpt.path())) as read:
        assert read.getnframes() / read.getframerate() == pytest.approx(5.0, abs=0.01)
        first = read.readframes(1)
    assert first == bytes(2)  # it fades in


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        (-1.0, 3.0, "cannot begin before the recording"),
        (3.0, 3.0, "must end after it begins"),
        (3.0, 1.0, "must end after it begins"),
        (0.0, 601.0, "10:00 long at most"),
        (float("nan"), 1.0, "in seconds"),
        (0.0, float("inf"), "in seconds"),
        (20.0, 30.0, "The recording ends at 0:11"),
    ],
)
def test_an_excerpt_that_makes_no_sense_is_refused(start, end, sentence):
    async def run() -> None:
        with chains.run_local():
            await Excerpt().run_remote(chains.File.local(SAMPLE), start, end)

    with pytest.raises(chains.InputRejected, match=sentence):
        asyncio.run(run())


def test_chainlets_ask_for_the_hardware_they_need():
    assert WhisperModel.remote_config.compute.gpu == "any"
    assert [
        chainlet.remote_config.compute.gpu for chainlet in (Transcribe, Decode, SpeechDetector, Excerpt)
    ] == [None] * 4


def test_a_model_whose_files_are_damaged_says_which(model, models, tmp_path):
    model("tiny.en")
    transcribe(SAMPLE)  # puts the model together
    for file in (models / "tiny.en").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:1_000_000])
    model(str(tmp_path))
    with pytest.raises(ModelUnavailable, match=f"The model in {tmp_path} could not be loaded"):
        transcribe(SAMPLE)
