"""Whoever comes later with little to do does not wait for all of those who came before."""

import time

import pytest

from tests.harness import ROOT, Stack

pytestmark = pytest.mark.timeout(180)
MANY = 600  # calls: 7.5 seconds, four at a time


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "chains"),
        "WORKER_PROCESSES": "1",
    }
    stack = Stack(data_dir=tmp_path_factory.mktemp("crowd") / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


def start(house, count, **more):
    answer = house.api.post("/api/runs", json={"chain": "crowd", "input": {"count": count}, **more})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def seconds(house, run_id):
    begin = time.monotonic()
    run = house.wait_run(run_id, timeout=60)
    assert run["state"] == "succeeded", run["error"]
    return time.monotonic() - begin


@pytest.mark.parametrize(("before", "later"), [("normal", "normal"), ("low", "high")])
def test_a_short_run_is_not_starved_by_a_long_one(house, before, later):
    long = start(house, MANY, priority=before)
    house.wait_event(long, "invocation.succeeded", count=5)
    short = start(house, 3, priority=later)
    took = seconds(house, short)
    left = seconds(house, long)
    assert took < left, "the short run had to wait for more than half of the long one"
    assert house.run(long)["output"] == sum(range(MANY))
    assert house.run(short)["priority"] == later
