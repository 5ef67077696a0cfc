import pytest

from chainlets.chains.transcribe.placing import placed, seconds_in_file, seconds_of_window
from chainlets.chains.transcribe.spelling import TimedWord
from chainlets.chains.transcribe.types import Piece

SPANS = [(160_000, 192_000), (320_000, 368_000)]  # 10 to 12 s and 20 to 23 s


@pytest.mark.parametrize(
    ("seconds", "is_end", "expected"),
    [
        (0.0, False, 10.0),
        (1.5, False, 11.5),
        (2.0, True, 12.0),  # where two spans meet, an end stays with the earlier
        (2.0, False, 20.0),  # and a start goes to the later
        (2.5, False, 20.5),
        (5.0, True, 23.0),
        (99.0, True, 23.0),
    ],
)
def test_times_are_carried_over_the_silence_left_out(seconds, is_end, expected):
    assert seconds_in_file(seconds, SPANS, is_end=is_end) == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ((160_000, 192_000), (0.0, 2.0)),
        ((176_000, 184_000), (1.0, 1.5)),
        ((336_000, 368_000), (3.0, 5.0)),
        ((300_000, 336_000), (2.0, 3.0)),  # as far as the window holds it
    ],
)
def test_parts_of_the_file_are_found_in_the_window(part, expected):
    assert seconds_of_window(part, SPANS) == expected


def test_words_are_drawn_off_the_silence_that_they_reach_into():
    piece = Piece(spans=SPANS, speech=[(163_200, 188_800), (324_800, 364_800)])  # 10.2–11.8 and 20.3–22.8 s
    words = [
        TimedWord(start=0.0, end=1.0, text=" One", confidence=0.91234),
        TimedWord(start=1.0, end=2.2, text=" two."),
        TimedWord(start=2.2, end=5.0, text=" Three."),
    ]
    assert [(word.start, word.end, word.text, word.confidence) for word in placed(words, piece)] == [
        (10.2, 11.0, "One", 0.912),
        (11.0, 11.8, "two.", None),
        (20.3, 22.8, "Three.", None),
    ]


def test_the_first_and_the_last_word_of_a_stretch_reach_to_its_ends():
    piece = Piece(spans=[(0, 160_000)], speech=[(16_000, 80_000)])  # 1 to 5 s
    words = [
        TimedWord(start=1.4, end=2.0, text="a"),
        TimedWord(start=2.0, end=3.0, text="b"),
        TimedWord(start=3.0, end=4.5, text="c"),
    ]
    assert [(word.start, word.end) for word in placed(words, piece)] == [(1.0, 2.0), (2.0, 3.0), (3.0, 5.0)]


def test_a_word_does_not_reach_over_speech_that_it_cannot_be():
    piece = Piece(spans=[(0, 160_000)], speech=[(0, 160_000)])
    (word,) = placed([TimedWord(start=4.0, end=4.5, text="a")], piece)
    assert (word.start, word.end) == (4.0, 4.5)


def test_words_never_run_backwards():
    piece = Piece(spans=[(0, 160_000)], speech=[(0, 160_000)])
    words = [TimedWord(start=1.0, end=3.0, text="a"), TimedWord(start=2.0, end=2.5, text="b")]
    assert [(word.start, word.end) for word in placed(words, piece)] == [(1.0, 3.0), (3.0, 3.0)]
