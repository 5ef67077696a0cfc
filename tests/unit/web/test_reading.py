"""What an operator reads of a run."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from webapp.runs.models import Invocation
from webapp.runs.reading import error_chain, in_call_order, moment, pretty, took

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def call(parent=None, name="C"):
    return Invocation(id=uuid4(), parent=parent, chainlet=name)


def test_calls_stand_below_their_caller():
    root = call(name="root")
    first, second = call(root, "first"), call(root, "second")
    below = call(first, "below")
    rows = in_call_order([root, second, first, below])
    assert [(row.invocation.chainlet, row.depth) for row in rows] == [
        ("root", 0),
        ("second", 1),
        ("first", 1),
        ("below", 2),
    ]


def test_a_call_whose_caller_is_not_shown_stands_at_the_left():
    orphan = call(call())
    assert [row.depth for row in in_call_order([orphan])] == [0]


def test_very_deep_calls_do_not_break_the_page():
    calls = [call()]
    for _ in range(5000):
        calls.append(call(calls[-1]))
    assert in_call_order(calls)[-1].depth == 5000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (1.44, "1.4 s"), (59.7, "1 min 00 s"), (125, "2 min 05 s"), (11_520, "3 h 12 min")],
)
def test_durations(seconds, text):
    assert took(START, START + timedelta(seconds=seconds), now=START) == text


def test_what_goes_on_is_measured_until_now():
    assert took(START, None, now=START + timedelta(seconds=3)) == "3.0 s"
    assert took(None, None, now=START) == "–"


def test_errors_are_read_from_the_outside_to_the_cause():
    error = {"type": "A", "cause": {"type": "B", "cause": None}}
    assert [entry["type"] for entry in error_chain(error)] == ["A", "B"]
    assert error_chain(None) == []
    assert error_chain("just a text") == []


def test_very_long_values_are_cut_and_say_so():
    text = pretty({"text": "x" * 100_000})
    assert len(text) < 25_000
    assert "more characters" in text


def test_moments_are_told_to_the_millisecond():
    assert moment(START + timedelta(microseconds=1500)) == "2026-11-24 12:00:00.001"
    assert moment(START, day=False) == "12:00:00.000"
    assert moment(None) == "–"
