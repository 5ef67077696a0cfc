"""Decisions of the engine as tables."""

from uuid import UUID

import pytest

from chainlets.retrying import GiveUp, Retry, after_failure
from chainlets.runtime.journal import call_id, canonical, input_hash
from chainlets.runtime.transitions import after_death


@pytest.mark.parametrize(
    ("failures", "most", "retryable", "jitter", "expected"),
    [
        (1, 1, True, 0.0, GiveUp()),
        (1, 0, True, 0.0, GiveUp()),  # 0 and 1 both mean one attempt
        (1, 3, True, 1.0, Retry(delay_s=0.5)),
        (1, 3, True, 0.0, Retry(delay_s=0.25)),
        (2, 3, True, 1.0, Retry(delay_s=1.0)),
        (3, 3, True, 1.0, GiveUp()),
        (1, 3, False, 1.0, GiveUp()),  # an error that says so is not tried again
        (20, 99, True, 1.0, Retry(delay_s=30.0)),  # and never waits longer than this
    ],
)
def test_a_failure_is_retried_with_growing_pauses_up_to_its_limit(
    failures, most, retryable, jitter, expected
):
    found = after_failure(failures=failures, max_attempts=most, retryable=retryable, jitter=jitter)
    assert found == expected


@pytest.mark.parametrize(
    ("deaths", "waiting", "expected"),
    [
        (1, False, Retry(delay_s=0.0)),
        (2, False, Retry(delay_s=0.0)),
        (3, False, GiveUp()),
        (3, True, Retry(delay_s=0.0)),  # who only waited is hardly to blame
        (10, True, GiveUp()),
    ],
)
def test_a_call_whose_workers_die_is_given_up(deaths, waiting, expected):
    assert after_death(deaths=deaths, waiting=waiting) == expected


def test_equal_inputs_have_equal_hashes_whatever_the_order_of_keys():
    assert canonical({"b": [1, "ü"], "a": None}) == '{"a":null,"b":[1,"ü"]}'.encode()
    assert input_hash({"a": 1, "b": 2}) == input_hash({"b": 2, "a": 1})
    assert input_hash({"a": 1}) != input_hash({"a": 1.5})


def test_a_call_keeps_its_id_and_differs_from_every_other():
    parent = UUID("12345678-1234-5678-1234-567812345678")
    ids = {
        call_id(parent=p, chainlet=c, digest=d, occurrence=n)
        for p in (parent, UUID(int=1))
        for c in ("A", "B")
        for d in ("x", "y")
        for n in (0, 1)
    }
    assert len(ids) == 16
    assert call_id(parent=parent, chainlet="A", digest="x", occurrence=0) in ids
