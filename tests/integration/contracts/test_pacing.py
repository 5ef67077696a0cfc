"""Rate limits: all workers together start only so many calls in a time, and whoever waits is rung when it may."""

import itertools
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chainlets.failure import Failure
from chainlets.runtime.store import Fence, State
from tests.harness import wait_until
from tests.integration.contracts.conftest import OTHER_WORKER, new_call
from webapp.runs import reconciler
from webapp.runs.models import OPEN, Invocation, Run
from webapp.runs.models import State as RowState
from webapp.runs.pacer import IDLE_S, Pacer
from webapp.runs.services import cancel_run

FAULT = Failure(type="LookupError", module="builtins", message="no such thing", retryable=True)


@pytest.fixture
def chain(request):
    return request.node.name  # limits are counted by chain, over all runs


@pytest.fixture
def root(house, chain):
    return house.running_root(chain=chain)


def open_calls(house, root, chain, count, rate, **more):
    """Calls made at once; their ids."""
    calls = [
        new_call("Paced", chain=chain, rate_limit=rate, input={"number": n}, **more) for n in range(count)
    ]
    with house.store.atomic([root.fence.invocation_id, *(call.id for call in calls)]):
        for call in calls:
            house.store.open_call(parent=root.fence, call=call)
    return [call.id for call in calls]


def claims(house, ids):
    """Bells answered together, as a worker does."""
    with house.store.atomic(ids):
        return [id for id in ids if house.store.claim(invocation_id=id, worker=OTHER_WORKER) is not None]


def rung(house, database, wanted, *, timeout=3.0):
    """Those of `wanted` that were rung for once something was."""

    def look():
        if database != "memory":
            Pacer().look()
        return set(house.heard.bells) & set(wanted)

    house.heard.bells.clear()
    return wait_until(look, timeout=timeout, what="a bell for a call that was put off", step=0.02)


def test_only_so_many_start_and_the_others_when_there_is_room_again(house, database, root, chain):
    ids = open_calls(house, root, chain, 4, "2/s")
    began = time.monotonic()
    assert claims(house, ids) == ids[:2]
    outcomes = house.do("outcomes", ids=ids[2:])
    assert [outcome.state for outcome in outcomes] == [State.QUEUED] * 2
    assert claims(house, ids[2:]) == []

    assert rung(house, database, ids) == set(ids[2:])
    assert 0.95 < time.monotonic() - began < 1.5
    assert claims(house, ids[2:]) == ids[2:]


def test_a_second_attempt_counts_as_well(house, database, root, chain):
    (id,) = open_calls(house, root, chain, 1, "1/h")
    fence = house.claim(id).fence
    house.do("hand_back", fence=fence)
    assert house.claim(id) is None


def test_what_ended_still_counts(house, database, root, chain):
    first, second = open_calls(house, root, chain, 2, "1/h")
    assert house.do("succeed", fence=house.claim(first).fence, result=1)
    assert house.claim(second) is None


def test_other_chainlets_and_other_chains_have_rates_of_their_own(house, root, chain):
    (here,) = open_calls(house, root, chain, 1, "1/h")
    other_root = house.running_root(chain=f"{chain}-b")
    (there,) = open_calls(house, other_root, f"{chain}-b", 1, "1/h")
    free = new_call("Free", chain=chain)
    house.do("open_call", parent=root.fence, call=free)
    assert claims(house, [here, there, free.id]) == [here, there, free.id]


def test_a_call_that_is_no_longer_wanted_gives_its_room_to_the_next(house, database, root, chain):
    ids = open_calls(house, root, chain, 3, "1/s")
    assert claims(house, ids) == ids[:1]
    house.do("cancel_call", parent=root.fence, invocation_id=ids[1])
    assert rung(house, database, ids) == {ids[2]}
    assert claims(house, ids) == [ids[2]]


def test_with_both_limits_a_call_waits_for_both(house, database, root, chain):
    ids = open_calls(house, root, chain, 4, "2/s", fleet_limit=1)
    taken = []
    for _ in ids:
        (claimed,) = wait_until(lambda: claims(house, ids) or look_after(database), timeout=3, what="room")
        taken.append(claimed)
        assert claims(house, ids) == []
        running = [o.id for o in house.do("outcomes", ids=ids) if o.state is State.RUNNING]
        assert running == [claimed]
        house.do("succeed", fence=fence_of(claimed), result=1)
    assert sorted(taken) == sorted(ids)


