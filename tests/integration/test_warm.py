"""Two real workers: who has built a chainlet that takes long to build is given its calls while it is idle."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.harness import ROOT
from tests.integration.web import make_run
from webapp.fleet.models import Worker
from webapp.fleet.warm import idle_and_warm

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]
ANNOUNCED = 2.5  # seconds until all know what a worker has built


@pytest.fixture
def house(make_stack, tmp_path):
    folder = tmp_path / "chains"
    folder.mkdir()
    (folder / "slow_start.py").write_bytes((ROOT / "tests" / "chains" / "slow_start.py").read_bytes())
    return make_stack(CHAINS="chainlets.chains.hello", CHAINS_DIR=str(folder), WORKER_PROCESSES="2").start()


def test_an_idle_worker_that_is_warm_is_preferred_and_a_busy_one_is_not_waited_for(house, tmp_path):
    ledger = str(tmp_path / "ledger")

    def call(**more):
        started = time.monotonic()
        run = house.wait_run(house.start_run("slow_start", ledger=ledger, **more))
        assert run["state"] == "succeeded", run["error"]
        return run["output"], time.monotonic() - started

    (warm,), _ = call()
    time.sleep(ANNOUNCED)
    found = [call() for _ in range(12)]
    assert {pid for (pid,), _ in found} == {warm}, "the other one was given a call, and built it as well"
    assert max(took for _, took in found) < 1.0, "shorter than one build"

    both, _ = call(calls=2, seconds=4.0)
    assert len(set(both)) == 2, "one call waited for the warm worker while the other worker was idle"


@pytest.mark.django_db
def test_only_a_live_worker_that_has_it_and_executes_nothing_is_asked(alice):
    now = timezone.now()

    def worker(name, *, warm=("c.M",), ago=0, state="live"):
        beat = now - timedelta(seconds=ago)
        common = {"slot": name, "host": "h", "pid": 1, "hardware": "cpu", "queues": ["gpu.any"]}
        Worker.objects.create(name=name, warm=list(warm), heartbeat_at=beat, state=state, **common)

    def asked():
        found = idle_and_warm("c.M", but="me", now=now)
        return found and found.name

    worker("me")
    worker("cold", warm=["c.Other"])
    worker("silent", ago=11)
    worker("stopped", state="stopped")
    assert asked() is None
    worker("w")
    assert asked() == "w"
    call = make_run(alice, state="running").invocations.get()
    for waiting, found in ((False, None), (True, "w")):
        call.worker, call.waiting = "w", waiting
        call.save()
        assert asked() == found
