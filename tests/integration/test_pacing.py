"""A rate limit with real workers: never more than it says, and not much less."""

import pytest

from tests.harness import ROOT, Stack

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request, tmp_path_factory):
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "chains"),
        "WORKER_PROCESSES": "2",
    }
    if request.param == "postgresql":
        env["DATABASE_URL"] = request.getfixturevalue("new_database")()
    stack = Stack(data_dir=tmp_path_factory.mktemp("paced") / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


def most_in_a_second(starts):
    """Starts in the fullest window, 50 ms short of a second: between the count and the author's code lies a commit."""
    return max(sum(first <= other < first + 0.95 for other in starts) for first in starts)


def test_two_workers_start_no_more_than_the_rate_and_not_much_less(house):
    house.wait_run(house.start_run("paced", count=1))  # replicas are built
    calls, _ = house.wait_run(house.start_run("paced", count=20))["output"]

    starts = sorted(began for began, _ in calls)
    assert len({pid for _, pid in calls}) == 2, "both work"
    assert 1.0 <= starts[-1] - starts[0] < 3.5
    assert most_in_a_second(starts) <= 10


def test_a_run_of_few_calls_is_not_kept_waiting_by_one_of_many(house):
    many = house.start_run("paced", count=80)
    house.wait_event(many, "invocation.succeeded", count=12)
    few = house.wait_run(house.start_run("paced", count=3))
    assert house.run(many)["state"] == "running"
    long = house.wait_run(many)

    assert long["output"][1] < 5.0, "other chainlets of the same queue go on"
    calls = long["output"][0] + few["output"][0]
    starts = sorted(began for began, _ in calls)
    assert most_in_a_second(starts) <= 10
    assert starts[-1] - starts[0] < 83 / 10 * 1.25, "at least four fifths of the rate"
