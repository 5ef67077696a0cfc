"""Waiting costs no slot: more calls wait in one process than it has slots, and chains nest deeper than a worker is wide.

`PARENTS=10000 scripts/test tests/faults/test_waiting_calls.py` does it with more.
"""

import os
import time
from pathlib import Path

import pytest

from tests.harness import Stack

pytestmark = [pytest.mark.long, pytest.mark.faults, pytest.mark.timeout(900)]

PARENTS = int(os.environ.get("PARENTS", "500"))
MORE_THAN_SLOTS = 150  # calls of one process that wait at once
DEEP = 100
HEAD = '''"""Each calls the next, all on a queue whose one worker executes one call at a time."""

import chainlets as chains

CONFIG = chains.RemoteConfig(compute=chains.Compute(gpu="T4"))


class Level0(chains.ChainletBase):
    remote_config = CONFIG

    async def run_remote(self, number: int) -> int:
        return number
'''
LEVEL = """

class Level{n}(chains.ChainletBase):
    remote_config = CONFIG

    def __init__(self, below: Level{below} = chains.depends(Level{below})) -> None:
        self._below = below

    async def run_remote(self, number: int) -> int:
        return await self._below.run_remote(number) + 1
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory, chosen_database):
    """A system without models, one worker process for each kind of queue."""
    folder = tmp_path_factory.mktemp("house")
    chains = folder / "chains"
    chains.mkdir()
    levels = "".join(LEVEL.format(n=n, below=n - 1) for n in range(1, DEEP))
    top = levels.rindex("\n\nclass ")
    (chains / "deep.py").write_text(
        f'{HEAD}{levels[:top]}\n\n@chains.mark_entrypoint("deep"){levels[top + 1 :]}'
    )
    parents = Path(__file__).parent.parent / "chains" / "parents.py"
    (chains / "parents.py").write_text(parents.read_text())
    env = chosen_database | {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(chains),
        "WORKER_PROCESSES": "1",
    }
    stack = Stack(data_dir=folder / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


def most_memory(pid: int) -> int:
    """Bytes of memory that a process has had at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_many_parents_wait_for_children_on_their_own_queue(house, tmp_path, capsys):
    (pid,) = house.pids("cpu")
    gate = tmp_path / "gate"
    began = time.monotonic()
    run_id = house.start_run("parents", count=PARENTS, gate=str(gate))
    house.wait_event(run_id, "invocation.waiting", count=MORE_THAN_SLOTS, timeout=120)
    gate.touch()
    run = house.wait_run(run_id, timeout=600)
    took, memory = time.monotonic() - began, most_memory(pid)

    waited = most = 0
    for event in house.events(run["id"]):
        waited += (event["type"] == "invocation.waiting") - (event["type"] == "invocation.succeeded")
        most = max(most, waited)
    with capsys.disabled():
        print(  # noqa: T201 (the figures are what this test is for)
            f"\n{PARENTS} parents, {most} calls waiting at once in one process: {took:.1f} s, {memory / 2**20:.0f} MB at most"
        )
    assert (run["state"], run["output"]) == ("succeeded", PARENTS * (PARENTS + 1) // 2)
    assert house.pids("cpu") == [pid]  # it was not restarted
    assert most >= MORE_THAN_SLOTS
    assert memory < 600 * 2**20


def test_a_chain_nests_a_hundred_deep_on_one_worker_that_executes_one_call_at_a_time(house, capsys):
    began = time.monotonic()
    run = house.wait_run(house.start_run("deep", number=1), timeout=120)
    with capsys.disabled():
        print(f"\n{DEEP} calls deep on one slot: {time.monotonic() - began:.1f} s")  # noqa: T201
    assert (run["state"], run["output"]) == ("succeeded", DEEP)
    assert len(house.invocations(run["id"])) == DEEP
