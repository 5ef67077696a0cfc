import pytest

from chainlets.chains.transcribe.join import in_order, likeliest, places_to_ask, whole_text
from chainlets.chains.transcribe.types import Heard, Segment


def heard(*segments: tuple[float, float, str]) -> Heard:
    listed = [Segment(start=start, end=end, text=text) for start, end, text in segments]
    return Heard(model="base", multilingual=True, segments=listed)


def test_pieces_are_joined_without_overlap():
    joined = in_order([heard((0, 2, "a"), (2, 5, "b")), heard(), heard((4.5, 6, "c"), (5, 5.5, "d"))])
    assert [(segment.start, segment.end, segment.text) for segment in joined] == [
        (0, 2, "a"),
        (2, 5, "b"),
        (5, 6, "c"),
        (6, 6, "d"),
    ]


@pytest.mark.parametrize(("language", "text"), [("en", "Hello there."), ("ja", "Hellothere.")])
def test_text_is_joined_as_its_language_is_written(language, text):
    assert whole_text(heard((0, 1, "Hello"), (1, 2, "there.")).segments, language=language) == text


def test_the_language_is_what_several_places_agree_on():
    assert likeliest([{"cy": 0.9, "en": 0.1}, {"en": 0.9}, {"en": 0.8}]) == ("en", 0.6)


def test_a_tie_always_ends_the_same_way():
    assert likeliest([{"nl": 0.5, "de": 0.5}])[0] == "de"


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [([], []), ([5], [0]), ([1, 9], [0, 1]), ([1, 5, 1, 1, 7, 1, 2, 1, 1, 1, 1, 6], [1, 4, 6, 11])],
)
def test_the_language_is_asked_for_all_over_the_file(lengths, expected):
    assert places_to_ask(lengths) == expected
