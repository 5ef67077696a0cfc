"""Deadlines of runs: kept by the reconciler, told to the workers, forgotten by a resume."""

import time
from datetime import datetime, timedelta

import pytest

from chainlets.runtime.store import WorkerIdentity
from tests.harness import wait_until
from tests.integration.web import make_run
from webapp.runs import clock
from webapp.runs.deadlines import end_overdue
from webapp.runs.doorbell import Mail, doorbell
from webapp.runs.models import Event, Invocation, Run, State
from webapp.runs.services import resume_run
from webapp.runs.store import DatabaseRunStore

WORKER = WorkerIdentity(name="w", slot="w", host="here", pid=1, hardware="cpu", queues=("cpu",))


def start(house, tmp_path, *, chain="engine", deadline_s, **given):
    given["ledger"] = str(tmp_path / "ledger")
    body = {"chain": chain, "input": given, "deadline_s": deadline_s}
    answer = house.api.post("/api/runs", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def at(text):
    return datetime.fromisoformat(text)


def lines(tmp_path):
    path = tmp_path / "ledger"
    return path.read_text().splitlines() if path.exists() else []


def leaves(tmp_path):
    return sum(line.startswith("leaf") for line in lines(tmp_path))


@pytest.mark.timeout(120)
def test_a_run_that_is_late_fails_within_a_second_and_stops_all_its_work(whole, tmp_path):
    accepted = start(whole, tmp_path, way="plain", count=60, deadline_s=2)
    assert at(accepted["deadline_at"]) - at(accepted["created_at"]) == pytest.approx(
        timedelta(seconds=2), abs=timedelta(seconds=0.2)
    )

    run = whole.wait_run(accepted["id"], timeout=20)

    assert (run["state"], run["error"]["type"]) == ("failed", "DeadlineExceeded")
    assert run["error"]["message"].startswith(f"The run had to end by {accepted['deadline_at'][:10]} ")
    late = at(run["ended_at"]) - at(run["deadline_at"])
    assert timedelta(0) <= late < timedelta(seconds=1)
    time.sleep(0.3)  # the leaf that was under way is plain code and comes to its end
    done = leaves(tmp_path)
    assert done < 30
    time.sleep(1)
    assert leaves(tmp_path) == done
    calls = {call["chainlet"]: call["state"] for call in whole.invocations(run["id"])}
    assert (calls["Top"], calls["Down"]) == ("failed", "cancelled")
    types = [event["type"] for event in whole.events(run["id"])]
    assert types[-1] == "run.failed"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["nap", "rest"])  # a call of the entrypoint's, and itself
def test_the_worker_of_a_late_call_is_told_at_once(whole, tmp_path, way):
    run_id = start(whole, tmp_path, chain="again", way=way, deadline_s=1.5)["id"]
    whole.wait_run(run_id, timeout=20)

    wait_until(lambda: "woken" in lines(tmp_path), timeout=1, what="the call to be cancelled")


@pytest.mark.timeout(120)
def test_a_resumed_run_has_no_deadline_but_a_new_one(whole, tmp_path):
    run_id = start(whole, tmp_path, way="plain", count=20, deadline_s=1.5)["id"]
    assert whole.wait_run(run_id, timeout=20)["state"] == "failed"

    again = whole.api.post(f"/api/runs/{run_id}/resume", json={"deadline_s": 0.6})
    assert again.status_code == 202
    assert at(again.json()["deadline_at"]) > at(again.json()["created_at"]) + timedelta(seconds=1.6)
    assert whole.wait_run(run_id, timeout=20)["error"]["type"] == "DeadlineExceeded"

    assert whole.api.post(f"/api/runs/{run_id}/resume").json()["deadline_at"] is None
    run = whole.wait_run(run_id, timeout=30)
    assert run["output"] == [n * 2 for n in range(20)]


