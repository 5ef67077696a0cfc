"""A run has only some bells out at a time, and every call gets its bell in the end."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chainlets.failure import Failure
from tests.integration.contracts.conftest import new_call
from webapp.runs import reconciler
from webapp.runs.models import Invocation, Run, State
from webapp.runs.services import cancel_run

OUT = 4  # bells, where no worker is known
FAULT = Failure(type="LookupError", module="builtins", message="no such thing", retryable=True)


pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def root(house):
    return house.running_root()


def open_calls(house, root, count):
    """Calls made at once; their ids."""
    calls = [new_call(input={"number": n}) for n in range(count)]
    with house.store.atomic([root.fence.invocation_id, *(call.id for call in calls)]):
        for call in calls:
            house.store.open_call(parent=root.fence, call=call)
    return [call.id for call in calls]


def out(house, root):
    """Bells that nobody has answered yet."""
    waiting = Invocation.objects.filter(run_id=root.run_id, state=State.QUEUED, rung_at__isnull=False)
    return set(waiting.values_list("id", flat=True))


def test_every_call_is_rung_for_though_only_some_at_a_time(house, root):
    ids = open_calls(house, root, 30)
    assert house.heard.bells[-OUT:] == ids[:OUT]
    taken = []
    while ready := out(house, root):
        assert len(ready) <= OUT
        taken.append(min(ready, key=ids.index))
        claim = house.claim(taken[-1])
        assert house.do("succeed", fence=claim.fence, result=1)
    assert taken == ids
    assert [id for id in house.heard.bells if id in ids] == ids
    assert Run.objects.get(id=root.run_id).bells == {"cpu": [0, False]}


def test_a_call_that_nobody_wants_makes_room(house, root):
    ids = open_calls(house, root, 12)
    for id in ids[:OUT]:
        house.do("cancel_call", parent=root.fence, invocation_id=id)
    assert out(house, root) == set(ids[OUT : 2 * OUT])


def test_a_run_that_is_cancelled_rings_for_nothing_more(house, root):
    open_calls(house, root, 12)
    heard = len(house.heard.bells)
    cancel_run(run=Run.objects.get(id=root.run_id), by="ann")
    assert len(house.heard.bells) == heard


def test_a_second_try_is_rung_for_when_its_time_has_come(house, root):
    (id,) = open_calls(house, root, 1)
    Invocation.objects.filter(id=id).update(max_attempts=2)
    house.do("fail", fence=house.claim(id).fence, failure=FAULT)
    assert not out(house, root)
    Invocation.objects.filter(id=id).update(available_at=timezone.now())
    reconciler.ring_held_back(timezone.now())
    assert out(house, root) == {id}


def test_a_share_whose_count_is_wrong_is_counted_anew(house, root):
    ids = open_calls(house, root, 12)
    Invocation.objects.filter(id__in=ids[:OUT]).update(state=State.SUCCEEDED)  # as if nobody had noted it
    old = timezone.now() - timedelta(seconds=30)
    for n, id in enumerate(ids[OUT:]):
        Invocation.objects.filter(id=id).update(available_at=old + timedelta(milliseconds=n))
    reconciler.ring_held_back(timezone.now())
    assert out(house, root) == set(ids[OUT : 2 * OUT])
