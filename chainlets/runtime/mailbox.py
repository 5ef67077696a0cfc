"""Wakes a worker: ids of invocations whose rows changed and that it waits for or holds.

A message says only "look at the row", so a lost one costs a sweep, never a result.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from uuid import UUID

import redis

from chainlets.runtime.crash_points import crash_point

log = logging.getLogger(__name__)

_BLOCK_S = 1.0
_RETRY_S = 0.5
_MOST = 500  # ids read at a time
EXPIRES_S = 3600


def mailbox_key(worker: str) -> str:
    """The broker's list that a worker reads."""
    return f"chainlets:mail:{worker}"


class Mailbox:
    """Reads one worker's mail on a thread of its own."""

    def __init__(self, *, url: str, worker: str, deliver: Callable[[Collection[UUID]], None]) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=_BLOCK_S + 4, socket_connect_timeout=2)
        self._key = mailbox_key(worker)
        self._deliver = deliver
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="chainlets-mailbox", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; what is left in the broker is of no use to anyone else and expires."""
        self._stopped.set()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                got = self._redis.blmpop(_BLOCK_S, 1, self._key, direction="LEFT", count=_MOST)
            except redis.RedisError as error:
                log.debug("No mail: %s", error)
                self._stopped.wait(_RETRY_S)
                continue
            if got:
                crash_point("mail.taken")
                self._deliver(
                    {UUID(item.decode() if isinstance(item, bytes) else str(item)) for item in got[1]}
                )
