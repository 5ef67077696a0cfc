"""A worker dies at each named point of the life of a call: the run still ends right, and pays nothing twice."""

import pytest

from tests.faults.crash_house import IN_A_WORKER, VICTIM, check_log, crash_house_on, until_it_crashes

pytestmark = [pytest.mark.long, pytest.mark.faults, pytest.mark.timeout(120)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request, tmp_path_factory):
    yield from crash_house_on(request.param, request, tmp_path_factory.mktemp("crashing"))


@pytest.mark.parametrize("point", IN_A_WORKER)
def test_a_worker_may_die_at_any_point_of_a_call(house, tmp_path, point):
    if point == "replica.built":
        house.victim.kill()
        house.victim.wait()
        house.arm(point, VICTIM)
        house.victim = house.new_victim()
    else:
        house.arm(point, VICTIM, visit=2 if point.startswith("transaction") else 1)

    until_it_crashes(house, tmp_path, point)


def test_nothing_went_wrong_unseen(house):
    check_log(house)
