"""The stores of runs: what becomes of the calls that a chainlet makes."""

import pytest

from chainlets.failure import Failure
from chainlets.runtime.store import State
from chainlets.testing import no_retry_pauses
from tests.integration.contracts.conftest import OTHER_WORKER, new_call

FAULT = Failure(type="LookupError", message="no such thing")


@pytest.fixture(autouse=True)
def at_once():
    with no_retry_pauses():
        yield


def states(house, *ids):
    found = {outcome.id: outcome.state.value for outcome in house.do("outcomes", ids=ids)}
    return [found[id] for id in ids]


def test_a_call_is_made_once_and_joined_when_it_is_made_again(house):
    root = house.running_root()
    call = new_call()

    first = house.do("open_call", parent=root.fence, call=call)
    house.claim(call.id)
    second = house.do("open_call", parent=root.fence, call=call)

    assert (first.state, second.state) == (State.QUEUED, State.RUNNING)
    assert house.heard.bells.count(call.id) == 1
    assert house.types(root.run_id, call.id) == ["invocation.queued", "invocation.started"]


def test_a_finished_call_is_kept_for_the_next_attempt_of_its_caller(house):
    root = house.running_root(max_attempts=2)
    call = new_call()
    house.do("open_call", parent=root.fence, call=call)
    house.do("succeed", fence=house.claim(call.id).fence, result=42)
    house.do("fail", fence=root.fence, failure=FAULT)
    house.heard.bells.clear()

    again = house.claim(root.fence.invocation_id).fence
    outcome = house.do("open_call", parent=again, call=call)

    assert (outcome.state, outcome.result) == (State.SUCCEEDED, 42)
    assert house.heard.bells == []
    assert house.types(root.run_id, call.id)[-1] == "invocation.kept"


def test_a_failed_call_stands_while_its_caller_only_changed_hands(house):
    root = house.running_root()
    call = new_call()
    house.do("open_call", parent=root.fence, call=call)
    house.do("fail", fence=house.claim(call.id).fence, failure=FAULT)
    house.do("hand_back", fence=root.fence)

    again = house.claim(root.fence.invocation_id).fence
    outcome = house.do("open_call", parent=again, call=call)

    assert (outcome.state, outcome.failure) == (State.FAILED, FAULT)


def test_a_failed_call_is_made_again_once_its_caller_has_failed_too(house):
    root = house.running_root(max_attempts=2)
    call = new_call(max_attempts=2)
    house.do("open_call", parent=root.fence, call=call)
    for _ in range(2):
        house.do("fail", fence=house.claim(call.id).fence, failure=FAULT)
    house.do("fail", fence=root.fence, failure=FAULT)
    house.heard.bells.clear()

    again = house.claim(root.fence.invocation_id).fence
    changed = new_call(id=call.id, max_attempts=2, timeout_s=9.0)
    outcome = house.do("open_call", parent=again, call=changed)

    assert (outcome.state, house.heard.bells) == (State.QUEUED, [call.id])
    claim = house.claim(call.id)
    assert (claim.fence.attempt, claim.timeout_s) == (3, 9.0)
    house.do("fail", fence=claim.fence, failure=FAULT)
    assert states(house, call.id) == ["queued"]  # it has all its tries again
    house.do("succeed", fence=house.claim(call.id).fence, result=1)
    (outcome,) = house.do("outcomes", ids=[call.id])
    assert (outcome.state, outcome.failure) == (State.SUCCEEDED, None)


def test_a_cancelled_call_is_made_again_when_it_is_wanted_again(house):
    root = house.running_root()
    call = new_call(max_attempts=2)
    house.do("open_call", parent=root.fence, call=call)
    house.do("fail", fence=house.claim(call.id).fence, failure=FAULT)
    house.do("cancel_call", parent=root.fence, invocation_id=call.id)
    house.heard.bells.clear()

    outcome = house.do("open_call", parent=root.fence, call=call)

    assert (outcome.state, house.heard.bells) == (State.QUEUED, [call.id])
    assert house.claim(call.id).fence.attempt == 2
    assert house.types(root.run_id, call.id)[-3:] == [
        "invocation.cancelled",
        "invocation.requeued",
        "invocation.started",
    ]


def test_cancelling_a_call_ends_all_that_is_open_below_it_and_nothing_else(house):
    root = house.running_root()
    beside = house.running_call(root.fence)
    top = house.running_call(root.fence)
    done, under_way = house.running_call(top.fence), house.running_call(top.fence)
    below, waiting = new_call(), new_call()
    house.do("open_call", parent=under_way.fence, call=below)
    house.do("open_call", parent=top.fence, call=waiting)
    house.do("succeed", fence=done.fence, result=1)
    ids = [claim.fence.invocation_id for claim in (root, beside, top, done, under_way)]
    house.heard.mail.clear()

    house.do("cancel_call", parent=root.fence, invocation_id=ids[2])

    assert states(house, *ids) == ["running", "running", "cancelled", "succeeded", "cancelled"]
    assert states(house, below.id, waiting.id) == ["cancelled", "cancelled"]
    (outcome,) = house.do("outcomes", ids=[waiting.id])
    assert (outcome.failure.type, outcome.failure.retryable) == ("CallCancelled", False)
    assert {ids[2], ids[4]} <= set(house.heard.mail)  # whoever runs them hears of it
    assert house.claim(waiting.id) is None
    assert house.do("succeed", fence=under_way.fence, result=1) is False
    house.do("cancel_call", parent=root.fence, invocation_id=ids[2])
    assert house.types(root.run_id, ids[2]).count("invocation.cancelled") == 1


