"""Celery's own remote control works on workers that run chainlets, and revoking a call cancels it."""

import json
import subprocess
import sys
import time

import pytest

from tests.harness import ROOT, wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]

WIDE = 128  # slots of the worker of the queue `cpu`


@pytest.fixture
def inspect(celery_client):
    """What `celery inspect` asks the worker of the queue `cpu`."""

    def ask(what, *arguments):
        answers = getattr(celery_client.control.inspect(timeout=3, limit=2), what)(*arguments) or {}
        return next(answer for name, answer in answers.items() if name.startswith("cpu-"))

    return ask


def words(ledger):
    return [line.rsplit(" ", 1)[0] for line in ledger.read_text().splitlines()]


def wait_words(ledger, *wanted):
    wait_until(lambda: set(wanted) <= set(words(ledger)), timeout=20, what=f"{wanted} in the ledger")


def served(inspect):
    """The queues that a worker serves, but for its own, which calls are passed to when it has their chainlet built."""
    return [queue["name"] for queue in inspect("active_queues") if not queue["name"].startswith("at.")]


def calls(house, run_id, chainlet, state=None):
    found = [call for call in house.invocations(run_id) if call["chainlet"] == chainlet]
    return [call["id"] for call in found if state is None or call["state"] == state]


def wait_calls(house, run_id, chainlet, state=None):
    """As `calls`, once there are any: a call may execute a moment before it is recorded."""
    return wait_until(
        lambda: calls(house, run_id, chainlet, state), timeout=5, what=f"a call of {chainlet}", step=0.01
    )


def celery(house, *command):
    """Celery's command line, with our application."""
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "webapp.celery", *command],
        env=house.environment_of("cpu"), cwd=ROOT, text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_inspect_tells_of_the_worker_its_queues_and_its_tasks(slots_house, inspect):
    assert inspect("ping") == {"ok": "pong"}
    assert served(inspect) == ["cpu"]
    assert {"slots.Slots", "slots.Single"} <= set(inspect("registered"))
    pool = inspect("stats")["pool"]
    assert pool["max-concurrency"] == WIDE
    assert pool["implementation"] == "chainlets.runtime.pool:ChainletPool"
    assert {"executing", "waiting", "overdue"} <= set(pool)


def test_active_is_what_executes_and_reserved_what_waits_for_a_slot(slots_house, inspect, ledger):
    run_id = slots_house.start_run("slots", way="single", count=2, seconds=4.0, ledger=str(ledger))
    wait_calls(slots_house, run_id, "Single", "running")
    (waits,) = wait_calls(slots_house, run_id, "Single", "queued")
    (begun,) = calls(slots_house, run_id, "Single", "running")
    # Their caller waits for them, so it holds no slot and is not among these.

    active = {task["id"]: task["name"] for task in inspect("active")}
    reserved = {task["id"]: task["name"] for task in inspect("reserved")}

    assert active == {begun: "slots.Single"}
    assert reserved == {waits: "slots.Single"}
    pool = inspect("stats")["pool"]
    assert (pool["executing"], pool["waiting"]) == (1, 1)
    assert slots_house.wait_run(run_id)["output"] == ["0", "1"]
    assert inspect("active") == inspect("reserved") == []


def test_calls_that_follow_each_other_in_a_slot_are_in_the_books_one_by_one(slots_house, inspect):
    def counted():
        return inspect("stats")["total"].get("crowd.Short", 0)

    before = counted()
    run_id = slots_house.start_run("crowd", count=300)
    wait_until(lambda: counted() > before + 50, timeout=20, what="some calls")
    active = [task["id"] for task in inspect("active") if task["name"] == "crowd.Short"]
    assert 0 < len(active) <= 4
    assert set(active) <= set(calls(slots_house, run_id, "Short"))

    assert slots_house.wait_run(run_id)["output"] == sum(range(300))
    assert counted() == before + 300
    wait_until(
        lambda: inspect("active") == inspect("reserved") == [], timeout=5, what="the books to be empty"
    )


def test_the_command_line_answers_too(slots_house, ledger):
    pongs = json.loads(celery(slots_house, "inspect", "ping", "--json"))
    run_id = slots_house.start_run("slots", way="polite", count=1, seconds=30, ledger=str(ledger))
    wait_words(ledger, "polite 0")
    (call,) = wait_calls(slots_house, run_id, "Polite")

    celery(slots_house, "control", "revoke", call)

    assert {name.split("-")[0] for name in pongs} == {"cpu", "model"}
    assert slots_house.wait_run(run_id, timeout=10)["output"] == ["CallCancelled"]
    assert "stopped 0" in words(ledger)


@pytest.mark.parametrize("terminate", [False, True])
def test_revoking_an_executing_call_cancels_it_and_no_other(
    slots_house, celery_client, inspect, ledger, terminate
):
    run_id = slots_house.start_run("slots", way="polite", count=2, seconds=2.0, ledger=str(ledger))
    wait_words(ledger, "polite 0", "polite 1")
    wait_until(lambda: len(calls(slots_house, run_id, "Polite")) == 2, timeout=5, what="both calls")
    first = next(
        call["id"]
        for call in slots_house.invocations(run_id)
        if call["chainlet"] == "Polite" and call["input"]["number"] == 0
    )

    began = time.monotonic()
    celery_client.control.revoke(first, terminate=terminate)
    wait_words(ledger, "stopped 0")

    assert time.monotonic() - began < 1.5
    assert calls(slots_house, run_id, "Polite", "cancelled") == [first]
    assert slots_house.wait_run(run_id)["output"] == ["CallCancelled", "1"]
    assert "stopped 1" not in words(ledger)
    assert first not in inspect("revoked")


