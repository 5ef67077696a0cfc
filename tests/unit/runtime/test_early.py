"""Which calls may begin before they are recorded, and until when."""

from types import SimpleNamespace
from uuid import uuid4

import pytest

from chainlets.runtime.early import EarlyCalls
from chainlets.runtime.store import Claim, Fence, NewCall


def caller(*, attempt=1, fresh=True):
    fence = Fence(invocation_id=uuid4(), attempt=attempt)
    claim = Claim(
        fence=fence, run_id=uuid4(), caller=None, chain="c", chainlet="Top", input={}, timeout_s=None, fresh=fresh
    )  # fmt: skip
    return SimpleNamespace(claim=claim)


def call(**given):
    return NewCall(
        id=uuid4(), chain="c", chainlet="Leaf", queue="cpu", input={"n": 1}, input_hash="h", occurrence=0,
        max_attempts=2, timeout_s=9.0, **given,
    )  # fmt: skip


def early_calls(*, room=64):
    return EarlyCalls(room=lambda _: room, ring=lambda _: None)


def test_a_first_call_is_claimed_by_its_callers_worker_until_it_is_recorded():
    early, parent, made = early_calls(), caller(), call()

    assert early.admit(parent, made)
    claim = early.claim(made.id)
    assert claim is not None
    assert (claim.fence, claim.caller) == (Fence(made.id, 1), parent.claim.fence.invocation_id)
    assert (claim.run_id, claim.input, claim.timeout_s) == (parent.claim.run_id, {"n": 1}, 9.0)

    early.recorded(made.id)
    assert early.claim(made.id) is None


@pytest.mark.parametrize(
    ("parent", "made"),
    [
        (caller(attempt=2), call()),
        (caller(fresh=False), call()),
        (caller(), call(fleet_limit=1)),
        (caller(), call(rate_limit="1/s")),
        (caller(), call(cache_s=60.0)),
        (caller(), call(input_spilled=True)),
    ],
    ids=["a later attempt", "a rerun", "a limit", "a rate", "a cache", "a large input"],
)
def test_what_may_have_been_made_before_or_is_counted_waits_for_its_row(parent, made):
    early = early_calls()

    assert not early.admit(parent, made)
    assert early.claim(made.id) is None


def test_without_a_free_slot_other_workers_may_be_quicker():
    early, parent = early_calls(room=1), caller()

    assert [early.admit(parent, call()) for _ in range(2)] == [True, False]


def test_of_a_fan_out_only_a_few_begin_early():
    early, parent = early_calls(), caller()

    admitted = [early.admit(parent, call()) for _ in range(20)]

    assert admitted == [True] * 4 + [False] * 16
