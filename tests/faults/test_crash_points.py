"""A process that is no worker at work dies at each named point: the run still ends right, and pays nothing twice."""

import contextlib
import signal
import subprocess
import time

import httpx
import pytest

from chainlets.runtime.crash_points import POINTS
from tests.faults.crash_house import (
    IN_A_WORKER,
    PATIENCE,
    VICTIM,
    check_log,
    crash_house_on,
    until_it_crashes,
)
from tests.harness import wait_until

pytestmark = [pytest.mark.long, pytest.mark.faults, pytest.mark.timeout(120)]

AT_ITS_STOP = ("stop.before", "stop.handed_back")
IN_THE_WEB_PROCESS = ("run.insert", "run.accepted", "bells.before")
WIDE = {"branches": 16, "leaves": 12}  # both workers have their share of it when it is cancelled
WHEN_CANCELLED = {"cancel.midway": "web", "cancel.seen": VICTIM}
IN_THE_RECONCILER = {
    "take_back.midway": "claim.after",
    "take_back.after": "claim.after",
    "reringing.midway": "message.taken",
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request, tmp_path_factory):
    yield from crash_house_on(request.param, request, tmp_path_factory.mktemp("crashing"))


@pytest.mark.parametrize("point", AT_ITS_STOP)
def test_a_worker_may_die_while_it_hands_back(house, tmp_path, point):
    house.arm(point, VICTIM)

    def stop() -> None:
        time.sleep(0.2)
        house.victim.send_signal(signal.SIGTERM)
        house.victim.wait(20)

    until_it_crashes(house, tmp_path, point, stop)


@pytest.mark.parametrize("point", IN_THE_WEB_PROCESS)
def test_the_web_process_may_die_while_it_accepts_a_run(house, tmp_path, point):
    ledger = tmp_path / "ledger"
    ledger.touch()
    house.arm(point, "web")

    run_id = house.accepted(ledger, key=f"careful {point}")

    house.ends_right(run_id, ledger)
    assert house.crashed(point)
    named = [
        run["id"] for run in house.api.get("/api/runs").json()["results"] if run["title"].endswith(point)
    ]
    assert named == [run_id]


@pytest.mark.parametrize("point", WHEN_CANCELLED)
def test_a_cancel_may_be_cut_short_and_nothing_goes_on(house, tmp_path, point):
    house.arm(point, WHEN_CANCELLED[point])
    for number in range(40):
        run_id = house.start_run("crashes", **WIDE, ledger=str(tmp_path / f"ledger-{number}"))
        house.wait_event(run_id, "invocation.started", count=12)

        def cancelled() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return house.api.post(f"/api/runs/{run_id}/cancel").status_code in (200, 409)  # noqa: B023
            return False

        wait_until(cancelled, timeout=PATIENCE, what="an answer")
        run = house.wait_run(run_id)
        assert run["state"] in ("cancelled", "succeeded")
        with contextlib.suppress(subprocess.TimeoutExpired):
            house.victim.wait(0.5)
            house.victim = house.new_victim()
        events = house.events(run_id)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert sum(event["type"] in ("run.cancelled", "run.succeeded") for event in events) == 1
        assert not [call for call in house.invocations(run_id) if call["state"] in ("queued", "running")]
        if house.crashed(point):
            return
    pytest.fail(f"nobody came by {point}")


@pytest.mark.parametrize("point", IN_THE_RECONCILER)
def test_the_reconciler_may_die_between_what_it_writes_and_what_it_tells(house, tmp_path, point):
    house.arm(point, "reconciler")
    first = IN_THE_RECONCILER[point]
    house.arm(first, VICTIM)

    until_it_crashes(house, tmp_path, first)

    assert house.crashed(point)


def test_every_point_is_tried():
    tried = {*IN_A_WORKER, *AT_ITS_STOP, *IN_THE_WEB_PROCESS, *WHEN_CANCELLED, *IN_THE_RECONCILER}
    assert tried == set(POINTS)


def test_nothing_went_wrong_unseen(house):
    check_log(house)
