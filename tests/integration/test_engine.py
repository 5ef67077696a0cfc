"""The engine with real processes, through the REST API: what authors may rely on."""

import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.harness import ROOT, Stack, wait_until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request, tmp_path_factory):
    """A system without models, on each database."""
    folder = tmp_path_factory.mktemp("house")
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "chains"),
        "WORKER_PROCESSES": "1",
        "MODEL_QUEUES": "gpu.any",
    }
    if request.param == "postgresql":
        env["DATABASE_URL"] = request.getfixturevalue("new_database")()
    stack = Stack(data_dir=folder / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "ledger"
    path.touch()
    return path


def lines(ledger: Path) -> list[str]:
    return [line.rsplit(" ", 1)[0] for line in ledger.read_text().splitlines()]


def check_history(house, run_id):
    events = house.events(run_id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "run.created"
    return events


def test_calls_run_at_the_same_time_and_come_back_in_order(house):
    run = house.wait_run(house.start_run("hello", names=["Ann", "Bob", "Cy"]))

    assert run["state"] == "succeeded"
    assert run["output"] == ["Hello, Ann!", "Hello, Bob!", "Hello, Cy!"]
    check_history(house, run["id"])


def test_calls_that_their_callers_worker_takes_at_once_have_a_history_like_any_other(house, ledger):
    together, runs, until = 0, 0, time.monotonic() + 90
    while runs < 3 or (not together and time.monotonic() < until):
        runs += 1
        run = house.wait_run(house.start_run("engine", way="blocking", count=1, ledger=str(ledger)))
        by_call = {}
        for event in check_history(house, run["id"]):
            if event["type"] in ("invocation.queued", "invocation.started", "invocation.succeeded"):
                by_call.setdefault(event["invocation"], []).append(event)
        assert len(by_call) == 4
        for events in by_call.values():
            assert [event["type"].removeprefix("invocation.") for event in events] == [
                "queued",
                "started",
                "succeeded",
            ]
            together += len({event["at"] for event in events}) == 1
    assert together, "not one was recorded in one transaction"
    assert len(lines(ledger)) == 2 * runs


def test_sync_calls_that_block_async_code_do_not_lock_the_process(house, ledger):
    run = house.wait_run(house.start_run("engine", way="blocking", count=12, ledger=str(ledger)), timeout=60)

    assert run["output"] == [n * 2 + 1 for n in range(12)]
    assert sorted(lines(ledger)) == sorted(["down blocking", *(f"leaf {n}" for n in range(12))])


def test_partial_results_and_progress_are_in_the_history(house, ledger):
    run = house.wait_run(house.start_run("engine", way="plain", count=2, ledger=str(ledger)))

    events = check_history(house, run["id"])
    assert run["progress"] == {"done": 2, "total": 2, "message": "Done"}
    assert [e["data"] for e in events if e["type"] == "partial"] == [{"kind": "sum", "value": 2}]


def test_a_failure_is_told_from_the_root_cause_up(house, ledger, tmp_path):
    run = house.wait_run(
        house.start_run("engine", way="failing", count=2, ledger=str(ledger), gate=str(tmp_path / "gate"))
    )

    assert run["state"] == "failed"
    error, depth = run["error"], []
    while error:
        depth.append(error["chainlet"])
        root, error = error, error["cause"]
    assert depth == ["Top", "Down", "Failing"]
    assert root["type"] == "LookupError"
    assert root["message"] == "no gate for 2"
    assert root["frames"][-1]["code"].startswith("raise LookupError")
    assert lines(ledger).count("failing 2") == 2  # retries=2 are two attempts in all


def test_resume_goes_on_where_it_failed_and_pays_nothing_twice(house, ledger, tmp_path):
    gate = tmp_path / "gate"
    run_id = house.start_run("engine", way="failing", count=3, ledger=str(ledger), gate=str(gate))
    assert house.wait_run(run_id)["state"] == "failed"
    gate.touch()

    assert house.api.post(f"/api/runs/{run_id}/resume").status_code == 202
    run = house.wait_run(run_id)

    assert run["state"] == "succeeded"
    assert run["output"] == [0, 2, 4, 3]
    assert run["error"] is None
    for number in range(3):
        assert lines(ledger).count(f"leaf {number}") == 1
    kept = [e for e in check_history(house, run_id) if e["type"] == "invocation.kept"]
    assert len(kept) == 3
    assert house.api.post(f"/api/runs/{run_id}/resume").status_code == 409


def test_a_run_says_that_its_queue_has_no_worker_until_one_comes(house):
    run_id = house.start_run("remote_gpu")
    (told,) = house.wait_event(run_id, "run.unserved", timeout=2)
    (wait,) = told["data"]["queues"]
    assert (wait["queue"], wait["count"], wait["reason"]) == ("gpu.a100", 1, "no_worker")
    assert house.run(run_id)["waiting_for"] == [wait]
    worker = house.worker("gpu.a100", name="rare")
    try:
        assert house.wait_run(run_id)["output"] == "done"
    finally:
        worker.terminate()
        worker.wait(20)
    types = [event["type"] for event in check_history(house, run_id)]
    assert types[-1] == "run.succeeded"
    assert house.run(run_id)["waiting_for"] == []


def test_an_input_that_was_rejected_is_not_tried_again(house, ledger):
    run = house.wait_run(house.start_run("engine", way="rejecting", count=1, ledger=str(ledger)))

    assert run["state"] == "failed"
    assert run["error"]["type"] == "InputRejected"
    assert run["error"]["message"] == "The tea is not what we need. Send something else."
    attempts = [len(i["attempts"]) for i in house.invocations(run["id"]) if i["chainlet"] == "Rejecting"]
    assert attempts == [1]


def test_a_call_that_takes_too_long_fails_and_says_so(house, ledger):
    started = time.monotonic()
    run = house.wait_run(house.start_run("engine", way="late", count=1, ledger=str(ledger)))

    assert run["state"] == "failed"
    assert run["error"]["type"] == "TimeoutError"
    assert run["error"]["message"] == "Timeout calling remote Chainlet `SyncLeaf` (0.5 seconds limit)."
    assert time.monotonic() - started < 10


def test_cancel_stops_a_run_and_what_it_called(house, ledger):
    run_id = house.start_run("engine", way="plain", count=50, ledger=str(ledger))
    wait_until(lambda: "leaf 1" in lines(ledger), timeout=20, what="the first leaves")

    assert house.api.post(f"/api/runs/{run_id}/cancel").json()["state"] == "cancelled"
    time.sleep(1.0)
    seen = len(lines(ledger))
    time.sleep(1.5)

    assert len(lines(ledger)) == seen
    assert seen < 20
    assert {i["state"] for i in house.invocations(run_id)} <= {"succeeded", "cancelled"}
    check_history(house, run_id)
    assert house.api.post(f"/api/runs/{run_id}/cancel").status_code == 409


def test_a_cancelled_run_can_be_resumed(house, ledger):
    run_id = house.start_run("engine", way="plain", count=8, ledger=str(ledger))
    wait_until(lambda: "leaf 2" in lines(ledger), timeout=20, what="some leaves")
    house.api.post(f"/api/runs/{run_id}/cancel")
    house.api.post(f"/api/runs/{run_id}/resume")

    run = house.wait_run(run_id)

    assert run["output"] == [0, 2, 4, 6, 8, 10, 12, 14]
    # The leaf that was under way when the run was cancelled may run again; no other.
    assert sum(lines(ledger).count(f"leaf {n}") - 1 for n in range(8)) <= 1


def test_an_input_that_kills_workers_is_given_up_after_three(house, ledger):
    run = house.wait_run(house.start_run("engine", way="deadly", count=1, ledger=str(ledger)), timeout=90)

    assert run["state"] == "failed"
    assert run["error"]["type"] == "WorkerLost"
    assert lines(ledger).count("deadly") == 3
    assert house.wait_run(house.start_run("hello", names=["Eve"]), timeout=30)["state"] == "succeeded"


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_ends_in_mid_run_costs_no_finished_call(house, ledger, signum):
    run_id = house.start_run("engine", way="plain", count=12, ledger=str(ledger))
    wait_until(lambda: "leaf 3" in lines(ledger), timeout=20, what="some leaves")
    started = time.monotonic()
    for pid in house.pids("cpu"):
        os.kill(pid, signum)

    run = house.wait_run(run_id, timeout=60)

    assert run["output"] == [n * 2 for n in range(12)]
    assert time.monotonic() - started < 30
    again = {n: lines(ledger).count(f"leaf {n}") for n in range(12)}
    assert sum(count - 1 for count in again.values()) <= 1, again
    events = check_history(house, run_id)
    ends = [e["invocation"] for e in events if e["type"] == "invocation.succeeded"]
    assert len(ends) == len(set(ends))


def stopped_worker(house) -> int:
    """Stop the worker while it does not hold SQLite's one lock, which nobody could take from it."""
    (worker,) = house.pids("cpu")
    file = house.data_dir / "db.sqlite3"

    def stopped() -> bool:
        os.kill(worker, signal.SIGSTOP)
        if not file.exists():
            return True
        with contextlib.closing(sqlite3.connect(file, timeout=0.5)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(worker, signal.SIGCONT)
                return False
            return True

    wait_until(stopped, timeout=20, what="the worker to be stopped")
    return worker


def test_a_worker_that_slept_past_its_lease_may_not_write(house, ledger):
    run_id = house.start_run("engine", way="plain", count=4, ledger=str(ledger))
    wait_until(lambda: "leaf 1" in lines(ledger), timeout=20, what="a leaf")
    sleeper = stopped_worker(house)
    try:
        # Its lease runs out, and a second worker takes over.
        extra = house.worker("cpu", name="extra")
        run = house.wait_run(run_id, timeout=60)
    finally:
        os.kill(sleeper, signal.SIGCONT)
    time.sleep(1.0)
    extra.terminate()
    extra.wait(30)

    assert run["output"] == [0, 2, 4, 6]
    events = check_history(house, run_id)
    ends = [e["invocation"] for e in events if e["type"] == "invocation.succeeded"]
    assert len(ends) == len(set(ends))
    assert [e["type"] for e in events].count("run.succeeded") == 1


def test_a_file_dropped_into_the_folder_is_a_chain_at_once(make_stack, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    stack = make_stack(CHAINS="chainlets.chains.hello", CHAINS_DIR=str(folder), WORKER_PROCESSES="1").start()
    (folder / "words.py").write_text(
        '"""Counts words."""\n'
        "import chainlets as chains\n\n\n"
        "class Count(chains.ChainletBase):\n"
        '    """Counts the words of one line."""\n\n'
        '    remote_config = chains.RemoteConfig(compute=chains.Compute(gpu="L4"))\n\n'
        "    async def run_remote(self, line: str) -> int:\n"
        "        return len(line.split())\n\n\n"
        "@chains.mark_entrypoint('words')\n"
        "class Words(chains.ChainletBase):\n"
        '    """Counts the words of a text."""\n\n'
        "    def __init__(self, count: Count = chains.depends(Count)) -> None:\n"
        "        self._count = count\n\n"
        "    async def run_remote(self, text: str) -> int:\n"
        "        return sum([await self._count.run_remote(line) for line in text.splitlines()])\n"
    )
    (folder / "broken.py").write_text("def oops(:\n")

    chain = stack.api.get("/api/chains/words").json()
    listing = stack.api.get("/api/chains").json()
    run = stack.wait_run(stack.start_run("words", text="one two\nthree"), timeout=30)

    assert chain["graph"]["edges"] == [["Words", "Count"]]
    assert [node["queue"] for node in chain["graph"]["nodes"]] == ["cpu", "gpu.l4"]
    assert chain["input_schema"]["properties"]["text"]["type"] == "string"
    assert chain["output_schema"]["type"] == "integer"
    assert [problem["file"] for problem in listing["problems"]] == ["broken.py"]
    assert run["output"] == 3
    wrong = stack.api.post("/api/runs", json={"chain": "words", "input": {"txt": 1}})
    assert wrong.status_code == 422
    assert set(wrong.json()["errors"]) == {"text", "txt"}
