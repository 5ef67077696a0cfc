"""Rates: how they are written, and that they are kept to whatever comes when."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainlets as chains
from chainlets import ChainletOptions
from chainlets.rates import Rate, next_room_at, read_rate, room, room_at, with_one_more

HOUR = Rate(most=3, window_s=3600.0)


@pytest.mark.parametrize(
    ("text", "most", "window_s"),
    [("10/s", 10, 1), ("100/m", 100, 60), ("5000/h", 5000, 3600), ("1/d", 1, 86_400)],
)
def test_a_rate_is_a_number_of_calls_and_a_unit_of_time(text, most, window_s):
    assert read_rate(text) == Rate(most=most, window_s=window_s)
    assert ChainletOptions(fleet_rate_limit=text).fleet_rate_limit == text


@pytest.mark.parametrize(
    "text", ["", "10", "10/", "/s", "0/s", "-1/s", "1.5/s", "10/sec", "10 / s", "٣/s", "10/s\n"]
)
def test_whatever_else_is_refused_when_the_class_is_defined_with_what_to_write(text):
    with pytest.raises(ValueError, match=r'fleet_rate_limit: .* is no rate\. Write .*"10/s", "100/m"'):
        ChainletOptions(fleet_rate_limit=text)


def test_a_number_is_no_rate():
    with pytest.raises(ValueError, match="fleet_rate_limit"):
        ChainletOptions(fleet_rate_limit=10)


rates = st.builds(
    Rate, most=st.integers(1, 12) | st.integers(150, 260), window_s=st.sampled_from([1.0, 60.0, 3600.0])
)
# Pauses as parts of the window, from none to more than one.
pauses = st.lists(st.floats(0, 0.2) | st.just(0.0) | st.floats(0, 1.5), max_size=400)


@given(rate=rates, pauses=pauses, begin=st.floats(0, 2e9))
def test_there_are_never_more_starts_in_any_window_and_none_waits_much_longer_than_it_must(
    rate, pauses, begin
):
    now, kept, begun = begin, [], []
    for pause in pauses:
        now += pause * rate.window_s
        if room(rate, kept, now=now):
            assert room_at(rate, kept, now=now) == now
            kept = with_one_more(rate, kept, now=now)
            begun.append(now)
        else:
            then = room_at(rate, kept, now=now)
            assert then > now
            assert room(rate, kept, now=then) > 0
            assert then <= begun[-rate.most] + rate.window_s * 1.0100001
            assert next_room_at(rate, kept, now=now) == then
        assert len(kept) <= 102
    for first, after in zip(begun, begun[rate.most :], strict=False):
        assert after >= first + rate.window_s


def test_room_comes_back_one_by_one():
    kept = []
    for now in (0.0, 600.0, 1200.0):
        kept = with_one_more(HOUR, kept, now=now)
    assert (room(HOUR, kept, now=3599.0), room_at(HOUR, kept, now=3599.0)) == (0, 3600.0)
    assert (room(HOUR, kept, now=3600.0), next_room_at(HOUR, kept, now=3600.0)) == (1, 4200.0)
    assert room(HOUR, kept, now=4800.0) == 3
    assert next_room_at(HOUR, kept, now=9000.0) == 12_600.0


def test_a_smaller_rate_than_before_waits_until_enough_have_gone():
    kept = []
    for now in (0.0, 600.0, 1200.0):
        kept = with_one_more(HOUR, kept, now=now)
    assert room_at(Rate(most=1, window_s=3600.0), kept, now=1300.0) == 4800.0


def test_a_clock_that_was_set_back_closes_the_door_for_one_window_at_most():
    kept = [[10_000.0, 3]]
    assert room(HOUR, kept, now=100.0) == 0
    assert room_at(HOUR, kept, now=100.0) == 3700.0


class Elsewhere(chains.ChainletBase):
    """What a service elsewhere allows five times a second."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(predict_concurrency=20), options=ChainletOptions(fleet_rate_limit="5/s")
    )

    async def run_remote(self, number: int) -> float:
        return time.monotonic()


class Asks(chains.ChainletBase):
    """Asks it often."""

    def __init__(self, elsewhere: Elsewhere = chains.depends(Elsewhere)) -> None:
        self._elsewhere = elsewhere

    async def run_remote(self, count: int) -> list[float]:
        return list(await asyncio.gather(*(self._elsewhere.run_remote(n) for n in range(count))))


async def test_a_strict_local_run_keeps_to_it():
    with chains.run_local(strict=True):
        begun = sorted(await Asks().run_remote(13))
    assert begun[4] - begun[0] < 0.5
    for first, after in zip(begun, begun[5:], strict=False):
        assert after - first > 0.95
    assert begun[-1] - begun[0] < 3.5