def test_a_run_that_ends_in_time_is_left_alone(whole):
    body = {"chain": "hello", "input": {"names": ["Ann"]}, "deadline_s": 2.5}
    run = whole.wait_run(whole.api.post("/api/runs", json=body).json()["id"])
    time.sleep(3)

    assert whole.run(run["id"]) == run
    assert run["state"] == "succeeded"


@pytest.mark.parametrize("seconds", [0, -1, "soon", True, [], 1e12, "nan", {"s": 1}])
@pytest.mark.django_db
def test_a_deadline_that_is_no_time_is_refused_by_name(api, alice, seconds):
    body = {"chain": "hello", "input": {"names": ["Ann"]}, "deadline_s": seconds}
    run = make_run(alice, state=State.FAILED)
    for address, given in (("/api/runs", body), (f"/api/runs/{run.id}/resume", {"deadline_s": seconds})):
        answer = api.post(address, given, content_type="application/json")
        assert answer.status_code == 422, answer.content
        assert set(answer.json()["errors"]) == {"deadline_s"}
    run.refresh_from_db()
    assert (run.state, Run.objects.count()) == (State.FAILED, 1)


@pytest.mark.django_db(transaction=True)
def test_a_sweep_is_one_question_and_touches_only_what_is_late(alice, django_assert_num_queries):
    now = clock.now()
    past, future = now - timedelta(seconds=1), now + timedelta(hours=1)
    kept = [
        make_run(alice, state=state, deadline_at=by).id
        for state, by in [("running", future), ("running", None), ("succeeded", past), ("cancelled", past)]
    ]
    before = list(Run.objects.order_by("id").values())
    with django_assert_num_queries(1):
        assert end_overdue(now) == 0
    assert list(Run.objects.order_by("id").values()) == before

    late = make_run(alice, state=State.QUEUED, deadline_at=past)
    assert end_overdue(now) == 1
    assert end_overdue(now) == 0
    late.refresh_from_db()
    assert (late.state, late.error["type"]) == (State.FAILED, "DeadlineExceeded")
    assert late.invocations.get().state == State.FAILED
    assert not Event.objects.filter(run_id__in=kept).exists()
    assert resume_run(run=late, by="ann").deadline_at is None


@pytest.mark.django_db(transaction=True)
def test_whoever_executes_something_of_a_late_run_is_told(alice, monkeypatch):
    run = make_run(alice, state=State.RUNNING, deadline_at=clock.now())
    run.invocations.update(worker="w1", attempt=1)
    root = run.invocations.get()
    below = [
        Invocation.objects.create(
            run=run,
            parent=root,
            chainlet="Leaf",
            queue="cpu",
            input={},
            input_hash="1",
            state=state,
            worker=worker,
        )
        for state, worker in [("running", "w2"), ("queued", ""), ("succeeded", "w3")]
    ]
    heard = []
    monkeypatch.setattr(doorbell, "send", heard.extend)

    assert end_overdue(clock.now()) == 1

    told = {(mail.worker, mail.invocation_id) for mail in heard if isinstance(mail, Mail)}
    assert told == {("w1", root.id), ("w2", below[0].id)}
    states = Invocation.objects.filter(parent=root).order_by("created_at").values_list("state", flat=True)
    assert list(states) == ["cancelled", "cancelled", "succeeded"]


@pytest.mark.django_db(transaction=True)
def test_a_call_whose_run_has_ended_cannot_be_taken(alice):
    run = make_run(alice, state=State.RUNNING)
    call = Invocation.objects.create(run=run, chainlet="Leaf", queue="cpu", input={}, input_hash="1")
    store = DatabaseRunStore()
    for state, taken in ((State.FAILED, False), (State.CANCELLED, False), (State.RUNNING, True)):
        Run.objects.filter(id=run.id).update(state=state)
        with store.atomic([call.id]):
            assert (store.claim(invocation_id=call.id, worker=WORKER) is not None) is taken
