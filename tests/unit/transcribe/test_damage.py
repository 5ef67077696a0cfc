"""What is missing in a recording, told from its packets and its clock."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from chainlets.chains.transcribe.decode_child import Damage, Place


def stream(start=0):
    return SimpleNamespace(start_time=start, time_base=Fraction(1, 1000))


def frame(at, seconds=1.0):
    return SimpleNamespace(time=at, samples=round(seconds * 16_000), sample_rate=16_000)


class Packet(SimpleNamespace):
    time_base = Fraction(1, 1000)

    def __bytes__(self):
        return self.content

    @property
    def size(self):
        return len(self.content)


def packet(content=b"x" * 100, duration=1000):
    return Packet(content=content, duration=duration)


def after_damage(frames, *, of="mov", bad=None):
    """What is found at the frame that follows, after good ones and a bad packet."""
    damage = Damage(of, stream())
    *before, last = frames
    for one in before:
        assert damage.before(one) is None
        damage.learn(packet())
    damage.meet(bad or packet())
    return damage.before(last)


def test_at_a_damaged_place_as_much_is_missing_as_the_clock_says():
    assert after_damage([frame(0.0), frame(3.5)]) == Place(missing=2.5, filled=2.5, early=False)


def test_damage_at_the_beginning_counts_from_where_the_stream_starts():
    assert after_damage([frame(2.0)]) == Place(missing=2.0, filled=2.0, early=False)


def test_a_packet_that_fails_and_leaves_nothing_out_is_no_damage():
    assert after_damage([frame(0.0), frame(1.0)]) is None
    assert after_damage([frame(5.0), frame(1.0)]) is None


def test_no_more_than_a_minute_of_silence_stands_for_what_is_missing():
    assert after_damage([frame(0.0), frame(101.0)]) == Place(missing=100.0, filled=60.0, early=True)


def test_without_a_clock_nothing_is_put_in():
    assert after_damage([frame(None), frame(None)]) == Place(missing=1.0, filled=0.0, early=True)


def test_frames_without_a_time_go_on_from_those_before():
    assert after_damage([frame(0.0), frame(None), frame(4.0)]).filled == 2.0


@pytest.mark.parametrize("of", ["mov", "asf", "mp3", "wav"])
def test_where_nothing_is_damaged_a_clock_may_say_what_it_likes(of):
    damage = Damage(of, stream())
    assert [damage.before(frame(at)) for at in (0.0, 5.0, 3.0, 9000.0)] == [None] * 4


@pytest.mark.parametrize("of", ["ogg", "flac", "matroska"])
def test_where_damage_is_left_out_without_a_word_the_leap_of_the_clock_tells(of):
    damage = Damage(of, stream())
    found = [damage.before(frame(at)) for at in (30.0, 31.0, 34.0, 35.05, 4000.0)]
    assert found == [None, None, Place(missing=2.0, filled=2.0, early=False), None, None]


def test_bytes_that_hold_no_frame_are_no_time_to_a_clock_that_counts_frames():
    bad = packet(b"?" * 500, duration=1000)
    place = after_damage([frame(0.0), frame(1.0), frame(3.0)], of="mp3", bad=bad)
    assert place == Place(missing=5.0, filled=1.0, early=True)


def test_tags_between_joined_files_are_not_missed():
    tag = packet(b"ID3\x04" + bytes(5000))
    assert after_damage([frame(0.0), frame(2.0)], of="mp3", bad=tag) is None


def test_what_cannot_be_read_is_damage_too():
    damage = Damage("mov", stream())
    damage.before(frame(0.0))
    damage.meet(None)
    assert damage.before(frame(4.0)).filled == 3.0


def test_after_the_last_frame_only_the_packets_tell_what_is_missing():
    damage = Damage("mov", stream())
    damage.before(frame(0.0))
    assert damage.at_end() is None
    damage.meet(packet(duration=500))
    assert damage.at_end() == Place(missing=0.5, filled=0.0, early=False)


def test_places_close_to_each_other_are_one_and_ten_are_named():
    damage = Damage("mov", stream())
    for at in range(0, 240, 20):
        for second in (at, at + 2, at + 4):
            damage.note(Place(missing=0.5, filled=0.5, early=at == 20), second, named=at != 0)
    told = damage.as_json()
    assert told == {"places": list(range(20, 220, 20)), "more": 1, "seconds": 16.5, "early": True}
