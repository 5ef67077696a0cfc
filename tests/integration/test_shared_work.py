"""A worker keeps no bell that it cannot answer while another worker could."""

import time
from collections import Counter
from uuid import uuid4

import psutil
import pytest
import redis

from tests.harness import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]


@pytest.fixture
def second(slots_house, celery_client):
    """One more worker for the queue `cpu`, as wide as the first."""
    extra = slots_house.worker("cpu", "--concurrency", "32", name="second")
    try:
        wait_until(
            lambda: any(
                name.startswith("second-")
                for name in celery_client.control.inspect(timeout=1, limit=3).ping() or {}
            ),
            timeout=20,
            what="the second worker",
        )
        yield extra
    finally:
        extra.terminate()
        extra.wait(20)


def took(house, ledger, count, seconds):
    began = time.monotonic()
    run = house.wait_run(
        house.start_run("slots", way="single", count=count, seconds=seconds, ledger=str(ledger))
    )
    assert run["output"] == [str(n) for n in range(count)]
    return time.monotonic() - began


def executed_by(ledger):
    return Counter(line.split()[2] for line in ledger.read_text().splitlines() if "single" in line)


def test_two_workers_share_calls_that_each_can_take_one_at_a_time(slots_house, second, ledger):
    took(slots_house, ledger, 2, 0.2)  # both may have to build their replica
    ledger.write_text("")

    seconds = took(slots_house, ledger, 20, 0.2)

    shares = executed_by(ledger)
    print(f"\n20 calls of 0.2 s on two workers: {seconds:.2f} s, shared {sorted(shares.values())}")  # noqa: T201
    assert len(shares) == 2
    assert min(shares.values()) >= 8
    assert seconds < 3.0  # 4 s of work for one, 2 s for two


def test_a_long_call_does_not_keep_the_one_behind_it_from_an_idle_worker(slots_house, second, ledger):
    seconds = took(slots_house, ledger, 2, 4.0)
    assert len(executed_by(ledger)) == 2
    assert seconds < 7.0  # 8 s one after the other


def test_a_chainlet_that_is_full_does_not_keep_others_on_its_queue_waiting(slots_house, ledger):
    run_id = slots_house.start_run("slots", way="mixed", count=100, seconds=0.2, ledger=str(ledger))
    began = time.monotonic()
    wait_until(lambda: "other 0" in ledger.read_text(), timeout=20, what="the other chainlet")
    assert time.monotonic() - began < 8  # 20 s of calls came before it
    slots_house.api.post(f"/api/runs/{run_id}/cancel")


def test_what_waits_for_a_slot_costs_the_worker_little(slots_house, ledger):
    run_id = slots_house.start_run("slots", way="single", count=20, seconds=20.0, ledger=str(ledger))
    wait_until(lambda: "single 0" in ledger.read_text(), timeout=10, what="the first call")
    (pid,) = slots_house.pids("cpu")
    process = psutil.Process(pid)
    process.cpu_percent()
    time.sleep(3.0)
    share = process.cpu_percent()
    slots_house.api.post(f"/api/runs/{run_id}/cancel")
    print(f"\n20 calls wait for one slot: {share:.0f} % of a core")  # noqa: T201
    assert share < 60


def test_a_flood_of_bells_stays_in_the_broker(slots_house, celery_client, cpu_worker, ledger):
    url = slots_house.environment_of("cpu")["REDIS_URL"].replace("redis+socket://", "unix://")
    run_id = slots_house.start_run("slots", way="single", count=1, seconds=4.0, ledger=str(ledger))
    wait_until(lambda: "single 0" in ledger.read_text(), timeout=10, what="the call that holds the slot")
    (pid,) = slots_house.pids("cpu")
    process = psutil.Process(pid)
    before = process.memory_info().rss

    # Bells for calls that are not there: each has to wait for the slot to find that out.
    with celery_client.producer_or_acquire() as producer:
        for _ in range(1500):
            celery_client.send_task("slots.Single", task_id=str(uuid4()), queue="cpu", producer=producer)
    inspect = celery_client.control.inspect([cpu_worker], timeout=3, limit=1)
    taken = inspect.reserved()[cpu_worker] + inspect.active()[cpu_worker]
    grown = process.memory_info().rss - before
    with redis.Redis.from_url(url) as broker:
        left = broker.llen("chainlets.cpu")
        print(f"\n1500 bells: {len(taken)} taken, {left} in the broker, {grown / 2**20:.0f} MB more")  # noqa: T201
        assert len(taken) <= 128
        assert left >= 1500 - 128
        assert grown < 20 * 2**20
        assert slots_house.wait_run(run_id)["output"] == ["0"]
        wait_until(lambda: not broker.llen("chainlets.cpu"), timeout=30, what="the queue to be empty")
