"""The live view of a run: history first, then what comes, and nobody else's."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from django.test import Client

from tests.integration.sockets.communicator import Socket
from tests.integration.web import add_events, make_run
from webapp.accounts.models import ApiKey
from webapp.accounts.services import create_key, revoke_key
from webapp.runs import consumers
from webapp.runs.routing import websocket_urlpatterns

pytestmark = pytest.mark.django_db(transaction=True)

HOST = (b"host", b"localhost:8000")
ORIGIN = (b"origin", b"http://localhost:8000")


@pytest.fixture(autouse=True)
def layer(settings, valkey_url):
    config = {"hosts": [valkey_url.replace("redis+socket://", "unix://")], "prefix": "test.live"}
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
    }


@pytest.fixture
def run(transactional_db, alice):
    run = make_run(alice)
    add_events(run, 5)
    return run


@pytest.fixture
def key(alice):
    return create_key(user=alice, name="test").key


def cookie_of(user):
    client = Client()
    client.force_login(user)
    return (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())


def socket(run_id, *headers, query=""):
    app = URLRouter(websocket_urlpatterns)
    return Socket(app, f"/ws/runs/{run_id}{query}", headers=[HOST, *headers])


def bearer(key):
    return (b"authorization", f"Bearer {key}".encode())


async def closed_with(communicator):
    """The close code of a socket that is let in only to hear it."""
    assert await communicator.connect()
    message = await communicator.receive_output(timeout=5)
    assert message["type"] == "websocket.close", "closed before any data"
    return message["code"]


async def numbers(communicator, count):
    return [json.loads(await communicator.text())["seq"] for _ in range(count)]


async def test_history_comes_first_and_then_what_is_new(run, key):
    live = socket(run.id, bearer(key))
    assert await live.connect()
    assert await numbers(live, 5) == [1, 2, 3, 4, 5]
    await sync_to_async(add_events)(run, 2)
    await get_channel_layer().group_send(f"run.{run.id}", {"type": "run.advanced", "seq": 7})
    assert await numbers(live, 2) == [6, 7]
    await live.leave()


async def test_a_message_is_what_rest_gives(run, key, alice, by_key):
    live = socket(run.id, bearer(key))
    await live.connect()
    sent = [json.loads(await live.text()) for _ in range(5)]
    await live.leave()
    client = await sync_to_async(by_key)(alice)
    page = await sync_to_async(client.get)(f"/api/runs/{run.id}/events")
    assert page.json()["events"] == sent


@pytest.mark.parametrize(
    ("query", "first"), [("?after=3", 4), ("?after=0", 1), ("?after=x", 1), ("?after=-5", 1)]
)
async def test_it_goes_on_where_the_client_stopped(run, key, query, first):
    live = socket(run.id, bearer(key), query=query)
    await live.connect()
    assert await numbers(live, 1) == [first]
    await live.leave()


async def test_a_lost_bell_delays_and_loses_nothing(run, key):
    live = socket(run.id, bearer(key), query="?after=5")
    await live.connect()
    await asyncio.sleep(0.3)
    await sync_to_async(add_events)(run, 1)
    assert await numbers(live, 1) == [6]
    await live.leave()


async def test_without_a_broker_events_still_come(run, key, settings, tmp_path):
    config = {"hosts": [f"unix://{tmp_path}/nowhere.sock"]}
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
    }
    live = socket(run.id, bearer(key))
    await live.connect()
    assert await numbers(live, 5) == [1, 2, 3, 4, 5]
    await sync_to_async(add_events)(run, 1)
    assert await numbers(live, 1) == [6]
    await live.leave()


async def test_bursts_are_read_together(run, key, monkeypatch):
    looks = []

    def counted(run_id, seq, real=consumers._messages):
        looks.append(seq)
        return real(run_id, seq)

    monkeypatch.setattr(consumers, "_messages", counted)
    live = socket(run.id, bearer(key), query="?after=5")
    await live.connect()
    for number in range(50):
        await sync_to_async(add_events)(run, 1)
        await get_channel_layer().group_send(f"run.{run.id}", {"type": "run.advanced", "seq": number})
    assert await numbers(live, 50) == list(range(6, 56))
    assert len(looks) < 30
    await live.leave()


async def test_more_history_than_one_batch_comes_without_a_gap(run, key):
    await sync_to_async(add_events)(run, 1200)
    live = socket(run.id, bearer(key))
    await live.connect()
    assert await numbers(live, 1205) == list(range(1, 1206))
    await live.leave()


async def test_nobody_without_a_login(run):
    assert await closed_with(socket(run.id)) == 4401
    assert await closed_with(socket(run.id, ORIGIN)) == 4401
    assert await closed_with(socket(run.id, bearer("wrong"))) == 4401
    assert await closed_with(socket(run.id, (b"authorization", b"Basic YTpi"))) == 4401
    assert await closed_with(socket(run.id, ORIGIN, (b"cookie", b"sessionid=guessed"))) == 4401


async def test_a_key_in_the_address_is_no_login(run, key):
    assert await closed_with(socket(run.id, ORIGIN, query=f"?key={key}&token={key}")) == 4401


@pytest.mark.parametrize("run_id", ["00000000-0000-0000-0000-000000000001", "x", "..", "%00"])
async def test_unknown_runs(run, key, run_id):
    assert await closed_with(socket(run_id, bearer(key))) == 4404


async def test_other_peoples_runs_are_unknown(run, bob):
    key = (await sync_to_async(create_key)(user=bob, name="b")).key
    assert await closed_with(socket(run.id, bearer(key))) == 4404


async def test_a_browser_comes_with_its_session(run, alice):
    cookie = await sync_to_async(cookie_of)(alice)
    live = socket(run.id, ORIGIN, cookie)
    assert await live.connect()
    assert await numbers(live, 5) == [1, 2, 3, 4, 5]
    await live.leave()


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"origin", b"null")],
        [(b"origin", b"https://evil.example")],
        [(b"origin", b"http://localhost:8000.evil.example")],
        [(b"origin", b"http://localhost:9000")],
        [(b"origin", b"http://evil.example"), (b"host", b"evil.example")],
    ],
)
async def test_a_page_of_somebody_else_is_refused_with_our_cookie(run, alice, headers):
    cookie = await sync_to_async(cookie_of)(alice)
    app = URLRouter(websocket_urlpatterns)
    given = headers if any(name == b"host" for name, _ in headers) else [HOST, *headers]
    live = Socket(app, f"/ws/runs/{run.id}", headers=[*given, cookie])
    assert await live.connect() is False


async def test_a_revoked_key_ends_an_open_socket(run, key, monkeypatch):
    monkeypatch.setattr(consumers, "LOOK_AGAIN", 0.3)
    live = socket(run.id, bearer(key), query="?after=5")
    await live.connect()
    record = await sync_to_async(ApiKey.objects.get)()
    await sync_to_async(revoke_key)(record=record)
    message = await live.receive_output(timeout=5)
    assert (message["type"], message["code"]) == ("websocket.close", 4401)


async def test_a_logout_ends_an_open_socket_even_while_events_pour_in(run, alice, monkeypatch):
    monkeypatch.setattr(consumers, "LOOK_AGAIN", 0.3)
    client = Client()
    await sync_to_async(client.force_login)(alice)
    live = socket(run.id, ORIGIN, (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode()))
    await live.connect()
    await sync_to_async(client.logout)()
    for _ in range(40):
        await get_channel_layer().group_send(f"run.{run.id}", {"type": "run.advanced", "seq": 1})
        message = await live.receive_output(timeout=5)
        if message["type"] == "websocket.close":
            break
    assert message["code"] == 4401


async def test_a_deleted_run_ends_its_sockets(run, key, monkeypatch):
    monkeypatch.setattr(consumers, "LOOK_AGAIN", 0.3)
    live = socket(run.id, bearer(key), query="?after=5")
    await live.connect()
    await sync_to_async(run.delete)()
    message = await live.receive_output(timeout=5)
    assert (message["type"], message["code"]) == ("websocket.close", 4404)


async def test_a_reader_that_is_too_slow_is_sent_away(run, key, monkeypatch):
    monkeypatch.setattr(consumers, "SEND_LIMIT", 0.2)

    async def stuck(*_, **__):
        await asyncio.sleep(60)

    monkeypatch.setattr(consumers.RunConsumer, "send", stuck)
    live = socket(run.id, bearer(key))
    await live.connect()
    message = await live.receive_output(timeout=5)
    assert (message["type"], message["code"]) == ("websocket.close", 1013)


async def test_a_client_that_talks_and_talks_is_sent_away(run, key):
    live = socket(run.id, bearer(key), query="?after=5")
    await live.connect()
    for _ in range(consumers.MESSAGES_LIMIT + 1):
        await live.say("hello")
    message = await live.receive_output(timeout=5)
    assert (message["type"], message["code"]) == ("websocket.close", 1008)


async def test_other_addresses_are_refused(key):
    app = URLRouter(websocket_urlpatterns)
    for path in ("/ws/other", "/", "/ws/runs/", "/api/runs"):
        assert await Socket(app, path, headers=[HOST, bearer(key)]).connect() is False
