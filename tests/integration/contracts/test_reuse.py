"""What the database's store takes from other runs in place of a call, and what it must not take."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chainlets.runtime.store import State
from tests.integration.contracts.conftest import new_call
from webapp.files.models import File
from webapp.files.services import as_handle, delete_file, store_local
from webapp.runs.models import Invocation, KeptCall, Reuse, Run

CODE = "c" * 32


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request, django_db_blocker):
    from tests.integration.contracts.conftest import default_database

    kind = {"sqlite": "sqlite_database", "postgresql": "postgres_database"}[request.param]
    with default_database(request.getfixturevalue(kind), django_db_blocker):
        yield request.param


@pytest.fixture(autouse=True)
def empty(database):
    Run.objects.all().delete()
    File.objects.all().delete()


def cached(**changes):
    return new_call(**{"code": CODE, "cache_s": 60.0, **changes})


def finished(house, result=42, **changes):
    """A call of some run that has ended with this result."""
    root = house.running_root()
    claim = house.running_call(root.fence, **{"code": CODE, "cache_s": 60.0, **changes})
    house.do("succeed", fence=claim.fence, result=result)
    return Invocation.objects.get(id=claim.fence.invocation_id)


def opened(house, call, **run):
    """What a call gives at once in a new run."""
    root = house.running_root()
    Run.objects.filter(id=root.run_id).update(**run)
    house.heard.bells.clear()
    return house.do("open_call", parent=root.fence, call=call)


def test_a_result_that_may_serves_the_next_run_and_no_bell_rings(house):
    source, call = finished(house), cached()
    outcome = opened(house, call)

    assert (outcome.state, outcome.result, house.heard.bells) == (State.SUCCEEDED, 42, [])
    assert house.claim(call.id) is None
    (data,) = [
        data
        for type, of, data in house.history(Invocation.objects.get(id=call.id).run_id)
        if (type, of) == ("invocation.kept", call.id)
    ]
    assert data == {"run": str(source.run_id), "call": str(source.id)}


@pytest.mark.parametrize(
    ("source", "call"),
    [
        ({}, {"cache_s": None}),
        ({"cache_s": None}, {}),
        ({}, {"code": "d" * 32}),
        ({}, {"chainlet": "Other"}),
        ({}, {"input_hash": "f" * 64}),
        ({"code": ""}, {"code": ""}),
    ],
)
def test_anything_else_is_executed(house, source, call):
    finished(house, **source)
    wanted = cached(**call)
    assert (opened(house, wanted).state, house.heard.bells) == (State.QUEUED, [wanted.id])


@pytest.mark.parametrize(("age", "state"), [(50, State.SUCCEEDED), (70, State.QUEUED)])
def test_a_result_grows_old_by_the_time_that_its_reader_allows(house, age, state):
    source = finished(house)
    Invocation.objects.filter(id=source.id).update(ended_at=source.ended_at - timedelta(seconds=age))
    assert opened(house, cached()).state is state


def test_what_was_taken_over_does_not_make_the_result_younger(house):
    source = finished(house)
    assert opened(house, cached()).state is State.SUCCEEDED
    Invocation.objects.filter(id=source.id).update(ended_at=source.ended_at - timedelta(seconds=70))
    assert opened(house, cached()).state is State.QUEUED


def test_nobody_gets_the_result_of_somebody_else(house):
    finished(house)
    other, _ = User.objects.get_or_create(username="eve")
    assert opened(house, cached(), owner=other).state is State.QUEUED


def test_a_failure_is_no_result(house):
    root = house.running_root()
    claim = house.running_call(root.fence, code=CODE, cache_s=60.0)
    house.do("cancel_call", parent=root.fence, invocation_id=claim.fence.invocation_id)
    assert opened(house, cached()).state is State.QUEUED


@pytest.mark.parametrize("reuse", [Reuse.NOTHING, Reuse.KEPT])
def test_a_run_that_repeats_another_takes_nothing_from_the_cache(house, reuse):
    finished(house)
    assert opened(house, cached(), reuse=reuse).state is State.QUEUED


def test_a_kept_call_stands_only_in_its_own_run(house):
    first, second = house.running_root(), house.running_root()
    Run.objects.filter(id__in=[first.run_id, second.run_id]).update(reuse=Reuse.KEPT)
    call, other = new_call(), new_call()
    for id in (call.id, other.id):
        KeptCall.objects.create(
            id=id, run_id=first.run_id, result=[1], from_run=second.run_id, from_invocation=call.id
        )

    assert house.do("open_call", parent=second.fence, call=other).state is State.QUEUED
    outcome = house.do("open_call", parent=first.fence, call=call)
    assert (outcome.state, outcome.result) == (State.SUCCEEDED, [1])
    again = house.do("open_call", parent=first.fence, call=call)
    assert (again.state, again.result) == (State.SUCCEEDED, [1])


def test_many_kept_calls_are_looked_up_with_one_question(house):
    root = house.running_root()
    Run.objects.filter(id=root.run_id).update(reuse=Reuse.KEPT)
    calls = [new_call() for _ in range(20)]
    KeptCall.objects.bulk_create(
        KeptCall(id=call.id, run_id=root.run_id, result=n, from_run=root.run_id, from_invocation=call.id)
        for n, call in enumerate(calls[:15])
    )
    with CaptureQueriesContext(connection) as asked:
        about = [root.fence.invocation_id, *(call.id for call in calls)]
        with house.store.atomic(about):
            outcomes = [house.store.open_call(parent=root.fence, call=call) for call in calls]

    assert [outcome.result for outcome in outcomes] == [*range(15), *[None] * 5]
    assert [outcome.state for outcome in outcomes[15:]] == [State.QUEUED] * 5
    assert len([q["sql"] for q in asked if "runs_keptcall" in q["sql"]]) == 1


def stored(house, files_dir, *, run_id, keep=True):
    path = files_dir / "words"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("words")
    owner = Run.objects.get(id=run_id).owner_id
    return store_local(run_id=run_id, owner_id=owner, path=path, name="w", media_type="text/plain", keep=keep)


def test_a_file_in_the_result_is_the_new_runs_own(house, files_dir):
    source = finished(house)
    file = stored(house, files_dir, run_id=source.run_id)
    handle = as_handle(file).model_dump(mode="json")
    Invocation.objects.filter(id=source.id).update(result={"parts": [handle, handle]})

    call = cached()
    result = opened(house, call).result

    ours = File.objects.get(id=result["parts"][0]["id"])
    assert result["parts"] == [{**handle, "id": str(ours.id)}] * 2
    assert (ours.run_id, ours.keep) == (Invocation.objects.get(id=call.id).run_id, True)
    assert File.objects.count() == 2


@pytest.mark.parametrize("how", ["deleted", "bytes", "stranger", "no id"])
def test_a_result_whose_file_cannot_be_read_is_none(house, files_dir, how):
    source = finished(house)
    good, file = (stored(house, files_dir, run_id=source.run_id) for _ in range(2))
    handles = [as_handle(one).model_dump(mode="json") for one in (good, file)]
    if how == "deleted":
        delete_file(file=file)
    elif how == "bytes":
        (files_dir / str(file.id)[:2] / str(file.id) / "content").unlink()
    elif how == "stranger":
        File.objects.filter(id=file.id).update(owner=User.objects.get_or_create(username="eve")[0])
    else:
        handles[1]["id"] = "../../etc/passwd"
    Invocation.objects.filter(id=source.id).update(result=handles)
    before = File.objects.count(), sum(1 for _ in files_dir.rglob("content"))

    assert opened(house, cached()).state is State.QUEUED
    assert (File.objects.count(), sum(1 for _ in files_dir.rglob("content"))) == before


def lasting(asked):
    """Without what is asked once a second, for fair shares."""
    return [q for q in asked if "fleet_worker" not in q["sql"] and "COUNT(" not in q["sql"]]


def test_calls_of_chainlets_without_the_option_are_not_looked_up(house):
    root = house.running_root()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        house.do("open_call", parent=root.fence, call=new_call(code=CODE))
    assert not [q["sql"] for q in asked if "runs_keptcall" in q["sql"] or '"cache_s" IS NOT NULL' in q["sql"]]
    with CaptureQueriesContext(connection) as asked_more:
        house.do("open_call", parent=root.fence, call=cached())
    assert len(lasting(asked_more)) == len(lasting(asked)) + 1
