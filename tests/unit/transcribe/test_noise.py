import pytest

from chainlets.chains.transcribe.noise import loud_gaps, loud_gaps_in_words
from chainlets.chains.transcribe.split import FRAME

SECOND = 16_000


def levels(*stretches: tuple[int, int]) -> bytes:
    """Each stretch is a level and how many seconds it holds."""
    return b"".join(bytes([level]) * (seconds * SECOND // FRAME) for level, seconds in stretches)


@pytest.mark.parametrize(
    ("stretches", "speech", "expected"),
    [
        ([(190, 30)], [(0, 30)], []),
        ([(190, 10), (60, 30), (190, 10)], [(0, 10), (40, 50)], []),  # silence
        ([(190, 10), (185, 30), (190, 10)], [(0, 10), (40, 50)], [(10, 40)]),
        ([(190, 10), (185, 10), (190, 10)], [(0, 10), (20, 30)], []),  # short
        ([(225, 10), (160, 30), (225, 10)], [(0, 10), (40, 50)], []),  # soft beside the speech
        ([(185, 20), (190, 10), (185, 20)], [(20, 30)], [(0, 20), (30, 50)]),
    ],
)
def test_loud_stretches_without_speech_are_found(stretches, speech, expected):
    sound = levels(*stretches)
    spans = [(first * SECOND, last * SECOND) for first, last in speech]
    samples = sum(seconds for _, seconds in stretches) * SECOND
    assert loud_gaps(spans, sound, samples=samples) == [
        (first * SECOND, last * SECOND) for first, last in expected
    ]


def test_they_are_told_in_times_of_the_recording():
    gaps = [(190 * SECOND, 240 * SECOND)]
    assert loud_gaps_in_words(gaps, offset=60.0) == (
        "Music or noise without speech at 4:10–5:00: nothing is written there."
    )
    assert "and 2 more places" in loud_gaps_in_words(gaps * 7, offset=0.0)
    assert loud_gaps_in_words([], offset=0.0) == ""
