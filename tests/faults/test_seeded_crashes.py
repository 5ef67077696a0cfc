"""Random kills at random moments: every run ends right, and nothing that had finished is done again.

`CRASHES=100 scripts/test tests/faults/test_seeded_crashes.py` does it for longer; `SEED=…` does it again.
"""

import os
import random
import time
from collections import Counter

import pytest
import redis

from tests.faults.crashed_runs import calls_of, check, right_answer
from tests.harness import ROOT, Stack, wait_until

CRASHES = int(os.environ.get("CRASHES", "0"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
BRANCHES, LEAVES = 6, 9
CALLS = calls_of(BRANCHES, LEAVES)
RIGHT = right_answer(BRANCHES, LEAVES)
VICTIMS = ["cpu", "cpu", "cpu", "model-1", "model-1", "reconciler", "valkey", "broker's data"]

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + 60 * max(CRASHES, 8))]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request, tmp_path_factory):
    """A system without models, on each database."""
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "chains"),
        "WORKER_PROCESSES": "1",
    }
    if request.param == "postgresql":
        env["DATABASE_URL"] = request.getfixturevalue("new_database")()
    stack = Stack(data_dir=tmp_path_factory.mktemp("house") / "data", env=env)
    stack.database = request.param
    try:
        yield stack.start()
    finally:
        stack.stop()


def strike(house: Stack, victim: str) -> None:
    """Kill a process, or let the broker forget everything."""
    if victim != "broker's data":
        house.kill(victim)
        return
    url = house.environment_of("reconciler")["REDIS_URL"]
    with redis.Redis.from_url(url.replace("redis+socket://", "unix://")) as broker:
        broker.flushall()


def test_runs_end_right_whatever_is_killed_whenever(house, tmp_path, capsys):
    chance = random.Random(f"{SEED} {house.database}")
    count = CRASHES if house.database == "sqlite" else CRASHES // 2
    count = count or (6 if house.database == "sqlite" else 3)
    struck: Counter[str] = Counter()
    took, worst = [], 0.0
    for number in range(count):
        ledger = tmp_path / f"ledger-{number}"
        ledger.touch()
        victim, delay = chance.choice(VICTIMS), chance.uniform(0.0, 2.0)
        print(f"seed {SEED}, {house.database}, crash {number}: {victim} after {delay:.2f} s")  # noqa: T201 (shown if it fails)
        begin = time.monotonic()
        run_id = house.start_run("crashes", branches=BRANCHES, leaves=LEAVES, ledger=str(ledger))
        time.sleep(delay)
        strike(house, victim)
        run = house.wait_run(run_id, timeout=60)
        took.append(time.monotonic() - begin)
        worst = max(worst, took[-1])
        assert (run["state"], run["output"]) == ("succeeded", RIGHT), run["error"]
        check(house, run_id, ledger, calls=CALLS, killed=victim in ("cpu", "model-1"))
        struck[victim] += 1
        names = ("cpu", "model-1", "reconciler", "valkey")
        wait_until(lambda: all(house.pids(name) for name in names), timeout=20, what="all to be back")  # noqa: B023
    summary = f"seed {SEED}, {house.database}: {dict(struck)}, {count * CALLS} calls, longest {worst:.1f} s"
    with capsys.disabled():
        print(f"\n{summary}")  # noqa: T201 (whoever wants to see it again needs the seed)
    assert worst < 45
