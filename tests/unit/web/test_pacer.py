"""Whose calls are next where many runs wait for room under one rate limit."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from webapp.runs.pacer import Waiting, fair_turns

A, B, C = (UUID(int=n) for n in (1, 2, 3))


def waits(run, count, priority="normal"):
    return Waiting(run=run, priority=priority, count=count)


def test_a_run_of_many_calls_leaves_room_for_one_of_few():
    assert fair_turns([waits(A, 10_000), waits(B, 2)], 6, after=None) == {A: 4, B: 2}


def test_it_goes_on_where_it_stopped():
    waiting, last, order = [waits(A, 9), waits(B, 9), waits(C, 9)], None, []
    for _ in range(6):
        (last,) = fair_turns(waiting, 1, after=last)
        order.append(last)
    assert order == [A, B, C, A, B, C]


def test_runs_of_high_priority_come_first():
    waiting = [waits(A, 5, "low"), waits(B, 5), waits(C, 2, "high")]
    assert fair_turns(waiting, 4, after=C) == {C: 2, B: 2}
    assert fair_turns(waiting, 12, after=C) == {C: 2, B: 5, A: 5}


def test_without_room_nobody_is_next():
    assert fair_turns([waits(A, 3)], 0, after=None) == {}
    assert fair_turns([waits(A, 3)], -2, after=None) == {}


@given(
    st.dictionaries(st.uuids(), st.integers(1, 20), max_size=8), st.integers(0, 60), st.none() | st.uuids()
)
def test_room_is_used_as_far_as_somebody_waits_and_evenly(counts, room, after):
    turns = fair_turns([waits(run, count) for run, count in counts.items()], room, after=after)
    assert sum(turns.values()) == min(room, sum(counts.values()))
    for run, count in counts.items():
        got = turns.get(run, 0)
        assert got <= count
        assert got == count or got >= max(turns.values(), default=0) - 1
