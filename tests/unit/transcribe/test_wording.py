import pytest

from chainlets.chains.transcribe.wording import Damage, clock, warnings_about


def about(damage=None, *, seconds=600.0, declared=600.0):
    return warnings_about(seconds=seconds, declared=declared, tolerance=0.02, damage=Damage(**(damage or {})))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"places": [3730.9], "seconds": 0.4}, "Less than a second at 1:02:10 could not be decoded."),
        ({"places": [0.2], "seconds": 1.4}, "About 1 s at 0:00 could not be decoded."),
        (
            {"places": [3730.0, 7803.0], "seconds": 12.4},
            "About 12 s at 1:02:10 and 2:10:03 could not be decoded.",
        ),
        (
            {"places": [10, 20, 30], "seconds": 150, "early": True},
            "About 2 min at 0:10, 0:20 and 0:30 could not be decoded. Times after these places may be early.",
        ),
        (
            {"places": [10], "seconds": 3, "early": True},
            "About 3 s at 0:10 could not be decoded. Times after that may be early.",
        ),
        (
            {"places": list(range(10, 110, 10)), "more": 14, "seconds": 30},
            "About 30 s at 0:10, 0:20, 0:30, 0:40, 0:50, 1:00, 1:10, 1:20, 1:30, 1:40 and 14 more could not be decoded.",
        ),
    ],
)
def test_damage_is_named_by_where_it_is_and_how_much_is_missing(damage, sentence):
    assert about(damage, seconds=9000, declared=9000) == [sentence]


def test_a_recording_that_is_whole_needs_no_words():
    assert about() == about(declared=None) == about(seconds=599.1) == about(seconds=589) == []


def test_what_is_short_and_damaged_is_said_to_be_both():
    assert about({"places": [100.0], "seconds": 2.0}, seconds=300) == [
        "The file says it is 10:00 long, but only 5:00 could be decoded.",
        "About 2 s at 1:40 could not be decoded.",
    ]


def test_half_a_packet_at_the_end_of_what_was_cut_off_is_no_news():
    cut = {"places": [299.9], "seconds": 0.1}
    assert [text[:8] for text in about(cut, seconds=300)] == ["The file"]
    assert [text[:9] for text in about(cut, seconds=300, declared=300)] == ["Less than"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (3661, "1:01:01")]
)
def test_lengths_of_time_are_written_as_people_do(seconds, text):
    assert clock(seconds) == text
