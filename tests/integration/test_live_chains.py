"""Streams, conversations and limits through real workers, as clients see them."""

import asyncio
import json
import time

import httpx
import pytest
import websockets

from tests.harness import API_KEY, ROOT, Stack, wait_until

pytestmark = pytest.mark.timeout(180)

KEY = {"Authorization": f"Bearer {API_KEY}"}
on_sqlite = pytest.mark.parametrize("house", ["sqlite"], indirect=True)
on_both = pytest.mark.parametrize("house", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="module")
def house(request, tmp_path_factory):
    """A system without models and with two workers for GPU queues, on a database."""
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(ROOT / "tests" / "chains"),
        "WORKER_PROCESSES": "2",
    }
    if request.param == "postgresql":
        env["DATABASE_URL"] = request.getfixturevalue("new_database")()
    stack = Stack(data_dir=tmp_path_factory.mktemp("house") / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "ledger"
    path.touch()
    return path


def stream(house, name, body):
    """Status, headers, the pieces as they came with their times, and whether the end was there."""
    pieces, whole = [], True
    with house.api.stream("POST", f"/api/chains/{name}/stream", json=body) as answer:
        try:
            for chunk in answer.iter_bytes():
                pieces.append((time.monotonic(), chunk))  # noqa: PERF401 (the time matters, and what came before an error)
        except httpx.RemoteProtocolError:
            whole = False
    return answer, pieces, whole


def text_of(pieces):
    return b"".join(chunk for _, chunk in pieces).decode()


@on_both
def test_a_stream_comes_piece_by_piece_and_is_kept_as_the_runs_output(house, ledger):
    answer, pieces, whole = stream(
        house, "spoken", {"input": {"count": 6, "ledger": str(ledger), "seconds": 0.3}}
    )

    assert (answer.status_code, whole) == (200, True)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert text_of(pieces) == "".join(f"WÖRD {n}, " for n in range(6))
    assert pieces[-1][0] - pieces[0][0] > 1.0, "everything came at once"
    run = house.wait_run(answer.headers["x-run-id"])
    assert run["output"] == [f"WÖRD {n}, " for n in range(6)]
    events = house.events(run["id"])
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


@on_sqlite
def test_arguments_may_stand_in_the_body_as_they_are(house, ledger):
    answer, pieces, _ = stream(house, "spoken", {"count": 1, "ledger": str(ledger)})
    assert (answer.status_code, text_of(pieces)) == (200, "WÖRD 0, ")


@on_sqlite
def test_a_run_that_fails_before_its_first_piece_is_answered_with_its_status_and_its_tree(house, ledger):
    body = {"count": 3, "fail_at": 0, "ledger": str(ledger)}
    answer = house.api.post("/api/chains/spoken/stream", json=body)

    assert answer.status_code == 418
    problem = answer.json()
    assert (problem["code"], problem["detail"]) == ("run_failed", "no word 0")
    assert problem["error"]["chainlet"] == "Spoken"
    assert problem["error"]["cause"]["chainlet"] == "Words"
    assert problem["error"]["text"].splitlines()[-1].endswith("Teapot: no word 0")
    assert house.run(answer.headers["x-run-id"])["state"] == "failed"


@on_sqlite
def test_a_run_that_fails_later_leaves_the_answer_without_its_end(house, ledger):
    answer, pieces, whole = stream(
        house, "spoken", {"count": 5, "fail_at": 2, "seconds": 0.2, "ledger": str(ledger)}
    )

    assert (answer.status_code, whole) == (200, False)
    assert text_of(pieces) == "WÖRD 0, WÖRD 1, "
    assert "Traceback (most recent call last):\n  File" not in house.log.split("cut off")[-1]


@on_sqlite
def test_only_streaming_chains_stream_and_bad_input_is_refused(house):
    assert house.api.post("/api/chains/hello/stream", json={"names": []}).status_code == 409
    assert house.api.post("/api/chains/nothing/stream", json={}).status_code == 404
    refused = house.api.post("/api/chains/spoken/stream", json={"input": {"count": "many"}})
    assert refused.status_code == 422
    assert set(refused.json()["errors"]) == {"count", "ledger"}
    with house.client(key=None) as stranger:
        assert stranger.post("/api/chains/spoken/stream", json={}).status_code in (401, 403)


@on_both
def test_a_worker_killed_in_mid_stream_repeats_nothing_that_was_heard(house, ledger):
    heard = []
    body = {"input": {"count": 12, "ledger": str(ledger), "seconds": 0.2}}
    with house.api.stream("POST", "/api/chains/spoken/stream", json=body, timeout=60) as answer:
        for chunk in answer.iter_bytes():
            heard.append(chunk)
            if len(heard) == 3:
                house.kill("cpu")

    assert b"".join(heard).decode() == "".join(f"WÖRD {n}, " for n in range(12))
    assert house.wait_run(answer.headers["x-run-id"])["state"] == "succeeded"
    assert ledger.read_text().count("word 0\n") == 2  # it did run again, and nobody heard it twice


@pytest.fixture
def chat(house):
    """Opens conversations."""
    url = house.base_url.replace("http", "ws")

    def connect(name="echo", headers=KEY):
        return websockets.connect(f"{url}/ws/chains/{name}", additional_headers=headers)

    return connect


@on_sqlite
async def test_a_conversation_is_a_run(house, chat):
    async with chat(headers={**KEY, "X-Colour": "blue"}) as socket:
        headers = json.loads(await socket.recv())
        await socket.send("hällo")
        assert await socket.recv() == "olläh"
        await socket.send(b"\x00\xff")
        assert await socket.recv() == b"\xff\x00"
        await socket.send("")
        assert await socket.recv() == ""
        await socket.send("bye")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert headers["x-colour"] == "blue"
    assert "authorization" not in headers
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "See you.")
    run = house.api.get("/api/runs", params={"chain": "echo"}).json()["results"][0]
    assert house.wait_run(run["id"])["state"] == "succeeded"


