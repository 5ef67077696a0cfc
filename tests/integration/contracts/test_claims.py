"""The stores of runs: who may take an invocation, who may write, and what follows its end."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connection

from chainlets import StoreUnavailable
from chainlets.failure import Failure
from chainlets.runtime.store import Fence, FenceLostError, State
from chainlets.testing import no_retry_pauses
from tests.integration.contracts.conftest import OTHER_WORKER, new_call

FAULT = Failure(type="LookupError", message="no such thing")
HOPELESS = FAULT.model_copy(update={"retryable": False})
PIECE = {"text": "a"}


def test_an_invocation_is_taken_once_and_the_claim_says_everything(house):
    root = house.running_root()
    call = new_call(input={"number": 7}, timeout_s=2.5)
    house.do("open_call", parent=root.fence, call=call)

    claim = house.claim(call.id, OTHER_WORKER)

    assert claim.fence == Fence(invocation_id=call.id, attempt=1)
    assert (claim.run_id, claim.caller) == (root.run_id, root.fence.invocation_id)
    assert (claim.chain, claim.chainlet, dict(claim.input)) == ("chain", "Leaf", {"number": 7})
    assert claim.timeout_s == 2.5
    assert (root.caller, root.timeout_s) == (None, None)
    assert house.claim(call.id) is None
    assert house.claim(uuid.uuid4()) is None
    assert house.types(root.run_id, call.id) == ["invocation.queued", "invocation.started"]


def test_of_many_workers_that_come_at_once_one_gets_it(house):
    root = house.running_root()
    call = new_call()
    house.do("open_call", parent=root.fence, call=call)
    together = threading.Barrier(6)

    def take(_):
        together.wait()
        try:
            return house.claim(call.id)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as workers:
        claims = list(workers.map(take, range(6)))

    assert [claim.fence.attempt for claim in claims if claim] == [1]


def test_an_attempt_that_is_over_may_write_nothing(house):
    root = house.running_root()
    old = house.running_call(root.fence, max_attempts=5).fence
    child = new_call()
    house.do("open_call", parent=old, call=child)
    house.do("hand_back", fence=old)
    now = house.claim(old.invocation_id).fence
    before = house.history(root.run_id)

    assert house.do("succeed", fence=old, result="old") is False
    assert house.do("fail", fence=old, failure=FAULT) is None
    assert house.do("hand_back", fence=old) is False
    house.do("output", fence=old, index=0, piece=PIECE)
    house.do("append", fence=old, type="partial", data={})
    house.do("wait", fence=old)
    house.do("cancel_call", parent=old, invocation_id=child.id)
    with pytest.raises(FenceLostError):
        house.do("open_call", parent=old, call=new_call())

    assert house.history(root.run_id) == before
    assert house.do("outputs", invocation_id=old.invocation_id, after=0) == []
    assert house.do("succeed", fence=now, result="new") is True


def test_a_result_is_recorded_once(house):
    root = house.running_root()
    fence = house.running_call(root.fence).fence

    assert house.do("succeed", fence=fence, result={"n": [1, None, "x"]}) is True
    assert house.do("succeed", fence=fence, result="again") is False
    assert house.do("fail", fence=fence, failure=FAULT) is None

    (outcome,) = house.do("outcomes", ids=[fence.invocation_id])
    assert (outcome.state, outcome.result, outcome.failure) == (State.SUCCEEDED, {"n": [1, None, "x"]}, None)
    assert house.claim(fence.invocation_id) is None
    assert fence.invocation_id in house.heard.mail


def test_outcomes_of_what_is_not_known_are_left_out(house):
    root = house.running_root()
    waiting = new_call()
    house.do("open_call", parent=root.fence, call=waiting)

    found = house.do("outcomes", ids=[uuid.uuid4(), waiting.id, root.fence.invocation_id])

    assert {outcome.id: outcome.state for outcome in found} == {
        waiting.id: State.QUEUED,
        root.fence.invocation_id: State.RUNNING,
    }


def test_outcomes_may_be_asked_for_calls_that_have_ended_only(house):
    root = house.running_root()
    done, cancelled, waiting = new_call(), new_call(), new_call()
    for call in (done, cancelled, waiting):
        house.do("open_call", parent=root.fence, call=call)
    house.do("succeed", fence=house.claim(done.id).fence, result={"n": [7]})
    house.do("cancel_call", parent=root.fence, invocation_id=cancelled.id)
    ids = [uuid.uuid4(), waiting.id, cancelled.id, done.id]

    alone = house.store.outcomes(ids=ids, ended=True)
    within = house.do("outcomes", ids=ids, ended=True)

    for found in (alone, within):
        assert {outcome.id: (outcome.state, outcome.result) for outcome in found} == {
            cancelled.id: (State.CANCELLED, None),
            done.id: (State.SUCCEEDED, {"n": [7]}),
        }


def test_a_failed_attempt_is_followed_by_the_next_until_none_is_left(house):
    root = house.running_root()
    call = new_call(max_attempts=3)
    house.do("open_call", parent=root.fence, call=call)

    with no_retry_pauses():
        for attempt in (1, 2, 3):
            fence = house.claim(call.id).fence
            assert fence.attempt == attempt
            then = State.QUEUED if attempt < 3 else State.FAILED
            assert house.do("fail", fence=fence, failure=FAULT).state == then

    (outcome,) = house.do("outcomes", ids=[call.id])
    assert (outcome.state, outcome.failure) == (State.FAILED, FAULT)
    assert house.claim(call.id) is None
    failures = [data for type, _, data in house.history(root.run_id) if type == "invocation.failed"]
    assert [data["attempt"] for data in failures] == [1, 2, 3]
    assert [data["retry_in"] for data in failures] == [0.0, 0.0, None]
    assert failures[0]["error"]["message"] == "no such thing"
    assert call.id in house.heard.mail


@pytest.mark.parametrize(("failure", "final"), [(HOPELESS, False), (FAULT, True)])
def test_what_cannot_be_helped_is_not_tried_again(house, failure, final):
    root = house.running_root()
    fence = house.running_call(root.fence, max_attempts=5).fence

    house.do("fail", fence=fence, failure=failure, final=final)

    (outcome,) = house.do("outcomes", ids=[fence.invocation_id])
    assert outcome.state is State.FAILED


def test_the_next_attempt_begins_after_a_pause_and_not_before(house):
    root = house.running_root()
    fence = house.running_call(root.fence, max_attempts=2).fence

    house.do("fail", fence=fence, failure=FAULT)
    assert house.claim(fence.invocation_id) is None
    time.sleep(0.6)

    assert house.claim(fence.invocation_id).fence.attempt == 2


def test_what_is_handed_back_rings_and_costs_no_attempt(house):
    root = house.running_root()
    fence = house.running_call(root.fence, max_attempts=1).fence
    house.heard.bells.clear()

    assert house.do("hand_back", fence=fence) is True
    assert house.heard.bells == [fence.invocation_id]
    again = house.claim(fence.invocation_id).fence
    house.do("hand_back", fence=again)
    last = house.claim(fence.invocation_id).fence

    assert last.attempt == 3
    assert house.do("succeed", fence=last, result=1) is True
    requeued = [
        data["reason"] for type, _, data in house.history(root.run_id) if type == "invocation.requeued"
    ]
    assert requeued == ["handed_back", "handed_back"]


def test_a_worker_hears_which_of_its_own_it_still_holds(house):
    root = house.running_root()
    mine = house.running_call(root.fence)
    theirs = new_call()
    house.do("open_call", parent=root.fence, call=theirs)
    house.claim(theirs.id, OTHER_WORKER)
    house.do("join", worker=OTHER_WORKER)

    assert theirs.id in house.do("renew", worker=OTHER_WORKER)
    assert not {mine.fence.invocation_id, root.fence.invocation_id} & house.do("renew", worker=OTHER_WORKER)
    house.do("cancel_call", parent=root.fence, invocation_id=theirs.id)
    assert theirs.id not in house.do("renew", worker=OTHER_WORKER)
    house.do("leave", worker=OTHER_WORKER)


def test_what_the_author_says_is_kept_in_order_and_a_warning_once(house):
    root = house.running_root()
    fence = house.running_call(root.fence).fence

    house.do("append", fence=fence, type="progress", data={"done": 1, "total": 2, "message": ""})
    house.do("append", fence=fence, type="partial", data={"text": "Hel"})
    house.do("append", fence=fence, type="warning", data={"message": "It is quiet."})
    house.do("append", fence=root.fence, type="warning", data={"message": "It is quiet."})
    house.do("append", fence=fence, type="log", data={"level": "info", "message": "m", "fields": {}})
    house.do("wait", fence=fence)

    said = [type for type, _, _ in house.history(root.run_id)][-5:]
    assert said == ["progress", "partial", "warning", "log", "invocation.waiting"]


def test_a_transaction_that_breaks_leaves_nothing(house):
    root = house.running_root()
    running = house.running_call(root.fence).fence
    waiting = new_call()
    house.do("open_call", parent=root.fence, call=waiting)
    house.do("output", fence=running, index=0, piece=PIECE)
    before = house.history(root.run_id)
    house.heard.bells.clear()
    house.heard.mail.clear()
    made = new_call()

    def break_off():
        with house.store.atomic():
            house.store.open_call(parent=root.fence, call=made)
            house.store.claim(invocation_id=waiting.id, worker=OTHER_WORKER)
            house.store.output(fence=running, index=1, piece=PIECE)
            house.store.succeed(fence=running, result=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()

    assert house.history(root.run_id) == before
    assert (house.heard.bells, house.heard.mail) == ([], [])
    assert house.do("outcomes", ids=[made.id]) == []
    assert len(house.do("outputs", invocation_id=running.invocation_id, after=0)) == 1
    assert house.claim(waiting.id).fence.attempt == 1
    assert house.do("succeed", fence=running, result=2) is True


def test_operations_of_one_transaction_happen_in_their_order_and_bells_ring_after_it(house):
    root = house.running_root()
    call = new_call()
    house.heard.bells.clear()

    with house.store.atomic():
        house.store.open_call(parent=root.fence, call=call)
        fence = house.store.claim(invocation_id=call.id, worker=OTHER_WORKER).fence
        house.store.append(fence=fence, type="partial", data={"n": 1})
        with house.store.atomic():
            house.store.output(fence=fence, index=0, piece=PIECE)
        assert len(house.store.outputs(invocation_id=call.id, after=0)) == 1
        house.store.succeed(fence=fence, result="done")
        (outcome,) = house.store.outcomes(ids=[call.id])
        assert outcome.result == "done"
        assert (house.heard.bells, house.heard.mail) == ([], [])

    assert house.types(root.run_id, call.id) == [
        "invocation.queued",
        "invocation.started",
        "partial",
        "invocation.output",
        "invocation.succeeded",
    ]
    assert house.heard.bells == [call.id]
    assert set(house.heard.mail) == {call.id}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_database_that_breaks_off_is_told_and_the_next_transaction_goes_through(house, postgres_url):
    root = house.running_root()
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [connection.settings_dict["NAME"]],
        )

    with pytest.raises(StoreUnavailable):
        house.do("succeed", fence=root.fence, result=1)

    assert house.do("succeed", fence=root.fence, result=1) is True
