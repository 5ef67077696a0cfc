"""Carries the frames of websocket conversations between a web process and a worker, through the broker.

Each conversation has two lists, one for each direction, and for each side a sign of life that
expires. A conversation is live or lost: nothing of it is kept, and it cannot be resumed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from chainlets.websocket import Frame, WebSocket, closed_after

Side = Literal["client", "worker"]

#: Frames that may lie unread before the sender has to wait.
MOST_UNREAD = 256
_LOOK_S = 1.0  # a blocking read ends after so many seconds, to look for the other side's sign of life
_SIGN_EVERY_S = 3.0
_SIGN_LASTS_S = 15
_OPENING_S = 30.0
_KEPT_S = 600  # seconds that the lists of an abandoned conversation stay in the broker
_GONE = Frame(closed=(1006, "The other side is gone."))


class BrokerLink:
    """One side's end of a conversation."""

    def __init__(self, *, redis: Redis, conversation: UUID, side: Side) -> None:
        other: Side = "worker" if side == "client" else "client"
        self._redis = redis
        self._to, self._from = _key(conversation, f"to-{other}"), _key(conversation, f"to-{side}")
        self._mine, self._others = _key(conversation, f"{side}-lives"), _key(conversation, f"{other}-lives")
        self._signed_at = -float(_SIGN_LASTS_S)
        self._seen = False
        self._turns = asyncio.Lock()
        self._reading: asyncio.Task[Frame] | None = None

    async def send(self, frame: Frame) -> None:
        """Hand a frame to the other side; waits while too many lie unread, unless it is the end."""
        await self.sign()
        redis: Any = self._redis  # its types speak of both clients at once
        while frame.closed is None and await redis.llen(self._to) >= MOST_UNREAD:
            await self.sign()
            if await self._other_left():
                return  # nobody will read it
            await asyncio.sleep(0.05)
        async with redis.pipeline(transaction=False) as pipe:
            pipe.rpush(self._to, _encode(frame))
            pipe.expire(self._to, _KEPT_S)
            await pipe.execute()

    async def receive(self) -> Frame:
        """The next frame; an end with code 1006 if the other side shows no sign of life any more."""
        async with self._turns:
            # Whoever gives up waiting must not take along a frame that has left the broker by then.
            if self._reading is None:
                self._reading = asyncio.create_task(self._read())
            frame = await asyncio.shield(self._reading)
            self._reading = None
            return frame

    async def stop(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def sign(self) -> None:
        """Show that this side lives; cheap when it did so a moment ago."""
        if time.monotonic() - self._signed_at >= _SIGN_EVERY_S:
            self._signed_at = time.monotonic()
            await self._redis.set(self._mine, 1, ex=_SIGN_LASTS_S)

    async def _read(self) -> Frame:
        redis: Any = self._redis
        while True:
            try:
                await self.sign()
                got = await redis.blpop([self._from], timeout=_LOOK_S)
                if got is None and await self._other_left():
                    last = await redis.lpop(self._from)  # said after our last look, before it left
                    return _GONE if last is None else _decode(last)
            except RedisError:
                return _GONE
            if got is not None:
                self._seen = True
                return _decode(got[1])

    async def _other_left(self) -> bool:
        """Whether the other side was there, and shows no sign of life any more."""
        lives = bool(await self._redis.exists(self._others))
        self._seen = self._seen or lives
        return self._seen and not lives


@asynccontextmanager
async def link(*, url: str, conversation: UUID, side: Side) -> AsyncIterator[BrokerLink]:
    """One side's end, with a connection of its own that shows a sign of life for the length of the block."""
    redis = Redis.from_url(url, socket_timeout=_LOOK_S + 4, socket_connect_timeout=2)
    end = BrokerLink(redis=redis, conversation=conversation, side=side)

    async def keep_signing() -> None:
        while True:
            with contextlib.suppress(RedisError):
                await end.sign()
            await asyncio.sleep(_SIGN_EVERY_S)

    signing = asyncio.create_task(keep_signing())
    try:
        yield end
    finally:
        signing.cancel()
        await end.stop()
        with contextlib.suppress(RedisError):
            await redis.delete(_key(conversation, f"{side}-lives"))
        await redis.aclose()


@asynccontextmanager
async def worker_socket(*, url: str, conversation: UUID) -> AsyncIterator[WebSocket]:
    """The socket for an author's code; closed when the block ends, with 1011 if it failed.

    Raises:
        ConnectionError: the client had gone before the worker was there.
    """
    async with link(url=url, conversation=conversation, side="worker") as end:
        try:
            async with asyncio.timeout(_OPENING_S):
                opening = await end.receive()
        except TimeoutError:
            opening = _GONE
        if opening.closed is not None:
            raise ConnectionError("The client had gone before a worker was there.")
        websocket = WebSocket(end, headers=json.loads(opening.message))
        async with closed_after(websocket):
            yield websocket


def opening(headers: dict[str, str]) -> Frame:
    """The first frame that the client's side sends: the headers of its request."""
    return Frame(message=json.dumps(headers))


def _key(conversation: UUID, what: str) -> str:
    return f"chainlets:socket:{conversation}:{what}"


def _encode(frame: Frame) -> str:
    if frame.closed is not None:
        return json.dumps({"closed": frame.closed})
    if isinstance(frame.message, str):
        return json.dumps({"text": frame.message}, ensure_ascii=False)
    return json.dumps({"base64": base64.b64encode(frame.message).decode("ascii")})


def _decode(data: str | bytes) -> Frame:
    found = json.loads(data)
    if "closed" in found:
        code, reason = found["closed"]
        return Frame(closed=(code, reason))
    return Frame(message=found["text"] if "text" in found else base64.b64decode(found["base64"]))
