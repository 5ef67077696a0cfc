"""The live view over a real network: the bell rings from one process to the next."""

import asyncio
import json
import time

import pytest
import websockets

from tests.integration.conftest import WEB_KEY, WEB_PASSWORD


@pytest.fixture
def run_id(web):
    with web.client() as client:
        run = client.post("/api/runs", json={"chain": "hello", "input": {"names": ["Ada"]}}).json()
        yield run["id"]
        client.delete(f"/api/runs/{run['id']}")


def address(web, run_id, query=""):
    return f"{web.url.replace('http', 'ws')}/ws/runs/{run_id}{query}"


async def until(socket, last):
    """Messages up to one of the type `last`."""
    found = []
    while not found or found[-1]["type"] != last:
        found.append(json.loads(await asyncio.wait_for(socket.recv(), 10)))
    return found


async def test_what_a_socket_saw_is_what_rest_tells(web, run_id):
    with web.client() as client:
        key = {"Authorization": f"Bearer {WEB_KEY}"}
        async with websockets.connect(address(web, run_id), additional_headers=key, proxy=None) as socket:
            seen = await until(socket, "invocation.queued")
            began = time.monotonic()
            assert client.post(f"/api/runs/{run_id}/cancel").status_code == 200
            seen += await until(socket, "run.cancelled")
            assert time.monotonic() - began < 1.5, "the bell came, not the look every two seconds"
            assert client.post(f"/api/runs/{run_id}/resume").status_code == 202
            seen += await until(socket, "run.resumed")
        told = client.get(f"/api/runs/{run_id}/events").json()["events"]
    assert seen == told[: len(seen)]
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))


async def test_a_browser_with_a_session_is_let_in_from_our_own_page_only(web, run_id):
    with web.client(Accept="application/json") as client:
        body = {"username": "admin", "password": WEB_PASSWORD}
        assert client.post("/api/session/login", json=body).status_code == 200
        cookie = {"Cookie": f"sessionid={client.cookies['sessionid']}"}
    connect = {"additional_headers": cookie, "proxy": None}
    async with websockets.connect(address(web, run_id), origin=web.url, **connect) as socket:
        assert (await until(socket, "run.created"))[0]["seq"] == 1
    for origin in ("https://evil.example", None):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(address(web, run_id), origin=origin, **connect)
        assert refused.value.response.status_code == 403


async def test_a_stranger_is_told_to_log_in(web, run_id):
    async with websockets.connect(address(web, run_id), proxy=None) as socket:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd.code == 4401


async def test_a_very_long_message_ends_the_socket_and_nothing_else(web, run_id):
    key = {"Authorization": f"Bearer {WEB_KEY}"}
    async with websockets.connect(address(web, run_id), additional_headers=key, proxy=None) as socket:
        await until(socket, "invocation.queued")
        await socket.send("x" * 1_000_000)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), 10)
    assert closed.value.rcvd.code == 1009
    with web.client() as client:
        assert client.get("/healthz").status_code == 200
