"""Long recordings with damage in several places: nothing else is lost, and what follows keeps its time."""

import functools
import re
import shutil

import numpy as np
import pytest

from chainlets.chains.transcribe.decode import decode_file
from tests.integration.transcribe_sounds import (
    SAMPLE_SECONDS,
    encode,
    loudness,
    sample_bytes,
    scratch,
)

TIMES = 24  # how often the sample is said: four and a half minutes
SECONDS = SAMPLE_SECONDS * TIMES
PLACES = [30.5, 95.5, 200.5]
LONG = 2.0  # seconds of each place

# name: FFmpeg's demuxer, bytes of each packet that stay, how much more than was broken may be missing at a place
WITH_A_CLOCK = {
    "a.mp3": ("mp3", 12, 0.2),
    "a.aac": ("aac", 12, 0.2),
    "a.flac": ("flac", 0, 0.2),
    "a.opus": ("ogg", 0, 1.2),  # a page is a second
    "vorbis.ogg": ("ogg", 0, 1.7),
    "a.m4a": ("mov", 0, 0.2),
    "a.mka": ("matroska", 0, 6.0),  # a cluster is five seconds
    "a.webm": ("matroska", 0, 6.0),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Whole ones by name, each made once."""
    return functools.cache(lambda name: encode(name, tmp_path_factory.mktemp("whole"), times=TIMES))


@pytest.fixture
def scratched(recordings, tmp_path):
    """Makes a recording with damage."""

    def make(name, places=PLACES, *, seconds=LONG, spare=0):
        path = shutil.copy(recordings(name), tmp_path / name)
        scratch(path, WITH_A_CLOCK[name][0], places, seconds=seconds, spare=spare)
        return path

    return make


@pytest.fixture
def decode(tmp_path):
    """Decodes a file; gives the loudness of each tenth of a second and the warnings."""

    def run(path):
        sound = decode_file(path, pcm=tmp_path / "audio.pcm", peaks=tmp_path / "peaks.json")
        return loudness(np.fromfile(tmp_path / "audio.pcm", dtype=np.int16)), sound.warnings

    return run


def original():
    return loudness(np.frombuffer(sample_bytes() * TIMES, dtype=np.int16))


def best_lag(decoded, wanted):
    """By how many seconds the end of the sound comes too late, at most three."""
    end = wanted[-200:-50]
    lags = range(-30, 31)
    start = len(wanted) - 200
    fits = [np.corrcoef(decoded[start + lag : start + lag + len(end)], end)[0, 1] for lag in lags]
    return lags[int(np.argmax(fits))] / 10


def seconds_of(text):
    minutes, seconds = text.split(":")
    return int(minutes) * 60 + int(seconds)


@pytest.mark.parametrize("name", WITH_A_CLOCK)
def test_what_follows_damage_keeps_its_time_and_nothing_else_is_lost(name, decode, scratched):
    _, spare, more = WITH_A_CLOCK[name]
    decoded, warnings = decode(scratched(name, spare=spare))

    assert len(decoded) / 10 == pytest.approx(SECONDS, abs=0.3)
    wanted = original()
    assert best_lag(decoded, wanted) == pytest.approx(0, abs=0.3)
    heard = np.ones(len(wanted), dtype=bool)
    for place in PLACES:
        heard[int((place - more) * 10) : int((place + LONG + more) * 10) + 1] = False
    heard = heard[: len(decoded)]
    assert np.corrcoef(decoded[: len(heard)][heard], wanted[: len(heard)][heard])[0, 1] > 0.9

    (warning,) = warnings
    found = re.fullmatch(r"About (\d+) s at (\S+), (\S+) and (\S+) could not be decoded\.", warning)
    assert found, warning
    assert [seconds_of(at) for at in found.groups()[1:]] == pytest.approx(PLACES, abs=more + 0.7)
    # Some noise decodes to noise.
    assert 0.5 * LONG * len(PLACES) < int(found[1]) <= (LONG + 2 * more) * len(PLACES) + 0.5


@pytest.mark.parametrize("name", ["a.mp3", "a.aac"])
def test_where_no_frame_is_left_to_count_the_warning_says_that_times_may_be_early(name, decode, scratched):
    decoded, warnings = decode(scratched(name))

    lost = LONG * len(PLACES)
    assert SECONDS - lost - 1.0 < len(decoded) / 10 < SECONDS
    wanted = original()[-int((SECONDS - PLACES[-1] - LONG - 0.5) * 10) :]
    got = decoded[-len(wanted) :]
    assert max(np.corrcoef(np.roll(got, lag), wanted)[0, 1] for lag in (-1, 0, 1)) > 0.9
    assert warnings[-1].endswith("could not be decoded. Times after these places may be early.")
    assert " at 0:30, 1:3" in warnings[-1]


def test_more_places_than_ten_are_counted(decode, scratched):
    path = scratched("a.mp3", [10.5 + 15 * number for number in range(15)], seconds=0.5, spare=12)
    decoded, (warning,) = decode(path)

    assert len(decoded) / 10 == pytest.approx(SECONDS, abs=0.3)
    assert re.fullmatch(r"About \d+ s at 0:10, 0:25, 0:40, .* and 5 more could not be decoded\.", warning)
