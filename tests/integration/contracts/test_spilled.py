"""Values that lie in files, as stores know them: by a mark beside the value, whatever the value looks like."""

import uuid
from contextlib import suppress

import pytest

from chainlets.runtime.store import State
from tests.integration.contracts.conftest import DatabaseHouse, new_call
from webapp.files.models import File
from webapp.runs.models import Run


def handle(name="x.json"):
    return {"id": str(uuid.uuid4()), "name": name, "size": 3, "media_type": "a/b", "sha256": "0" * 64}


def recorded(house, run_id):
    """The files that the run has by the database; a store in memory records none."""
    found = File.objects.filter(run_id=run_id) if isinstance(house, DatabaseHouse) else []
    return sorted((str(file.id), file.keep) for file in found)


def expected(house, *handles):
    return sorted((one["id"], True) for one in handles) if isinstance(house, DatabaseHouse) else []


@pytest.mark.parametrize("spilled", [True, False])
def test_whether_a_value_is_spilled_is_told_beside_it(house, spilled):
    root, given, got = house.running_root(), handle(), handle()
    claim = house.running_call(root.fence, input=given, input_spilled=spilled)
    assert (claim.input, claim.input_spilled) == (given, spilled)

    house.do("succeed", fence=claim.fence, result=got, spilled=spilled)
    (outcome,) = house.store.outcomes(ids=[claim.fence.invocation_id])
    assert (outcome.state, outcome.result, outcome.spilled) == (State.SUCCEEDED, got, spilled)
    kept = house.do("open_call", parent=root.fence, call=new_call(id=claim.fence.invocation_id))
    assert (kept.result, kept.spilled) == (got, spilled)
    assert recorded(house, root.run_id) == (expected(house, given, got) if spilled else [])


@pytest.mark.parametrize("root_spilled", [True, False])
def test_files_of_values_are_there_as_long_as_the_run(house, root_spilled):
    root, given, got = house.running_root(), handle(), handle()
    house.running_call(root.fence, input=given, input_spilled=True)
    house.do("succeed", fence=root.fence, result=got, spilled=root_spilled)

    assert recorded(house, root.run_id) == expected(house, given, *([got] if root_spilled else []))
    if isinstance(house, DatabaseHouse):
        run = Run.objects.get(id=root.run_id)
        assert (run.output, run.output_spilled) == (got, root_spilled)


def test_a_call_that_is_made_anew_keeps_the_input_that_it_has(house):
    root, given = house.running_root(), handle()
    call = house.running_call(root.fence, input=given, input_spilled=True).fence.invocation_id
    house.do("cancel_call", parent=root.fence, invocation_id=call)

    # Whoever opens it again need not have written its input once more.
    assert house.do("open_call", parent=root.fence, call=new_call(id=call, input={})).state is State.QUEUED
    claim = house.claim(call)
    assert (claim.input, claim.input_spilled) == (given, True)
    assert recorded(house, root.run_id) == expected(house, given)


def test_who_has_lost_the_call_records_no_file(house):
    root = house.running_root()
    lost = house.running_call(root.fence).fence
    house.do("hand_back", fence=lost)
    ours = house.claim(lost.invocation_id).fence

    assert house.do("succeed", fence=lost, result=handle(), spilled=True) is False
    got = handle()
    assert house.do("succeed", fence=ours, result=got, spilled=True) is True
    assert house.do("succeed", fence=ours, result=handle(), spilled=True) is False
    assert recorded(house, root.run_id) == expected(house, got)


def test_of_a_transaction_that_broke_no_file_is_left(house):
    root = house.running_root()
    call = house.running_call(root.fence)
    with suppress(ZeroDivisionError), house.store.atomic():
        house.store.open_call(parent=root.fence, call=new_call(input=handle(), input_spilled=True))
        house.store.succeed(fence=call.fence, result=handle(), spilled=True)
        raise ZeroDivisionError

    assert recorded(house, root.run_id) == []
    (outcome,) = house.store.outcomes(ids=[call.fence.invocation_id])
    assert (outcome.state, outcome.spilled) == (State.RUNNING, False)
