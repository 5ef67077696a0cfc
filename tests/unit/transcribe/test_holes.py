import pytest

from chainlets.chains.transcribe.holes import holes
from chainlets.chains.transcribe.spelling import TimedWord


def said(*times: tuple[float, float, str]) -> list[TimedWord]:
    return [TimedWord(start=start, end=end, text=text) for start, end, text in times]


@pytest.mark.parametrize(
    ("words", "speech", "expected"),
    [
        ([], [(1.0, 4.0)], [(1.0, 4.0)]),
        ([], [(1.0, 2.0)], []),  # too short to matter
        (said((0.0, 0.5, "so"), (0.5, 1.0, "it"), (1.0, 1.5, "is")), [(0.0, 1.5)], []),
        (said((0.0, 0.5, "so"), (3.0, 3.5, "is")), [(0.0, 3.5)], [(0.5, 3.0)]),
        (said((0.0, 0.5, "so")), [(0.0, 0.6), (2.0, 5.0)], [(2.0, 5.0)]),
        (said((0.0, 4.0, "so"), (4.0, 4.5, "is")), [(0.0, 4.5)], [(0.0, 3.5)]),  # nobody says “so” for 4 s
        (said((0.0, 0.5, "so"), (0.5, 4.5, "is")), [(0.0, 4.5)], [(1.0, 4.5)]),
    ],
)
def test_speech_without_words_is_a_hole(words, speech, expected):
    assert holes(words, speech, shortest=1.2) == expected