@pytest.mark.parametrize("end", ["succeed", "fail"])
def test_calls_that_nobody_waits_for_end_with_their_caller(house, end):
    root = house.running_root()
    caller = house.running_call(root.fence)
    under_way, waiting = house.running_call(caller.fence), new_call()
    house.do("open_call", parent=caller.fence, call=waiting)

    given = {"result": 1} if end == "succeed" else {"failure": FAULT}
    house.do(end, fence=caller.fence, **given)

    assert states(house, under_way.fence.invocation_id, waiting.id) == ["cancelled", "cancelled"]


@pytest.mark.parametrize("end", ["fail", "hand_back"])
def test_calls_go_on_while_their_caller_has_another_attempt(house, end):
    root = house.running_root()
    caller = house.running_call(root.fence, max_attempts=2)
    call = house.running_call(caller.fence)

    given = {"failure": FAULT} if end == "fail" else {}
    house.do(end, fence=caller.fence, **given)

    assert states(house, call.fence.invocation_id) == ["running"]
    again = house.claim(caller.fence.invocation_id).fence
    joined = house.do("open_call", parent=again, call=new_call(id=call.fence.invocation_id))
    assert joined.state is State.RUNNING
    assert house.do("succeed", fence=call.fence, result=5) is True


def test_pieces_of_a_stream_are_read_in_order_and_from_where_one_was(house):
    root = house.running_root()
    fence = house.running_call(root.fence, max_attempts=2).fence
    house.heard.mail.clear()
    for index, piece in enumerate([{"text": "Hel"}, {"base64": "bG8="}, {"text": ""}]):
        house.do("output", fence=fence, index=index, piece=piece)
        house.do("append", fence=fence, type="partial", data={})

    outputs = house.do("outputs", invocation_id=fence.invocation_id, after=0)

    assert [output.piece for output in outputs] == [{"text": "Hel"}, {"base64": "bG8="}, {"text": ""}]
    assert [output.index for output in outputs] == [0, 1, 2]
    assert house.heard.mail.count(fence.invocation_id) == 3
    assert house.do("outputs", invocation_id=fence.invocation_id, after=outputs[0].seq) == outputs[1:]
    assert house.do("outputs", invocation_id=fence.invocation_id, after=outputs[2].seq) == []


def test_pieces_of_a_later_attempt_come_after_those_of_the_first(house):
    root = house.running_root()
    first = house.running_call(root.fence).fence
    house.do("output", fence=first, index=0, piece={"text": "a"})
    house.do("hand_back", fence=first)
    second = house.claim(first.invocation_id).fence
    house.do("output", fence=second, index=0, piece={"text": "a"})

    outputs = house.do("outputs", invocation_id=first.invocation_id, after=0)

    assert [(output.attempt, output.index) for output in outputs] == [(1, 0), (2, 0)]
    assert outputs[0].seq < outputs[1].seq


def limited(**changes):
    return new_call("Limited", fleet_limit=1, **changes)


@pytest.mark.parametrize("end", ["succeed", "fail", "cancel", "retry"])
def test_a_limit_holds_for_all_workers_and_whoever_waits_is_rung_when_there_is_room(house, end, request):
    chain = request.node.name  # limits are counted by chain, over all runs
    root = house.running_root(chain=chain)
    first, second = limited(chain=chain, max_attempts=2 if end == "retry" else 1), limited(chain=chain)
    for call in (first, second):
        house.do("open_call", parent=root.fence, call=call)
    fence = house.claim(first.id).fence
    assert house.claim(second.id, OTHER_WORKER) is None
    house.heard.bells.clear()

    if end == "cancel":
        house.do("cancel_call", parent=root.fence, invocation_id=first.id)
    else:
        given = {"result": 1} if end == "succeed" else {"failure": FAULT}
        house.do("succeed" if end == "succeed" else "fail", fence=fence, **given)

    assert second.id in house.heard.bells
    assert house.claim(second.id, OTHER_WORKER) is not None


def test_a_limit_counts_neither_other_chainlets_nor_other_chains(house, request):
    here, there = f"{request.node.name}-a", f"{request.node.name}-b"
    root, other_root = house.running_root(chain=here), house.running_root(chain=there)
    house.running_call(root.fence, chain=here)
    calls = [(root, limited(chain=here)), (other_root, limited(chain=there))]
    for parent, call in calls:
        house.do("open_call", parent=parent.fence, call=call)

    assert all(house.claim(call.id) is not None for _, call in calls)


def test_a_call_made_again_is_cancelled_with_a_caller_that_ends_in_the_same_transaction(house):
    root = house.running_root()
    call = new_call()
    house.do("open_call", parent=root.fence, call=call)
    house.do("cancel_call", parent=root.fence, invocation_id=call.id)
    beside = house.running_call(root.fence)

    with house.store.atomic([root.fence.invocation_id, call.id, beside.fence.invocation_id]):
        house.store.succeed(fence=beside.fence, result=1)  # makes a store ask what is open below each of them
        house.store.open_call(parent=root.fence, call=call)
        house.store.succeed(fence=root.fence, result=2)

    assert states(house, call.id, root.fence.invocation_id) == ["cancelled", "succeeded"]
