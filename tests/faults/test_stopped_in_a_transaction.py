"""A worker that stops in the middle of a transaction keeps its locks for as long as a lease, and no longer."""

import os
import signal
import time

import psycopg
import pytest

from tests.faults.crashed_runs import calls_of, check, right_answer
from tests.harness import ROOT, Stack, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

SHAPE = {"branches": 12, "leaves": 6}
IN_A_TRANSACTION = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle in transaction' AND query LIKE '%runs_%'
"""


@pytest.fixture
def house(tmp_path, new_database):
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "chains"),
        "WORKER_PROCESSES": "1",
        "DATABASE_URL": new_database(),
    }
    stack = Stack(data_dir=tmp_path / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


def stopped_while_it_writes(house: Stack) -> int:
    """Stop the worker again and again until it happens to hold rows."""
    (worker,) = house.pids("cpu")
    with psycopg.connect(house.env["DATABASE_URL"], autocommit=True) as database:

        def holds_rows() -> bool:
            os.kill(worker, signal.SIGSTOP)
            time.sleep(0.03)  # what it asked for is done
            first = database.execute(IN_A_TRANSACTION).fetchone()
            time.sleep(0.2)  # others, that go on, have ended theirs
            if first == (0,) or database.execute(IN_A_TRANSACTION).fetchone() == (0,):
                os.kill(worker, signal.SIGCONT)
                return False
            return True

        wait_until(holds_rows, timeout=30, what="the worker to be in a transaction", step=0.02)
    return worker


def test_a_worker_stopped_in_a_transaction_does_not_stop_its_run(house, tmp_path):
    ledger = tmp_path / "ledger"
    ledger.touch()
    run_id = house.start_run("crashes", **SHAPE, ledger=str(ledger))
    house.wait_event(run_id, "invocation.started", count=2)
    sleeper = stopped_while_it_writes(house)
    extra = house.worker("cpu", name="extra")
    try:
        run = house.wait_run(run_id, timeout=40)
    finally:
        os.kill(sleeper, signal.SIGCONT)
        extra.terminate()
        extra.wait(30)

    assert (run["state"], run["output"]) == ("succeeded", right_answer(**SHAPE))
    check(house, run_id, ledger, calls=calls_of(**SHAPE), killed=1)

    again = house.wait_run(house.start_run("crashes", **SHAPE, ledger=str(ledger)), timeout=30)
    assert again["state"] == "succeeded"
    assert house.pids("cpu") == [sleeper], "it went on working"
