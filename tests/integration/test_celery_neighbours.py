"""Stock Celery programs on the same broker: clients, workers, receivers of events, and Flower."""

import contextlib
import importlib.util
import subprocess
import sys
import threading
import time
from collections import defaultdict

import httpx
import pytest
import redis

from tests.harness import ROOT, free_port, wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]


@contextlib.contextmanager
def program(house, tmp_path, *words, **env):
    """A program of Celery's beside the system, ended after the block."""
    log = (tmp_path / "program.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", *words],
        env=house.environment_of("cpu") | env, cwd=ROOT, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.fixture
def events(celery_client):
    """The events of tasks, by task and in order, from when they are switched on until they are switched off."""
    seen = defaultdict(list)
    celery_client.control.enable_events(reply=True, timeout=1)
    with celery_client.connection_for_read() as connection:
        receiver = celery_client.events.Receiver(
            connection, handlers={"*": lambda event: seen[event.get("uuid", event["type"])].append(event)}
        )
        thread = threading.Thread(target=receiver.capture, kwargs={"limit": None, "timeout": None})
        thread.start()
        wait_until(lambda: seen["worker-heartbeat"], timeout=10, what="a heartbeat")
        yield seen
        receiver.should_stop = True
        thread.join()
    celery_client.control.disable_events(reply=True, timeout=1)


def types(events, id):
    return [event["type"] for event in events[id]]


def test_events_tell_what_becomes_of_calls(slots_house, celery_client, events, ledger):
    run_id = slots_house.start_run("slots", way="polite", count=2, seconds=1.0, ledger=str(ledger))
    wait_until(lambda: "polite 1" in ledger.read_text(), timeout=10, what="both calls")
    ids = {call["input"].get("number"): call["id"] for call in slots_house.invocations(run_id)}
    celery_client.control.revoke(ids[0])
    slots_house.wait_run(run_id)
    failed = slots_house.wait_run(
        slots_house.start_run("engine", way="rejecting", count=1, ledger=str(ledger))
    )
    (rejected,) = [call for call in slots_house.invocations(failed["id"]) if call["chainlet"] == "Rejecting"]

    wait_until(lambda: "task-failed" in types(events, rejected["id"]), timeout=5, what="its event")
    assert types(events, ids[1]) == ["task-received", "task-started", "task-succeeded"]
    assert types(events, ids[0]) == ["task-received", "task-started", "task-revoked"]
    assert events[ids[1]][0]["name"] == "slots.Polite"
    assert events[ids[1]][2]["runtime"] == pytest.approx(1.0, abs=0.5)
    assert types(events, rejected["id"]) == ["task-received", "task-started", "task-failed"]
    assert events[rejected["id"]][2]["exception"].startswith("InputRejected('The tea is not what we need.")


def test_a_stock_client_rings_for_a_call_by_its_name_and_id(slots_house, celery_client, cpu_worker, ledger):
    url = slots_house.environment_of("cpu")["REDIS_URL"].replace("redis+socket://", "unix://")
    celery_client.control.cancel_consumer("cpu", destination=[cpu_worker], reply=True, timeout=3, limit=1)
    run_id = slots_house.start_run("slots", way="polite", count=1, seconds=0.0, ledger=str(ledger))
    (root,) = slots_house.invocations(run_id)
    with redis.Redis.from_url(url) as broker:
        wait_until(lambda: broker.llen("chainlets.cpu"), timeout=5, what="our own bell")
        broker.delete("chainlets.cpu")  # so that only the client's is left
    celery_client.control.add_consumer("cpu", destination=[cpu_worker], reply=True, timeout=3, limit=1)
    assert slots_house.run(run_id)["state"] == "queued"

    began = time.monotonic()
    celery_client.send_task("slots.Slots", task_id=root["id"], queue="cpu")

    assert slots_house.wait_run(run_id)["state"] == "succeeded"
    assert time.monotonic() - began < 2  # by the client's message: ours would be rung again after 5 s


def test_ordinary_tasks_run_in_our_workers_too(celery_client, events):
    task = celery_client.send_task("celery.accumulate", (1, 2), queue="cpu")
    wait_until(lambda: "task-succeeded" in types(events, task.id), timeout=5, what="its end")


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_a_stock_worker_serves_queues_of_its_own_on_the_same_broker(
    slots_house, celery_client, tmp_path, pool
):
    out = tmp_path / "out"
    command = ("-A", "tests.plain_celery", "worker", "-P", pool, "-c", "1", "-Q", "plain", "-n", "plain@%h")
    with program(slots_house, tmp_path, *command):
        celery_client.send_task("plain.write", (str(out), "done"), queue="plain")
        wait_until(out.exists, timeout=20, what="the task of the other application")
    # And chainlets went on to be served by their own worker.
    run_id = slots_house.start_run("slots", way="polite", count=1, seconds=0.0, ledger=str(tmp_path / "led"))
    assert slots_house.wait_run(run_id)["output"] == ["0"]


@pytest.mark.skipif(
    importlib.util.find_spec("flower") is None, reason="needs Flower, see requirements-flower.txt"
)
def test_flower_shows_the_worker_and_what_a_call_came_to(slots_house, celery_client, cpu_worker, tmp_path):
    port = free_port()
    name = cpu_worker
    command = ("-A", "webapp.celery", "flower", f"--port={port}", "--address=127.0.0.1")
    api = httpx.Client(base_url=f"http://127.0.0.1:{port}/api", trust_env=False, timeout=10)
    with api, program(slots_house, tmp_path, *command, FLOWER_UNAUTHENTICATED_API="true"):

        def workers():
            with contextlib.suppress(httpx.TransportError):
                return api.get("/workers", params={"refresh": 1}).json()

        found = wait_until(
            lambda: (shown := workers()) and name in shown and shown,
            timeout=30,
            what=f"Flower to know the worker; {(tmp_path / 'program.log').read_text()}",
        )
        celery_client.control.enable_events(reply=True, timeout=1)
        run = slots_house.wait_run(
            slots_house.start_run(
                "slots", way="polite", count=1, seconds=0.1, ledger=str(tmp_path / "ledger")
            )
        )
        (call,) = [call for call in slots_house.invocations(run["id"]) if call["chainlet"] == "Polite"]
        task = wait_until(
            lambda: (
                (answer := api.get(f"/task/info/{call['id']}")).status_code == 200
                and answer.json()["state"] == "SUCCESS"
                and answer.json()
            ),
            timeout=10,
            what="Flower to know the call",
        )
        status = api.get("/workers", params={"status": 1}).json()
    celery_client.control.disable_events(reply=True, timeout=1)
    assert found[name]["stats"]["pool"]["max-concurrency"] == 128
    assert status[name] is True
    assert (task["name"], task["worker"]) == ("slots.Polite", name)