def test_revoking_plain_code_lets_it_see_that_it_is_cancelled(slots_house, celery_client, ledger):
    run_id = slots_house.start_run("slots", way="asking", count=1, seconds=20, ledger=str(ledger))
    wait_words(ledger, "asking 0")

    celery_client.control.terminate(wait_calls(slots_house, run_id, "Asking")[0])

    wait_words(ledger, "stopped 0")
    run = slots_house.wait_run(run_id, timeout=10)
    assert run["error"]["cause"]["type"] == "CallCancelled"


def test_revoking_a_queued_call_keeps_it_from_starting(slots_house, celery_client, ledger):
    run_id = slots_house.start_run("slots", way="single", count=2, seconds=1.5, ledger=str(ledger))
    wait_words(ledger, "single 0")
    (waits,) = wait_calls(slots_house, run_id, "Single", "queued")

    celery_client.control.revoke(waits)
    wait_until(lambda: calls(slots_house, run_id, "Single", "cancelled"), timeout=1, what="the cancel")

    assert slots_house.wait_run(run_id)["output"] == ["0", "CallCancelled"]
    assert "single 1" not in words(ledger)


def test_revoking_a_root_that_waits_cancels_the_run_and_what_it_called(slots_house, celery_client, ledger):
    run_id = slots_house.start_run("slots", way="polite", count=2, seconds=30, ledger=str(ledger))
    wait_words(ledger, "polite 0", "polite 1")

    celery_client.control.revoke(calls(slots_house, run_id, "Slots")[0])

    assert slots_house.wait_run(run_id, timeout=5)["state"] == "cancelled"
    wait_words(ledger, "stopped 0", "stopped 1")
    assert {call["state"] for call in slots_house.invocations(run_id)} == {"cancelled"}
    # What was revoked may be wanted again.
    assert slots_house.api.post(f"/api/runs/{run_id}/resume").status_code == 202
    wait_until(lambda: words(ledger).count("polite 0") == 2, timeout=10, what="the second try")
    assert slots_house.api.post(f"/api/runs/{run_id}/cancel").status_code == 200


def test_the_pool_grows_and_shrinks_but_not_to_nothing(celery_client, cpu_worker, inspect):
    def size():
        stats = inspect("stats")
        return stats["pool"]["max-concurrency"], stats["prefetch_count"]

    before = size()
    control = {"destination": [cpu_worker], "reply": True, "timeout": 3, "limit": 1}
    try:
        celery_client.control.pool_grow(3, **control)
        grown = size()
        celery_client.control.pool_shrink(WIDE - 2, **control)
        shrunk = size()
        (refused,) = celery_client.control.pool_shrink(5, **control)
    finally:
        celery_client.control.pool_grow(WIDE - 5, **control)
    assert (before, grown, shrunk) == ((WIDE, WIDE), (WIDE + 3, WIDE + 3), (5, 5))
    assert "must keep one" in refused[cpu_worker]["error"]
    assert size() == before


def test_a_pool_that_shrank_executes_fewer_at_a_time(slots_house, celery_client, cpu_worker, ledger):
    celery_client.control.pool_shrink(WIDE - 2, destination=[cpu_worker], reply=True, timeout=3, limit=1)
    try:
        run_id = slots_house.start_run("slots", way="polite", count=6, seconds=0.5, ledger=str(ledger))
        wait_words(ledger, "polite 0")
        seen = []
        while slots_house.run(run_id)["state"] in ("queued", "running"):
            seen.append(len(calls(slots_house, run_id, "Polite", "running")))
    finally:
        celery_client.control.pool_grow(WIDE - 2, destination=[cpu_worker], reply=True, timeout=3, limit=1)
    assert max(seen) == 2


def test_a_rate_limit_holds_until_it_is_taken_away(slots_house, celery_client, ledger):
    def took():
        began = time.monotonic()
        slots_house.wait_run(
            slots_house.start_run("slots", way="polite", count=5, seconds=0.0, ledger=str(ledger))
        )
        return time.monotonic() - began

    assert took() < 1.0
    celery_client.control.rate_limit("slots.Polite", "2/s", reply=True, timeout=1)
    try:
        assert took() > 1.4
    finally:
        celery_client.control.rate_limit("slots.Polite", 0, reply=True, timeout=1)
    assert took() < 1.0


def test_a_worker_leaves_a_queue_and_comes_back(slots_house, celery_client, cpu_worker, inspect, ledger):
    celery_client.control.cancel_consumer("cpu", destination=[cpu_worker], reply=True, timeout=3, limit=1)
    try:
        assert served(inspect) == []
        run_id = slots_house.start_run("slots", way="polite", count=1, seconds=0.0, ledger=str(ledger))
        time.sleep(1.0)
        assert slots_house.run(run_id)["state"] == "queued"
    finally:
        celery_client.control.add_consumer("cpu", destination=[cpu_worker], reply=True, timeout=3, limit=1)
    assert slots_house.wait_run(run_id, timeout=10)["state"] == "succeeded"


def test_a_worker_that_is_told_to_shut_down_hands_back_and_ends_well(slots_house, celery_client, ledger):
    extra = slots_house.worker("gpu.extra", name="extra")
    try:
        wait_until(lambda: extra_name(celery_client), timeout=20, what="the extra worker")
        celery_client.control.shutdown(destination=[extra_name(celery_client)])
        assert extra.wait(15) == 0
    finally:
        extra.kill()
    assert not extra_name(celery_client)


def extra_name(client):
    found = client.control.inspect(timeout=1, limit=3).ping() or {}
    return next((name for name in found if name.startswith("extra-")), None)
