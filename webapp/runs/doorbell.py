"""Tells others to look at the database again.

Workers hear that work waits, callers that answers are there, browsers that a run's history grew.

Everything here may be lost without harm: the reconciler rings again, and callers and sockets look
by themselves every two seconds. So it happens on a thread of its own, after the commit, and a
broker that is away delays nobody.
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis
from channels.layers import get_channel_layer
from django.conf import settings

from chainlets.runtime import tasks
from chainlets.runtime.crash_points import crash_point
from chainlets.runtime.mailbox import EXPIRES_S, mailbox_key
from chainlets.runtime.tasks import Bell
from chainlets.runtime.transport import PRIORITIES, list_name

log = logging.getLogger(__name__)

_NEWS_EVERY_S = 0.05  # for those who watch; nobody reads faster
_COMPLAIN_EVERY_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A row that a worker waits for, or holds, has changed.

    Attributes:
        ended: a call that it waits for has ended. If that happened in the worker itself, it knows.
    """

    worker: str
    invocation_id: UUID
    ended: bool = False


@dataclass(frozen=True, kw_only=True)
class News:
    """A run's history has grown."""

    run_id: UUID
    seq: int


Message = Bell | Mail | News


class Doorbell:
    """Sends messages on threads of its own: bells and mail at once, news now and then.

    Attributes:
        own_worker: name of the worker in this process, if it is one.
    """

    def __init__(self) -> None:
        self.own_worker = ""
        self._at_once = _Sender(_ringer, pause_s=0.0)
        self._news = _Sender(_crier, pause_s=_NEWS_EVERY_S)

    def send(self, messages: Iterable[Message]) -> None:
        """Send soon."""
        at_once, news = [], []
        for message in messages:
            if isinstance(message, News):
                news.append(message)
            elif not (isinstance(message, Mail) and message.ended and message.worker == self.own_worker):
                at_once.append(message)
        self._at_once.send(at_once)
        self._news.send(news)

    def flush(self, timeout_s: float) -> None:
        """Wait until everything is sent, for at most `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while (self._at_once.unsent or self._news.unsent) and time.monotonic() < deadline:
            time.sleep(0.01)


class _Sender:
    """A thread that sends in rounds whatever has come meanwhile.

    Args:
        make: makes, on that thread, what sends a round.
        pause_s: seconds between two rounds.
    """

    def __init__(self, make: Callable[[], Callable[[list[Any]], None]], *, pause_s: float) -> None:
        self._make = make
        self._pause_s = pause_s
        self._waiting: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._complained = 0.0
        self.unsent = 0

    def send(self, messages: list[Any]) -> None:
        if not messages:
            return
        with self._lock:
            self.unsent += len(messages)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._make.__name__, daemon=True)
                self._thread.start()
        self._waiting.put(messages)

    def _work(self) -> None:
        send = self._make()
        while True:
            batch = self._waiting.get()
            with contextlib.suppress(queue.Empty):
                while True:
                    batch += self._waiting.get_nowait()
            try:
                send(batch)
            except Exception as error:  # noqa: BLE001 (a lost message only costs time; see above)
                self._complain(error)
            with self._lock:
                self.unsent -= len(batch)
            time.sleep(self._pause_s) if self._pause_s else None

    def _complain(self, error: Exception) -> None:
        if time.monotonic() - self._complained > _COMPLAIN_EVERY_S:
            self._complained = time.monotonic()
            log.warning("The broker is away; what waits starts when it is back: %s", error)


def _ringer() -> Callable[[list[Any]], None]:
    from webapp.celery import app

    client = redis.Redis.from_url(_redis_url(), socket_timeout=3, socket_connect_timeout=2)
    founder = tasks.BellFounder(app)
    return lambda messages: _ring(client, founder, messages)


def _crier() -> Callable[[list[Any]], None]:
    loop = asyncio.new_event_loop()  # kept, because the channel layer keeps a connection for each loop

    def tell(news: list[News]) -> None:
        for run_id, seq in {one.run_id: one.seq for one in news}.items():
            loop.run_until_complete(_tell(run_id, seq))

    return tell


def _ring(client: redis.Redis, founder: tasks.BellFounder, messages: Sequence[Message]) -> None:
    mail: defaultdict[str, list[str]] = defaultdict(list)
    bells: defaultdict[str, list[str]] = defaultdict(list)
    for message in messages:
        if isinstance(message, Mail):
            mail[mailbox_key(message.worker)].append(str(message.invocation_id))
        elif isinstance(message, Bell):
            bells[f"{settings.BROKER_PREFIX}{list_name(message.queue, message.priority)}"].append(
                founder.message(message)
            )
    if bells:
        crash_point("bells.before")
    if mail:
        crash_point("mail.before")
    with client.pipeline(transaction=False) as pipe:
        for key, texts in bells.items():
            pipe.lpush(key, *texts)
        for key, texts in mail.items():
            pipe.rpush(key, *texts)
            pipe.expire(key, EXPIRES_S)
        pipe.execute()
    if bells:
        crash_point("bells.after")


doorbell = Doorbell()


def queue_lengths(queues: list[str]) -> dict[str, int]:
    """Messages that lie in the broker for each queue.

    Raises:
        redis.RedisError: the broker is away.
    """
    client = redis.Redis.from_url(_redis_url(), socket_timeout=3, socket_connect_timeout=2)
    with client, client.pipeline(transaction=False) as pipe:
        for name in queues:
            for priority in PRIORITIES:
                pipe.llen(f"{settings.BROKER_PREFIX}{list_name(name, priority)}")
        lengths = iter(pipe.execute())
    return {name: sum(next(lengths) for _ in PRIORITIES) for name in queues}


async def _tell(run_id: UUID, seq: int) -> None:
    layer: Any = get_channel_layer()
    await layer.group_send(f"run.{run_id}", {"type": "run.advanced", "seq": seq})


def _redis_url() -> str:
    return str(settings.REDIS_URL).replace("redis+socket://", "unix://", 1)
