"""Tells others to look at the database again.

Workers hear that work waits, callers that answers are there, browsers that a run's history grew.

Everything here may be lost without harm: the reconciler rings again, and callers and sockets look
by themselves every two seconds. So it happens on a thread of its own, after the commit, and a
broker that is away delays nobody.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis
from channels.layers import get_channel_layer
from django.conf import settings

from chainlets.runtime import tasks
from chainlets.runtime.mailbox import EXPIRES_S, mailbox_key
from chainlets.runtime.tasks import Bell

log = logging.getLogger(__name__)

_PAUSE_S = 0.002  # between two rounds, so that bursts travel together
_NEWS_EVERY_S = 0.05  # for those who watch; nobody reads faster
_COMPLAIN_EVERY_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A row that a worker waits for, or holds, has changed."""

    worker: str
    invocation_id: UUID


@dataclass(frozen=True, kw_only=True)
class News:
    """A run's history has grown."""

    run_id: UUID
    seq: int


Message = Bell | Mail | News


class Doorbell:
    """Sends messages on a thread of its own, in rounds."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._unsent = 0
        self._complained = 0.0

    def send(self, message: Message) -> None:
        """Send soon."""
        with self._lock:
            self._unsent += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="doorbell", daemon=True)
                self._thread.start()
        self._waiting.put(message)

    def flush(self, timeout_s: float) -> None:
        """Wait until everything is sent, for at most `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while self._unsent and time.monotonic() < deadline:
            time.sleep(0.01)

    def _work(self) -> None:
        loop = asyncio.new_event_loop()  # kept, because the channel layer keeps a connection for each loop
        client = redis.Redis.from_url(_redis_url(), socket_timeout=3, socket_connect_timeout=2)
        news: list[News] = []
        told_at = 0.0
        while True:
            batch = self._gather(_NEWS_EVERY_S if news else None)
            news += [message for message in batch if isinstance(message, News)]
            urgent = [message for message in batch if not isinstance(message, News)]
            self._attempt(lambda: _ring(client, urgent), len(urgent))  # noqa: B023 (called at once)
            if news and time.monotonic() - told_at >= _NEWS_EVERY_S:
                latest = {message.run_id: message.seq for message in news}
                self._attempt(lambda: _spread(loop, latest), len(news))  # noqa: B023 (called at once)
                news, told_at = [], time.monotonic()
            time.sleep(_PAUSE_S)

    def _gather(self, timeout_s: float | None) -> list[Message]:
        """Everything that waits to be sent; nothing, if nothing came within the time."""
        batch: list[Message] = []
        try:
            batch.append(self._waiting.get(timeout=timeout_s))
            while True:
                batch.append(self._waiting.get_nowait())
        except queue.Empty:
            return batch

    def _attempt(self, send: Callable[[], None], count: int) -> None:
        if not count:
            return
        try:
            send()
        except Exception as error:  # noqa: BLE001 (a lost message only costs time; see above)
            self._complain(error)
        with self._lock:
            self._unsent -= count

    def _complain(self, error: Exception) -> None:
        if time.monotonic() - self._complained > _COMPLAIN_EVERY_S:
            self._complained = time.monotonic()
            log.warning("The broker is away; what waits starts when it is back: %s", error)


def _ring(client: redis.Redis, messages: Sequence[Message]) -> None:
    from webapp.celery import app

    with client.pipeline(transaction=False) as pipe:
        for message in messages:
            if isinstance(message, Mail):
                key = mailbox_key(message.worker)
                pipe.rpush(key, str(message.invocation_id))
                pipe.expire(key, EXPIRES_S)
        pipe.execute()
    if bells := [message for message in messages if isinstance(message, Bell)]:
        tasks.ring(app, bells)


def _spread(loop: asyncio.AbstractEventLoop, latest: Mapping[UUID, int]) -> None:
    for run_id, seq in latest.items():
        loop.run_until_complete(_tell(run_id, seq))


doorbell = Doorbell()


def queue_lengths(queues: list[str]) -> dict[str, int]:
    """Messages that lie in the broker for each queue.

    Raises:
        redis.RedisError: the broker is away.
    """
    client = redis.Redis.from_url(_redis_url(), socket_timeout=3, socket_connect_timeout=2)
    with client, client.pipeline(transaction=False) as pipe:
        for name in queues:
            pipe.llen(f"{settings.BROKER_PREFIX}{name}")
        return dict(zip(queues, pipe.execute(), strict=True))


async def _tell(run_id: UUID, seq: int) -> None:
    layer: Any = get_channel_layer()
    await layer.group_send(f"run.{run_id}", {"type": "run.advanced", "seq": seq})


def _redis_url() -> str:
    return str(settings.REDIS_URL).replace("redis+socket://", "unix://", 1)
