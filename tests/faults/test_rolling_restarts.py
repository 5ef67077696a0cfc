"""Processes are restarted, or die, one after the other under load: nothing is lost, nothing is done twice, and soon goes on.

`ROUNDS=10 scripts/test tests/faults/test_rolling_restarts.py` does it for longer.
"""

import os
import signal
import threading
import time
from datetime import datetime
from uuid import uuid4

import httpx
import pytest

from tests.faults.crashed_runs import check
from tests.faults.test_seeded_crashes import BRANCHES, CALLS, LEAVES, RIGHT
from tests.harness import ROOT, Stack, wait_until

ROUNDS = int(os.environ.get("ROUNDS", "3"))
ALL = ("web", "cpu", "reconciler", "model-1", "valkey")

pytestmark = [pytest.mark.long, pytest.mark.faults, pytest.mark.timeout(120 + 60 * ROUNDS)]


@pytest.fixture(scope="module")
def house(tmp_path_factory, chosen_database):
    """A system without models."""
    env = chosen_database | {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "chains"),
        "WORKER_PROCESSES": "1",
    }
    stack = Stack(data_dir=tmp_path_factory.mktemp("house") / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


class Load:
    """Starts a run again and again on a thread, as a client does that wants none lost: the same key until it is answered."""

    def __init__(self, house, folder):
        self._house, self._folder = house, folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.runs = {}
        self.slowest = 0.0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _work(self):
        while not self._stop.wait(2.0):
            ledger = self._folder / f"ledger-{len(self.runs)}"
            ledger.touch()
            given = {"branches": BRANCHES, "leaves": LEAVES, "ledger": str(ledger)}
            began = time.monotonic()
            self.runs[self._start(given)] = ledger
            self.slowest = max(self.slowest, time.monotonic() - began)

    def _start(self, given):
        key = {"Idempotency-Key": str(uuid4())}
        while True:
            try:
                with self._house.client() as api:
                    response = api.post("/api/runs", json={"chain": "crashes", "input": given}, headers=key)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if response.status_code == 202:
                return response.json()["id"]
            assert response.status_code == 503, response.text
            time.sleep(0.1)


def restart(house, name):
    """Stop a process in good order and wait until its successor works."""
    ready = house.log.count("| ready")
    before = set(house.kill(name, signal.SIGTERM))
    wait_until(
        lambda: (now := set(house.pids(name))) and not now & before,
        timeout=40,
        what=f"the next {name}; {house.log[-2000:]}",
    )
    if name not in ("valkey", "web"):
        wait_until(lambda: house.log.count("| ready") > ready, timeout=30, what=f"{name} to be ready")


def test_every_process_restarts_in_turn_under_load(house, tmp_path, capsys):
    began = time.monotonic()
    with Load(house, tmp_path) as load:
        for _ in range(ROUNDS):
            for name in ALL:
                restart(house, name)
    restarted = time.monotonic() - began
    again = 0
    for run_id, ledger in load.runs.items():
        run = house.wait_run(run_id, timeout=90)
        assert (run["state"], run["output"]) == ("succeeded", RIGHT), run["error"]
        check(house, run_id, ledger, calls=CALLS)
        again += len(ledger.read_text().splitlines()) - CALLS
    with capsys.disabled():
        print(  # noqa: T201 (the figures are what this test is for)
            f"\n{ROUNDS * len(ALL)} restarts in {restarted:.0f} s: {len(load.runs)} runs of {CALLS} calls accepted, the slowest in "
            f"{load.slowest:.1f} s; all right, {again} executions handed back and begun again; the last ended after "
            f"{time.monotonic() - began - restarted:.1f} s more"
        )
    assert len(load.runs) >= ROUNDS * 2
    assert "Traceback" not in house.log


@pytest.fixture
def victim(house):
    """One more worker for the queue `cpu`."""
    extra = house.worker("cpu", "--concurrency", "8", name="victim")
    yield extra
    extra.kill()
    extra.wait(10)


def test_a_killed_worker_is_found_out_and_its_work_taken_over(house, victim, ledger, capsys):
    run_id, call = wait_until(lambda: by_victim(house, ledger), timeout=60, what="a call on the victim")
    killed = time.time()
    victim.kill()
    took = wait_until(lambda: next_start(house, run_id, call), timeout=30, what="the next attempt") - killed
    with capsys.disabled():
        print(f"\nfrom a worker's death to the next attempt's start: {took:.1f} s")  # noqa: T201
    house.api.post(f"/api/runs/{run_id}/cancel")
    assert took <= 10.0


@pytest.mark.parametrize("signals", [[signal.SIGQUIT], [signal.SIGTERM, signal.SIGQUIT]])
def test_a_worker_that_may_not_wait_hands_back_at_once(house, victim, ledger, signals):
    run_id, call = wait_until(lambda: by_victim(house, ledger), timeout=60, what="a call on the victim")
    began = time.time()
    for signum in signals:
        victim.send_signal(signum)
        time.sleep(0.5)
    took = wait_until(lambda: next_start(house, run_id, call), timeout=30, what="the next attempt") - began
    victim.wait(10)
    requeued = [e for e in house.events(run_id) if e["type"] == "invocation.requeued"]
    house.api.post(f"/api/runs/{run_id}/cancel")
    assert {event["data"]["reason"] for event in requeued} == {"handed_back"}
    assert took < 4.0  # the grace would have been 15 s


def by_victim(house, ledger):
    """A call that executes on the worker named `victim`; starts runs until there is one."""
    run_id = house.start_run("slots", way="polite", count=6, seconds=30, ledger=str(ledger))
    house.wait_event(run_id, "invocation.started", count=7)
    for event in house.events(run_id):
        if event["type"] == "invocation.started" and event["data"]["worker"].startswith("victim@"):
            return run_id, event["invocation"]
    house.api.post(f"/api/runs/{run_id}/cancel")
    return None


def next_start(house, run_id, call):
    """When the second attempt of a call began, as seconds since 1970; None before."""
    starts = [
        event["at"]
        for event in house.events(run_id)
        if (event["type"], event["invocation"]) == ("invocation.started", call)
    ]
    return datetime.fromisoformat(starts[1]).timestamp() if len(starts) > 1 else None
