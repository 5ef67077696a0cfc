"""A system in which one process after the other is made to die at a named point."""

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chainlets.runtime.crash_points import EXIT_CODE
from tests.faults.crashed_runs import calls_of, check, right_answer
from tests.harness import ROOT, Stack, wait_until

BRANCHES, LEAVES = 3, 4
SHAPE = {"branches": BRANCHES, "leaves": LEAVES}
VICTIM = "victim"  # a worker of the tests' own: the supervisor would wait longer before each new start
PATIENCE = 40.0

IN_A_WORKER = (
    "message.taken", "replica.built", "claim.before", "claim.after", "transaction.open", "transaction.committed",
    "call.journalled", "result.before", "result.after", "mail.before", "mail.taken", "bells.before", "bells.after",
    "ack.before", "ack.after",
)  # fmt: skip


class House(Stack):
    """A system without models, with one more worker that is made to die."""

    def begin(self) -> "House":
        self.folder.mkdir()
        self.start()
        self._environment = super().environment_of("reconciler")
        self.victim = self.new_victim()
        return self

    def environment_of(self, name: str) -> dict[str, str]:
        """As it was at the start: who is asked may be dead."""
        return self._environment

    @property
    def folder(self):
        return self.data_dir.parent / "crash-points"

    def new_victim(self) -> subprocess.Popen[bytes]:
        ready = self.log.count("ready\n")
        process = self.worker("cpu,gpu.any", name=VICTIM)
        wait_until(lambda: self.log.count("ready\n") > ready, timeout=30, what="the victim to be ready")
        return process

    def end(self) -> None:
        self.victim.kill()
        self.victim.wait()
        self.stop()

    def arm(self, point: str, process: str, visit: int = 1) -> None:
        draft = self.folder / "draft"
        draft.write_text(json.dumps({"process": process, "visit": visit}))
        draft.rename(self.folder / point)

    def crashed(self, point: str) -> bool:
        return not (self.folder / point).exists()

    def accepted(self, ledger, key: str) -> str:
        """Start a run as a careful client does: with a key, and again as long as nobody answers."""
        order = {"chain": "crashes", "input": {**SHAPE, "ledger": str(ledger)}, "title": key}

        def post() -> httpx.Response | None:
            with contextlib.suppress(httpx.TransportError):
                return self.api.post("/api/runs", json=order, headers={"Idempotency-Key": key})
            return None

        response = wait_until(post, timeout=PATIENCE, what="an answer")
        assert response.status_code in (200, 202), response.text
        return response.json()["id"]

    def ends_right(self, run_id: str, ledger) -> None:
        run = self.wait_run(run_id, timeout=PATIENCE)
        assert (run["state"], run["output"]) == ("succeeded", right_answer(**SHAPE)), run["error"]
        check(self, run_id, ledger, calls=calls_of(**SHAPE), killed=1)


@contextlib.contextmanager
def crash_house(folder: Path, **more: str) -> Iterator[House]:
    """Such a system, begun, on SQLite or on what `DATABASE_URL` names."""
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "chains"),
        "WORKER_PROCESSES": "1",
        "WORKER_GRACE_S": "2",
        "CRASH_POINTS": str(folder / "crash-points"),
    }
    house = House(data_dir=folder / "data", env={**env, **more})
    try:
        yield house.begin()
    finally:
        house.end()


def crash_house_on(database: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[House]:
    """Such a system on a database of that kind, for a fixture."""
    more = {"DATABASE_URL": request.getfixturevalue("new_database")()} if database == "postgresql" else {}
    with crash_house(folder, **more) as house:
        yield house


def until_it_crashes(house: House, tmp_path, point: str, disturb=lambda: None) -> None:
    """Runs, each of which has to end right, until the victim came by the armed point."""
    for number in range(30):
        ledger = tmp_path / f"ledger-{number}"
        ledger.touch()
        run_id = house.start_run("crashes", **SHAPE, ledger=str(ledger))
        disturb()
        wait_until(
            lambda: house.victim.poll() is not None or house.run(run_id)["state"] == "succeeded",  # noqa: B023
            timeout=PATIENCE,
            what="the victim to die, or the run to end without it",
        )
        died = house.victim.poll()
        if died is not None:
            house.victim = house.new_victim()
        house.ends_right(run_id, ledger)
        if died is not None and house.crashed(point):
            assert died == EXIT_CODE
            return
    raise AssertionError(f"the victim never came by {point}")


def check_log(house: House) -> None:
    """Nothing went wrong unseen."""
    assert "database is locked" not in house.log
    assert not re.search(r"(?<!Chainlet-)Traceback", house.log)
