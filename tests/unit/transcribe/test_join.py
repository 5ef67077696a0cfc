import pytest

from chainlets.chains.transcribe.join import joined, likeliest, moved, places, whole_text
from chainlets.chains.transcribe.types import Heard, Segment, Word


def heard(*words: tuple[float, float, str], doubtful: bool = False) -> Heard:
    listed = [Word(start=start, end=end, text=text) for start, end, text in words]
    return Heard(model="base", words=listed, doubtful=doubtful)


def test_sentences_go_on_from_one_piece_to_the_next():
    pieces = [heard((0, 1, "Hello"), (1, 2, "to")), heard(), heard((2.1, 3, "you."), (3.2, 4, "Bye."))]
    segments = joined(pieces, language="en", word_times=True)
    assert [(segment.start, segment.end, segment.text) for segment in segments] == [
        (0, 3, "Hello to you."),
        (3.2, 4, "Bye."),
    ]


def test_phrases_without_word_times_stay_as_they_are_and_do_not_overlap():
    pieces = [heard((0, 2, "a"), (2, 5, "b")), heard((4.5, 6, "c"), (5, 5.5, "d"))]
    segments = joined(pieces, language="en", word_times=False)
    assert [(segment.start, segment.end, segment.text) for segment in segments] == [
        (0, 2, "a"),
        (2, 5, "b"),
        (5, 6, "c"),
        (6, 6, "d"),
    ]
    assert all(segment.words == [] for segment in segments)


def test_what_stayed_doubtful_is_marked_and_the_rest_is_not():
    pieces = [heard((0, 1, "Good.")), heard((2, 3, "Bad."), doubtful=True), heard((4, 5, "Fine."))]
    segments = joined(pieces, language="en", word_times=True)
    assert [segment.doubtful for segment in segments] == [False, True, False]


def test_an_excerpt_is_moved_to_its_place_in_the_recording():
    (segment,) = moved(joined([heard((1, 2, "Yes."))], language="en", word_times=True), by=60.5)
    (word,) = segment.words
    assert (segment.start, segment.end, word.start, word.end) == (61.5, 62.5, 61.5, 62.5)


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ([], ""),
        ([61], "1:01"),
        ([61, 3_700], "1:01 and 1:01:40"),
        ([1, 2, 3, 4, 5, 6, 7], "0:01, 0:02, 0:03, 0:04, 0:05 and 2 more places"),
    ],
)
def test_places_are_named_for_people(starts, expected):
    assert places([Segment(start=start, end=start + 1, text="") for start in starts]) == expected


@pytest.mark.parametrize(("language", "text"), [("en", "Hello there."), ("ja", "Hellothere.")])
def test_text_is_joined_as_its_language_is_written(language, text):
    segments = joined([heard((0, 1, "Hello"), (1, 2, "there."))], language=language, word_times=False)
    assert whole_text(segments, language=language) == text


def test_the_language_is_what_several_places_agree_on():
    assert likeliest([{"cy": 0.9, "en": 0.1}, {"en": 0.9}, {"en": 0.8}]) == ("en", 0.6)


def test_a_tie_always_ends_the_same_way():
    assert likeliest([{"nl": 0.5, "de": 0.5}])[0] == "de"