def look_after(database):
    if database != "memory":
        Pacer().look()
    return []


def fence_of(id):
    return Fence(invocation_id=id, attempt=1)


# What only rows can tell


@pytest.fixture
def rows(database):
    if database == "memory":
        pytest.skip("there are no rows")
    for run in Run.objects.filter(state__in=OPEN):  # of the tests before
        cancel_run(run=run, by="ann")


def test_put_off_calls_leave_the_share_and_are_put_off_one_after_the_other(house, rows, root, chain):
    ids = open_calls(house, root, chain, 30, "10/m")
    bells = [bell for bell in house.heard.bells if bell in ids]
    tried = 0
    while tried < len(bells):
        claims(house, [bells[tried]])
        tried += 1
        bells = [bell for bell in house.heard.bells if bell in ids]
    assert bells == ids, "each was tried once"
    waiting = Invocation.objects.filter(id__in=ids, state=RowState.QUEUED).order_by("available_at")
    times = [row.available_at.timestamp() for row in waiting]
    assert len(times) == 20
    assert all(row.rung_at is None for row in waiting)
    assert min(times) > time.time() + 30
    assert all(after - before == pytest.approx(6, abs=0.01) for before, after in itertools.pairwise(times))
    assert Run.objects.get(id=root.run_id).bells["cpu"][0] == 0


def test_the_pacer_sleeps_until_there_is_room(house, rows, root, chain):
    ids = open_calls(house, root, chain, 2, "1/m")
    assert claims(house, ids) == ids[:1]
    house.heard.bells.clear()
    assert 0.4 < Pacer().look() <= IDLE_S
    assert house.heard.bells == []
    cancel_run(run=Run.objects.get(id=root.run_id), by="ann")
    with CaptureQueriesContext(connection) as queries:
        assert Pacer().look() == IDLE_S
    assert len(queries) <= 3, "a look costs next to nothing while nobody waits"


def test_a_second_try_is_not_rung_before_its_time(house, rows, root, chain):
    (id,) = open_calls(house, root, chain, 1, "5/s", max_attempts=2)
    house.do("fail", fence=house.claim(id).fence, failure=FAULT)
    Invocation.objects.filter(id=id).update(available_at=timezone.now() + timedelta(seconds=60))
    house.heard.bells.clear()
    Pacer().look()
    assert house.heard.bells == []


def test_without_a_pacer_the_reconciler_rings_when_the_time_has_come(house, rows, root, chain):
    ids = open_calls(house, root, chain, 2, "1/h")
    assert claims(house, ids) == ids[:1]
    Invocation.objects.filter(id=ids[1]).update(available_at=timezone.now())
    house.heard.bells.clear()
    reconciler.sweep()
    assert ids[1] in house.heard.bells


def test_runs_wait_in_turns(house, database, rows, root, chain):
    many = open_calls(house, root, chain, 12, "2/s")
    claims(house, many)
    claims(house, many)
    other_root = house.running_root(chain=chain)
    (late,) = open_calls(house, other_root, chain, 1, "2/s")
    assert claims(house, [late]) == []
    heard = rung(house, database, [*many, late])
    assert late in heard
    assert len(heard) == 2


def test_workers_that_claim_at_the_same_moment_start_no_more_than_that(house, rows, chain):
    rates = {"Paced": "5/h", "Other": "3/h"}

    def work_for(n):
        """Four times a call of each kind, in a run of its own; for every second worker in the other order."""
        parent = house.running_root(chain=chain).fence
        kinds = list(rates)[:: 1 if n % 2 else -1]
        calls = [
            new_call(kind, chain=chain, rate_limit=rates[kind], input={"n": n})
            for n in range(4)
            for kind in kinds
        ]
        with house.store.atomic([parent.invocation_id]):
            for call in calls:
                house.store.open_call(parent=parent, call=call)
        return [call.id for call in calls]

    gate, failures = threading.Barrier(6), []

    def work(ids):
        gate.wait()
        try:
            for first in range(0, len(ids), 2):
                claims(house, ids[first : first + 2])
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[work_for(n)]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == [], "nobody waits for somebody who waits"
    running = Invocation.objects.filter(run__chain__name=chain, state=RowState.RUNNING)
    assert {kind: running.filter(chainlet=kind).count() for kind in rates} == {"Paced": 5, "Other": 3}
