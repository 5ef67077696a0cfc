"""Both ways to carry a websocket conversation keep the same promises: in one process, and through the broker."""

import asyncio
import contextlib
import uuid
from contextlib import asynccontextmanager

import pytest

from chainlets import WebSocketDisconnect
from chainlets.runtime import sockets
from chainlets.testing import memory_links
from chainlets.websocket import Frame, WebSocket

SMALL = 8  # frames that may lie unread in these tests


class Pair:
    """Two ends of one conversation, and a way to make one vanish."""

    def __init__(self, client, worker, leave):
        self.client, self.worker = client, worker
        self.leave = leave


@asynccontextmanager
async def in_one_process():
    client, worker = memory_links(most_unread=SMALL)
    ends = {"client": client, "worker": worker}

    async def leave(side):
        ends[side].leave()

    yield Pair(client, worker, leave)


@asynccontextmanager
async def through_the_broker(url):
    conversation = uuid.uuid4()
    async with contextlib.AsyncExitStack() as both:
        stacks = {
            side: await both.enter_async_context(contextlib.AsyncExitStack()) for side in ("client", "worker")
        }
        client, worker = [
            await stack.enter_async_context(sockets.link(url=url, conversation=conversation, side=side))
            for side, stack in stacks.items()
        ]

        async def leave(side):
            await stacks[side].aclose()

        yield Pair(client, worker, leave)


@pytest.fixture(params=["memory", "broker"])
def connect(request, monkeypatch):
    if request.param == "memory":
        return in_one_process
    monkeypatch.setattr(sockets, "MOST_UNREAD", SMALL)
    url = request.getfixturevalue("valkey_url").replace("redis+socket://", "unix://")
    return lambda: through_the_broker(url)


async def test_frames_arrive_in_order_in_both_directions(connect):
    async with connect() as pair:
        said = [Frame(message=f"line {n}") for n in range(50)]

        async def echo():
            for _ in said:
                await pair.worker.send(await pair.worker.receive())

        async def say():
            for frame in said:
                await pair.client.send(frame)

        async def hear():
            return [await pair.client.receive() for _ in said]

        _, _, heard = await asyncio.gather(echo(), say(), hear())

    assert heard == said


@pytest.mark.parametrize(
    "message", ["", "Grüße, 世界 \u2028\x00", b"", bytes(range(256)), b"\xff\xfe text \x00"]
)
async def test_text_and_bytes_arrive_as_what_they_were(connect, message):
    async with connect() as pair:
        await pair.client.send(Frame(message=message))
        got = (await pair.worker.receive()).message

    assert got == message
    assert type(got) is type(message)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1011, "The chain failed."), (4999, "ünïcode")])
async def test_an_end_arrives_with_code_and_reason_after_what_was_said_before(connect, code, reason):
    async with connect() as pair:
        ours, theirs = WebSocket(pair.worker, headers={}), WebSocket(pair.client, headers={})
        await ours.send_text("last words")
        await ours.close(code, reason)

        assert await theirs.receive_text() == "last words"
        with pytest.raises(WebSocketDisconnect) as caught:
            await theirs.receive()
        assert (caught.value.code, caught.value.reason) == (code, reason)
        assert not theirs.is_connected()
        with pytest.raises(WebSocketDisconnect):
            await theirs.send_text("too late")


@pytest.mark.parametrize("said_before", [0, 1])
async def test_what_a_vanished_side_had_said_can_be_read_and_then_it_is_gone(connect, said_before):
    async with connect() as pair:
        await pair.worker.send(Frame(message="I am there"))
        await pair.client.receive()
        for number in range(said_before):
            await pair.worker.send(Frame(message=f"{number}"))
        await pair.leave("worker")

        for number in range(said_before):
            assert (await pair.client.receive()).message == f"{number}"
        async with asyncio.timeout(5):
            assert (await pair.client.receive()).closed[0] == 1006


async def test_a_side_that_vanishes_while_the_other_listens_is_missed_even_if_it_never_spoke(connect):
    async with connect() as pair:
        listening = asyncio.create_task(pair.client.receive())
        await asyncio.sleep(1.5)  # time to notice that the other is there
        await pair.leave("worker")

        async with asyncio.timeout(5):
            assert (await listening).closed[0] == 1006


async def test_a_sender_waits_for_a_slow_reader(connect):
    async with connect() as pair:
        sent = []

        async def say():
            for number in range(SMALL * 3):
                await pair.client.send(Frame(message=str(number)))
                sent.append(number)

        saying = asyncio.create_task(say())
        await asyncio.sleep(0.5)
        assert len(sent) == SMALL

        heard = [int((await pair.worker.receive()).message) for _ in range(SMALL * 3)]
        await saying
        assert heard == list(range(SMALL * 3))


async def test_a_sender_does_not_wait_for_a_reader_that_has_gone(connect):
    async with connect() as pair:
        await pair.worker.send(Frame(message="I am there"))
        await pair.client.receive()
        await pair.leave("worker")

        async with asyncio.timeout(10):
            for number in range(SMALL * 2):
                await pair.client.send(Frame(message=str(number)))


async def test_an_end_does_not_wait_for_a_slow_reader(connect):
    async with connect() as pair:
        for number in range(SMALL):
            await pair.client.send(Frame(message=str(number)))
        async with asyncio.timeout(5):
            await pair.client.send(Frame(closed=(1000, "enough")))

        heard = [await pair.worker.receive() for _ in range(SMALL + 1)]
        assert heard[-1].closed == (1000, "enough")


async def test_a_reader_that_gives_up_waiting_loses_nothing(connect):
    async with connect() as pair:
        most = 200

        async def say():
            for number in range(most):
                await pair.client.send(Frame(message=str(number)))
                await asyncio.sleep(0.002)

        saying = asyncio.create_task(say())
        heard = []
        async with asyncio.timeout(30):
            while len(heard) < most:
                with contextlib.suppress(TimeoutError):
                    frame = await asyncio.wait_for(pair.worker.receive(), 0.0015)
                    heard.append(int(frame.message))
        await saying

    assert heard == list(range(most))


async def test_conversations_do_not_hear_each_other(connect):
    async with connect() as one, connect() as other:
        await one.client.send(Frame(message="for one"))
        await other.client.send(Frame(message="for the other"))

        assert (await other.worker.receive()).message == "for the other"
        assert (await one.worker.receive()).message == "for one"
