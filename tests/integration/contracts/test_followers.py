"""A slot may go from one call of a run to the next without a bell, as long as nobody else waits for it."""

import contextlib

import pytest

from tests.integration.contracts.conftest import OTHER_WORKER, WORKER, new_call
from tests.integration.contracts.test_shares import OUT, open_calls, out
from webapp.runs import sharing
from webapp.runs.models import Run, State
from webapp.runs.services import cancel_run

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def _nobody_else(database, house):
    Run.objects.exclude(state__in=["succeeded", "failed", "cancelled"]).update(state=State.CANCELLED)
    sharing._alone.cache_clear()


@pytest.fixture
def root(house):
    return house.running_root()


def ends(house, *claims, turn_s=0.0, worker=WORKER):
    """These succeed in one transaction; what the worker gets next for each."""
    with house.store.atomic([claim.fence.invocation_id for claim in claims]):
        following = []
        for claim in claims:
            assert house.store.succeed(fence=claim.fence, result=1)
            following.append(house.store.follow(fence=claim.fence, worker=worker, turn_s=turn_s))
    return following


def test_the_oldest_that_is_held_back_follows_and_no_bell_rings_for_it(house, root):
    ids = open_calls(house, root, 10)
    house.heard.bells.clear()

    (following,) = ends(house, house.claim(ids[0]))

    assert following.fence == (ids[OUT], 1)
    assert (following.caller, following.chainlet) == (root.fence.invocation_id, "Leaf")
    assert following.input == {"number": OUT}
    assert following.fence.invocation_id not in house.heard.bells
    assert house.types(root.run_id, following.fence.invocation_id) == [
        "invocation.queued",
        "invocation.started",
    ]
    assert house.claim(following.fence.invocation_id, OTHER_WORKER) is None
    assert following.fence.invocation_id in house.do("renew", worker=WORKER)


def test_several_that_end_together_are_followed_by_several(house, root):
    ids = open_calls(house, root, 12)

    following = ends(house, *(house.claim(id) for id in ids[:3]))

    taken = [claim.fence.invocation_id for claim in following]
    assert len(set(taken)) == 3
    assert not set(taken) & out(house, root)


def test_all_calls_of_a_run_end_once_whether_rung_or_not(house, root):
    ids = open_calls(house, root, 60)
    ended, claims = [], []
    while True:
        while len(claims) < 3 and (ready := out(house, root)):
            claims.append(house.claim(min(ready, key=ids.index)))
        if not claims:
            break
        ended += [claim.fence.invocation_id for claim in claims]
        claims = [claim for claim in ends(house, *claims) if claim is not None]

    assert sorted(ended) == sorted(ids)
    assert len(house.heard.bells) < len(ids)
    assert Run.objects.get(id=root.run_id).bells == {"cpu": [0, False]}
    for id in ids:
        assert house.types(root.run_id, id) == [
            "invocation.queued",
            "invocation.started",
            "invocation.succeeded",
        ]


def test_only_a_call_of_the_same_chainlet_and_queue_follows(house, root):
    ids = open_calls(house, root, OUT)
    for other in (new_call("Branch"), new_call(queue="gpu.any"), new_call(queue="gpu.any")):
        house.do("open_call", parent=root.fence, call=other)
    assert ends(house, house.claim(ids[0])) == [None]


def test_nothing_follows_that_has_to_be_counted(house, root):
    calls = [new_call(rate_limit="100/s") for _ in range(10)]
    for call in calls:
        house.do("open_call", parent=root.fence, call=call)
    assert ends(house, house.claim(calls[0].id)) == [None]


def test_nothing_follows_in_a_run_that_has_ended(house, root):
    ids = open_calls(house, root, 10)
    claim = house.claim(ids[0])
    cancel_run(run=Run.objects.get(id=root.run_id), by="ann")
    with house.store.atomic():
        assert not house.store.succeed(fence=claim.fence, result=1)
        assert house.store.follow(fence=claim.fence, worker=WORKER, turn_s=0.0) is None


def test_a_run_gives_the_slot_back_soon_if_there_are_others(house, root):
    ids = open_calls(house, root, 20)
    (alone,) = ends(house, house.claim(ids[0]), turn_s=0.5)
    assert alone is not None
    house.running_root()
    sharing._alone.cache_clear()
    (soon,) = ends(house, alone, turn_s=0.01)
    assert soon is not None
    assert ends(house, soon, turn_s=0.5) == [None]


def test_even_a_run_that_is_alone_gives_the_slot_back(house, root):
    ids = open_calls(house, root, 10)
    assert ends(house, house.claim(ids[0]), turn_s=10.0) == [None]


def test_a_transaction_that_breaks_off_has_taken_nothing(house, root):
    ids = open_calls(house, root, 10)
    claim = house.claim(ids[0])
    with contextlib.suppress(ZeroDivisionError), house.store.atomic():
        house.store.succeed(fence=claim.fence, result=1)
        assert house.store.follow(fence=claim.fence, worker=WORKER, turn_s=0.0) is not None
        raise ZeroDivisionError

    (again,) = ends(house, claim)
    assert again.fence == (ids[OUT], 1)