@on_sqlite
async def test_a_conversation_whose_chain_fails_is_closed_and_the_run_says_why(house, chat):
    async with chat() as socket:
        await socket.recv()
        await socket.send("boom")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd.code == 1011
    run = house.api.get("/api/runs", params={"chain": "echo"}).json()["results"][0]
    assert house.wait_run(run["id"])["error"]["message"] == "That was too much."


@on_sqlite
async def test_a_client_that_leaves_ends_the_run(house, chat):
    async with chat() as socket:
        await socket.recv()
    run = house.api.get("/api/runs", params={"chain": "echo"}).json()["results"][0]
    assert (await asyncio.to_thread(house.wait_run, run["id"], timeout=15))["state"] == "succeeded"


@on_sqlite
async def test_a_worker_that_dies_ends_the_conversation_with_a_reason(house, chat):
    async with chat() as socket:
        await socket.recv()
        await asyncio.to_thread(house.kill, "cpu")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), 40)
    assert closed.value.rcvd.code == 1011


@on_sqlite
@pytest.mark.parametrize(
    ("name", "headers", "code"),
    [("echo", {}, 4401), ("hello", KEY, 4404), ("nothing", KEY, 4404)],
)
async def test_strangers_and_other_chains_get_no_conversation(chat, name, headers, code):
    async with chat(name, headers) as socket:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd.code == code


@on_both
def test_a_limit_holds_over_all_workers(house):
    run = house.wait_run(house.start_run("limited", count=10), timeout=60)

    spans = run["output"]
    changes = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    under_way = most = 0
    for _, change in changes:
        under_way += change
        most = max(most, under_way)
    workers = {a["worker"] for i in house.invocations(run["id"]) for a in i["attempts"]}
    assert most == 2
    assert len([name for name in workers if name.startswith("model")]) == 2


@on_sqlite
def test_code_that_blocks_its_loop_is_named_with_file_line_and_time(house):
    run = house.wait_run(house.start_run("limited", stuck_for=1.2))

    def blocked():
        return [event for event in house.events(run["id"]) if event["type"] == "invocation.blocked"]

    wait_until(blocked, timeout=5, what="the watchdog's word")
    (event,) = blocked()
    assert event["data"]["file"].endswith("chains/limited.py")
    assert event["data"]["code"].startswith("time.sleep(seconds)")
    assert 1.0 < event["data"]["seconds"] < 2.5
    calls = {call["id"]: call["chainlet"] for call in house.invocations(run["id"])}
    assert calls[event["invocation"]] == "Stuck"
    assert "limited.Stuck blocked the event loop for" in house.log
    logs = [event["data"] for event in house.events(run["id"]) if event["type"] == "log"]
    assert logs == [{"level": "warning", "message": "at last", "fields": {"seconds": 1.2}}]
