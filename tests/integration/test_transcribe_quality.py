"""How right the chain is: nothing invented, words at their times, and the same text whoever else is heard."""

import asyncio
import json
import math
from array import array

import numpy as np
import pytest

import chainlets as chains
from chainlets.chains.transcribe import Transcribe
from chainlets.chains.transcribe.types import Transcript
from tests.integration.transcribe_sounds import sample_bytes, wav

SECOND = 16_000


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder for assembled models."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(autouse=True)
def _tiny(models, monkeypatch):
    monkeypatch.setenv("CHAINLETS_MODELS_DIR", str(models))
    monkeypatch.setenv("WHISPER_MODEL", "tiny.en")


def transcribe(*paths, together: bool = False, **options) -> list[Transcript]:
    """Transcripts of files by one chain, all at once or one after the other."""

    async def run() -> list[Transcript]:
        with chains.run_local():
            chain = Transcribe()
            calls = [chain.run_remote(chains.File.local(path), **options) for path in paths]
            return list(await asyncio.gather(*calls)) if together else [await call for call in calls]

    return asyncio.run(run())


def colored(power: float, seconds: int = 30, loudness: float = 0.1) -> bytes:
    """Noise whose power falls with that power of the frequency: 0 white, 1 pink, 2 brown."""
    chance = np.random.default_rng(1)
    spectrum = np.fft.rfft(chance.standard_normal(seconds * SECOND))
    frequency = np.arange(len(spectrum)) + 1.0
    samples = np.fft.irfft(spectrum / frequency ** (power / 2))
    return (samples / np.abs(samples).max() * loudness * 32_767).astype(np.int16).tobytes()


def tones(*hertz: float, seconds: int = 30) -> bytes:
    wave = (
        sum(math.sin(2 * math.pi * pitch * at / SECOND) for pitch in hertz) * 6_000 / len(hertz)
        for at in range(seconds * SECOND)
    )
    return array("h", [round(value) for value in wave]).tobytes()


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
def test_nothing_is_invented_over_silence_noise_and_tones(quality, tmp_path):
    sounds = {
        "zeros": bytes(30 * 2 * SECOND),
        "white": colored(0),
        "pink": colored(1),
        "brown": colored(2),
        "loud brown": colored(2, loudness=0.9),
        "tone": tones(440),
        "chord": tones(261.6, 329.6, 392.0),
        "hum": tones(50, 100, 150),
    }
    paths = [wav(tmp_path / f"{name}.wav", samples) for name, samples in sounds.items()]
    texts = [transcript.text for transcript in transcribe(*paths, quality=quality)]
    assert dict(zip(sounds, texts, strict=True)) == dict.fromkeys(sounds, "")


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
def test_nothing_is_invented_in_a_long_gap_between_two_utterances(quality, tmp_path):
    gap = colored(1, seconds=40, loudness=0.005)
    path = wav(tmp_path / "gap.wav", sample_bytes() + gap + sample_bytes())
    (transcript,) = transcribe(path, quality=quality)
    words = [word for segment in transcript.segments for word in segment.words]
    assert transcript.text.lower().count("not what your country can do for you") == 2
    assert 2 * 21 <= len(words) <= 2 * 22  # the small model may miss a word, but none may come to it
    assert not [word for word in words if 11.5 < (word.start + word.end) / 2 < 51]


def test_music_in_a_recording_is_named_and_not_written_down(tmp_path):
    path = wav(tmp_path / "concert.wav", sample_bytes() + tones(261.6, 329.6, 392.0) + sample_bytes())
    (transcript,) = transcribe(path)
    assert len(transcript.warnings) == 1
    assert transcript.warnings[0].startswith("Music or noise without speech at 0:1")


def test_an_excerpt_is_the_words_of_that_part_at_their_times(tmp_path):
    path = wav(tmp_path / "three.wav", sample_bytes() * 3)
    (whole,) = transcribe(path)
    (part,) = transcribe(path, excerpt=(11.0, 22.0))
    assert part.duration == 11.0
    (segment,) = part.segments
    assert segment.text.lower().count("ask not what your country") == 1
    again = [word for one in whole.segments for word in one.words if 11 <= word.start < 22]
    assert segment.start == pytest.approx(again[0].start, abs=0.1)
    assert segment.end == pytest.approx(again[-1].end, abs=0.1)


def test_small_files_at_once_are_each_what_they_are_alone(speech_dir):
    references = json.loads((speech_dir / "references.json").read_text())
    paths = [speech_dir / clip["file"] for clip in references["clips"]]
    alone, together = transcribe(*paths), transcribe(*paths, together=True)
    assert [one.segments for one in together] == [one.segments for one in alone]


@pytest.mark.slow
def test_words_lie_where_they_are_said(speech_dir, monkeypatch):
    """Against where the energy of each utterance rises above its own quiet and falls back to it."""
    monkeypatch.setenv("WHISPER_MODEL", "base")
    from faster_whisper.audio import decode_audio

    references = json.loads((speech_dir / "references.json").read_text())
    off = []
    for name in ("six_minutes", "four_minutes"):
        path = speech_dir / references[name]["file"]
        (transcript,) = transcribe(path, language="en")
        words = [word for segment in transcript.segments for word in segment.words]
        sound = decode_audio(str(path))
        for utterance in references[name]["segments"]:
            start, end = utterance["start"], utterance["end"]
            onset, close = edges(sound[round(start * SECOND) : round(end * SECOND)])
            inside = [word for word in words if start - 0.15 <= (word.start + word.end) / 2 <= end + 0.15]
            off += [abs(inside[0].start - start - onset), abs(inside[-1].end - start - close)]
    assert len(off) == 140
    assert np.median(off) <= 0.12
    assert np.percentile(off, 90) <= 0.4


def edges(sound) -> tuple[float, float]:
    """Seconds at which the speech in an utterance begins and ends, by the energy of 20 ms."""
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    decibels = 20 * np.log10(np.sqrt((frames**2).mean(axis=1)) + 1e-9)
    quiet, loud = np.percentile(decibels, [5, 95])
    above = decibels > quiet + 0.35 * (loud - quiet)
    lasting = [at for at in range(len(above) - 2) if above[at : at + 3].all()]
    return lasting[0] * 0.02, (lasting[-1] + 3) * 0.02
