"""What an operator reads of a run."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from webapp.runs.models import Event, Invocation
from webapp.runs.reading import Note, error_text, in_call_order, moment, note, pretty, took

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


def test_errors_are_read_from_the_entrypoint_to_the_cause_also_where_old_rows_lack_fields():
    error = {"type": "A", "message": "a", "cause": {"type": "B", "message": "b", "chainlet": "Leaf"}}
    text = error_text(error)
    assert text.index("A: a") < text.index("`Leaf`") < text.index("B: b")


@pytest.mark.parametrize("error", ["just a text", {"type": "A"}, [1]])
def test_what_is_no_failure_is_shown_as_it_was_recorded(error):
    assert json.loads(error_text(error)) == error


def test_a_line_of_a_log_comes_with_its_values():
    data = {"level": "error", "message": "No voice.", "fields": {"piece": 3, "who": "Ada"}}
    assert note(Event(at=START, type="log", data=data)) == Note(
        at="12:00:00.000", level="error", text="No voice.", fields="piece=3 who=Ada"
    )


def test_a_blocked_loop_is_told_with_its_length_its_place_and_what_to_do():
    place = {
        "seconds": 1.26,
        "file": "/srv/chains/whisper.py",
        "line": 42,
        "name": "f",
        "code": "time.sleep(1.2)",
    }
    told = note(Event(at=START, type="invocation.blocked", data={"attempt": 1, **place}))
    assert told.level == "warning"
    assert told.text == (
        "Blocked the event loop for 1.3 s at whisper.py:42: `time.sleep(1.2)`. Use `await chains.offload(…)` there."
    )


def test_very_long_values_are_cut_and_say_so():
    text = pretty({"text": "x" * 100_000})
    assert len(text) < 25_000
    assert "more characters" in text


def test_moments_are_told_to_the_millisecond():
    assert moment(START + timedelta(microseconds=1500)) == "2026-11-24 12:00:00.001"
    assert moment(START, day=False) == "12:00:00.000"
    assert moment(None) == "–"
