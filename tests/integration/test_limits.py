"""Limits of keys and users hold when everybody comes at the same moment, and for every way to start a run."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import websockets

from tests.harness import ROOT, Stack

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]
PATIENT = {"chain": "patient", "input": {"seconds": 600}}
USERS_LIMIT = 8


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request, tmp_path_factory):
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "chains"),
        "WORKER_PROCESSES": "1",
        "MAX_OPEN_RUNS_PER_USER": str(USERS_LIMIT),
    }
    if request.param == "postgresql":
        env["DATABASE_URL"] = request.getfixturevalue("new_database")()
    stack = Stack(data_dir=tmp_path_factory.mktemp("limits") / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture(autouse=True)
def nothing_open(house):
    yield
    for state in ("queued", "running"):
        for run in house.api.get("/api/runs", params={"state": state, "limit": 100}).json()["results"]:
            house.api.post(f"/api/runs/{run['id']}/cancel")


def new_key(house, **limits):
    """A key of the administrator."""
    code = (
        "from django.contrib.auth.models import User; from webapp.accounts.services import create_key;"
        f"print(create_key(user=User.objects.get(username='admin'), name='ci', **{limits!r}).key)"
    )
    made = subprocess.run(
        [sys.executable, ROOT / "manage.py", "shell", "-v0", "-c", code],
        env=house.environment_of("reconciler"),
        check=True,
        capture_output=True,
        text=True,
    )
    return made.stdout.strip().splitlines()[-1]


def at_once(house, key, count, **headers):
    """The same request many times at the same moment."""
    headers = {"Authorization": f"Bearer {key}", **headers}

    def start(_):
        return httpx.post(
            f"{house.base_url}/api/runs", json=PATIENT, headers=headers, timeout=60, trust_env=False
        )

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


def runs(house):
    return len(house.api.get("/api/runs", params={"limit": 100}).json()["results"])


@pytest.mark.parametrize(
    ("limits", "room", "code"),
    [
        ({"max_open_runs": 5}, 5, "too_many_open_runs"),
        ({"runs_per_minute": 5}, 5, "too_many_runs_per_minute"),
        ({}, USERS_LIMIT, "too_many_open_runs"),
    ],
)
def test_of_twenty_at_the_same_moment_as_many_are_accepted_as_there_is_room_for(house, limits, room, code):
    before = runs(house)
    answers = at_once(house, new_key(house, **limits), 20)

    assert sum(answer.status_code == 202 for answer in answers) == room
    refused = [answer for answer in answers if answer.status_code != 202]
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (429, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert runs(house) - before == room


def test_one_request_that_comes_twenty_times_takes_one_place_and_is_always_answered(house):
    key = new_key(house, max_open_runs=1, runs_per_minute=1)
    answers = at_once(house, key, 20, **{"Idempotency-Key": "the same"})
    assert sorted({answer.status_code for answer in answers}) == [200, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_every_way_to_start_a_run_is_limited(house):
    key = new_key(house, max_open_runs=1)
    headers = {"Authorization": f"Bearer {key}"}
    ended = house.start_run("patient", seconds=0)
    house.wait_run(ended)
    with httpx.Client(base_url=house.base_url, headers=headers, timeout=60, trust_env=False) as client:
        assert client.post("/api/runs", json=PATIENT).status_code == 202
        for address, body in (
            ("/api/runs", PATIENT),
            (f"/api/runs/{ended}/rerun", {}),
            ("/api/chains/spoken/stream", {"input": {"count": 1, "ledger": "/dev/null"}}),
        ):
            answer = client.post(address, json=body)
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_open_runs"), address
            assert answer.headers["content-type"] == "application/problem+json"
            assert "retry-after" in answer.headers

    async def converse():
        url = house.base_url.replace("http", "ws", 1)
        async with websockets.connect(f"{url}/ws/chains/echo", additional_headers=headers) as socket:
            await socket.recv()

    with pytest.raises(websockets.ConnectionClosed) as closed:
        asyncio.run(converse())
    assert closed.value.rcvd.code == 4429
    assert closed.value.rcvd.reason.startswith(
        "1 run of the key ci has not ended, and 1 may be open at a time."
    )
    assert closed.value.rcvd.reason.endswith(".")
