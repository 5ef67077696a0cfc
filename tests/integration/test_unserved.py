"""Queues without a worker: what runs, their history, the interface and the admin say of them."""

import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.integration.web import make_run
from webapp.fleet.models import Worker
from webapp.fleet.services import note_lost_workers, served_queues
from webapp.runs.fold import empty, fold
from webapp.runs.models import Invocation, Unserved
from webapp.runs.services import cancel_run, resume_run
from webapp.runs.unserved import tell_unserved
from webapp.runs.wire import event_json

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(alice):
    """A run that waits on cpu, and with two calls on gpu.a100, for three seconds."""
    run = make_run(alice)
    for number in range(2):
        Invocation.objects.create(
            run=run,
            parent=run.invocations.first(),
            chainlet="W",
            queue="gpu.a100",
            input={},
            input_hash=number,
        )
    run.invocations.update(available_at=timezone.now() - timedelta(seconds=3))
    return run


def worker(name="w", *, queues=("gpu.a100",), state="live", ago=0.0, **more):
    beat = timezone.now() - timedelta(seconds=ago)
    given = {"slot": name, "host": "elsewhere", "pid": 1, "hardware": "cpu", "queues": list(queues)}
    return Worker.objects.create(name=name, state=state, heartbeat_at=beat, **{**given, **more})


def told(run):
    """How many calls wait on which queue, by the run's events; and whether that was news."""
    news = tell_unserved(now=timezone.now())
    view = fold(empty(), map(event_json, run.events.all()))
    return {wait["queue"]: wait["count"] for wait in view["waiting_for"]}, bool(news)


def test_each_change_is_told_once(run):
    assert told(run) == ({"cpu": 1, "gpu.a100": 2}, True)
    assert told(run) == ({"cpu": 1, "gpu.a100": 2}, False)
    worker(queues=["cpu"])
    assert told(run) == ({"gpu.a100": 2}, True)
    run.invocations.filter(queue="gpu.a100").first().delete()
    assert told(run) == ({"gpu.a100": 1}, True)
    worker("late", queues=["gpu.a100"])
    assert told(run) == ({}, True)
    assert told(run) == ({}, False)
    assert [event.type for event in run.events.all()] == ["run.unserved"] * 4


def test_a_call_that_was_queued_a_moment_ago_is_no_news(run):
    run.invocations.update(available_at=timezone.now())
    assert told(run) == ({}, False)


def test_what_waits_for_its_next_try_is_no_news(run):
    run.invocations.update(available_at=timezone.now() + timedelta(seconds=30))
    assert told(run) == ({}, False)


@pytest.mark.parametrize(
    ("workers", "reason"),
    [
        ([], "no_worker"),
        ([("w", "stopped", 9)], "worker_stopped"),
        ([("w", "lost", 9)], "worker_lost"),
        ([("old", "lost", 90), ("new", "stopped", 9)], "worker_stopped"),
        ([("silent", "live", 11)], "no_worker"),
    ],
)
def test_the_reason_is_what_became_of_the_last_worker(run, workers, reason):
    for name, state, ago in workers:
        worker(name, state=state, ago=ago)
    tell_unserved(now=timezone.now())
    assert Unserved.objects.get(queue="gpu.a100").reason == reason


def test_the_interface_says_what_the_history_says(run, api):
    told(run)
    shown = api.get(f"/api/runs/{run.id}").json()["waiting_for"]
    assert [(wait["queue"], wait["count"], wait["reason"]) for wait in shown] == [
        ("cpu", 1, "no_worker"),
        ("gpu.a100", 2, "no_worker"),
    ]
    assert shown == run.events.get().data["queues"]
    assert api.get("/api/runs").json()["results"][0]["waiting_for"] == shown


def test_a_cancelled_run_waits_for_nothing_and_a_resumed_one_again(run, api):
    told(run)
    cancel_run(run=run, by="alice")
    assert told(run)[0] == {}
    assert api.get(f"/api/runs/{run.id}").json()["waiting_for"] == []
    assert run.events.last().type == "run.cancelled", "after its end nothing is added"
    resume_run(run=run, by="alice")
    Invocation.objects.filter(parent=None).update(available_at=timezone.now() - timedelta(seconds=3))
    assert told(run) == ({"cpu": 1}, True)


def test_a_run_that_is_cancelled_and_resumed_between_two_looks_is_told_anew(run):
    told(run)
    cancel_run(run=run, by="alice")
    resume_run(run=run, by="alice")
    Invocation.objects.filter(parent=None).update(available_at=timezone.now() - timedelta(seconds=3))
    assert told(run) == ({"cpu": 1}, True)


def test_many_runs_are_told_in_several_looks(alice):
    runs = [make_run(alice) for _ in range(205)]
    Invocation.objects.update(available_at=timezone.now() - timedelta(seconds=3))
    assert tell_unserved(now=timezone.now()) == 200
    assert tell_unserved(now=timezone.now()) == 5
    assert tell_unserved(now=timezone.now()) == 0
    assert {run.events.count() for run in runs} == {1}


def test_the_admin_names_them_in_the_run_and_above_the_workers(run):
    operator = Client()
    operator.force_login(User.objects.create_superuser("root", password="x"))
    address = f"/admin/runs/run/{run.id}/change/"
    assert "Waiting for a worker" not in operator.get(address).content.decode()
    worker(state="stopped", ago=9)
    told(run)
    text = operator.get(address).content.decode()
    assert "2 calls have waited for gpu.a100 since" in text
    assert "its last worker was stopped." in text
    assert "python manage.py worker --queues gpu.a100" in text
    text = operator.get("/admin/fleet/worker/").content.decode()
    assert "Queues without a worker" in text
    assert "python manage.py worker --queues gpu.a100" in text
    worker("new", queues=["cpu", "gpu.a100"])
    told(run)
    assert "Queues without a worker" not in operator.get("/admin/fleet/worker/").content.decode()


def test_a_killed_process_of_this_machine_is_missed_before_its_heartbeat_is(db):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = socket.gethostname()
    worker("gone", host=here, pid=gone.pid, ago=3)
    worker("gone a moment ago", host=here, pid=gone.pid, ago=1, queues=["a"])
    worker("slow", host=here, pid=os.getpid(), ago=3, queues=["b"])
    worker("elsewhere", pid=gone.pid, ago=3, queues=["c"])
    worker("silent", ago=11, queues=["d"])
    now = timezone.now()
    assert note_lost_workers(now=now) == 2
    assert set(Worker.objects.filter(state="lost").values_list("name", flat=True)) == {"gone", "silent"}
    assert served_queues(now=now) == {"a", "b", "c"}
