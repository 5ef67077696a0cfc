"""Soft and hard time limits of the worker: they protect slots, whatever the code in them does."""

import time

import pytest

from tests.harness import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]


@pytest.fixture
def limit(celery_client, cpu_worker):
    """Sets the limits of a chainlet on the worker of the queue `cpu`, as `celery control time_limit` does."""
    limited = set()

    def set_limit(chainlet, soft, hard):
        limited.add(chainlet)
        celery_client.control.time_limit(
            f"slots.{chainlet}", soft, hard, destination=[cpu_worker], reply=True, timeout=3, limit=1
        )

    yield set_limit
    for chainlet in limited:
        set_limit(chainlet, None, None)


@pytest.fixture
def pool(celery_client, cpu_worker):
    def ask():
        found = celery_client.control.inspect([cpu_worker], timeout=3, limit=1).stats()
        return found[cpu_worker]["pool"]

    return ask


def words(ledger):
    return [line.rsplit(" ", 1)[0] for line in ledger.read_text().splitlines()]


def failures(house, run_id, chainlet):
    """The attempts of a chainlet's calls that failed, as they stand in the history."""
    ids = {call["id"] for call in house.invocations(run_id) if call["chainlet"] == chainlet}
    events = house.events(run_id)
    return [e["data"] for e in events if e["type"] == "invocation.failed" and e["invocation"] in ids]


@pytest.mark.parametrize(("way", "chainlet"), [("polite", "Polite"), ("asking", "Asking")])
def test_a_soft_limit_stops_code_that_listens(slots_house, limit, ledger, way, chainlet):
    limit(chainlet, 0.5, None)
    began = time.monotonic()
    run = slots_house.wait_run(
        slots_house.start_run("slots", way=way, count=1, seconds=20, ledger=str(ledger))
    )

    assert run["output"] == ["TimeoutError"]
    assert time.monotonic() - began < 4
    assert "stopped 0" in words(ledger)
    (failed,) = failures(slots_house, run["id"], chainlet)
    assert failed["error"]["message"].startswith(
        f"`{chainlet}` held a slot longer than its worker allows (soft limit of 0.5 seconds)."
    )


def test_a_hard_limit_frees_the_slot_of_code_that_goes_on(slots_house, limit, pool, ledger):
    limit("Deaf", 0.2, 0.5)
    began = time.monotonic()
    run = slots_house.wait_run(
        slots_house.start_run("slots", way="deaf", count=2, seconds=4.0, ledger=str(ledger))
    )
    took = time.monotonic() - began

    # There is one slot: the second call began while the first one's code was still at it.
    assert run["output"] == ["TimeoutError", "TimeoutError"]
    assert words(ledger).count("heard 0") == 0
    assert took < 3.5
    assert "hard limit of 0.5 seconds" in failures(slots_house, run["id"], "Deaf")[0]["error"]["message"]
    assert pool()["overdue"] == 2
    wait_until(lambda: "heard 1" in words(ledger), timeout=8, what="the code to end by itself")
    assert pool()["overdue"] == 0
    assert "slots.Deaf was told to stop, for its time is up." in slots_house.log


def test_a_call_that_waits_for_others_holds_no_slot_and_has_no_limit(slots_house, limit, ledger):
    limit("Slots", 0.2, 0.4)
    run = slots_house.wait_run(
        slots_house.start_run("slots", way="polite", count=1, seconds=1.5, ledger=str(ledger))
    )
    assert (run["state"], run["output"]) == ("succeeded", ["0"])
