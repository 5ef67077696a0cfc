"""Celery's Redis transport, taking as many messages at a time as there are free slots.

The messages and the lists they lie in are those of the stock transport, so stock clients and workers
stay compatible. The stock one takes a message, waits for the next turn of its loop, and so on.
"""

from __future__ import annotations

from queue import Empty
from time import monotonic
from typing import Any

import orjson
from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from chainlets.runtime.crash_points import crash_point

_stock: Any = redis  # its stubs know nothing of what a transport is made of
ALIAS = "chainlets"
_MOST = 100  # messages taken at a time
_COMMAND = "BLMPOP"
_BEFORE_PRIORITY = "\x06\x16"  # as in names that the stock transport gives lists of a priority
#: The first is served first. Messages of stock clients are of the second.
PRIORITIES = ("high", "normal", "low")


def list_name(queue: str, priority: str) -> str:
    """The list in the broker that messages of a queue and a priority lie in."""
    return queue if priority == "normal" else f"{queue}{_BEFORE_PRIORITY}{priority}"


class QoS(virtual.QoS):
    """Counts the messages that a worker holds, where the broker keeps no note of them.

    Attributes:
        own: ids of what the worker holds and never was a message; it takes the place of one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own: set[str] = set()

    def can_consume(self) -> bool:
        """Whether there is room for a message."""
        return not self.prefetch_count or self._room() > 0

    def can_consume_max_estimate(self) -> int | None:  # type: ignore[override]  # its stub forgets None
        """For how many; None if for any number."""
        return max(self._room(), 0) if self.prefetch_count else None

    def _room(self) -> int:
        assert self._delivered is not None
        return self.prefetch_count - len(self._delivered) - len(self.own)

    def ack(self, delivery_tag: str) -> None:
        """Forget a message; from any thread."""
        assert self._delivered is not None
        self._delivered.pop(delivery_tag, None)


class Channel(_stock.Channel):  # type: ignore[misc]
    """Takes messages by BLMPOP, which gives several of one list."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.ack_emulation:
            self.QoS = QoS

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        keys = [
            f"{self.global_keyprefix}{list_name(queue, priority)}"
            for priority in PRIORITIES
            for queue in queues
        ]
        room = self.qos.can_consume_max_estimate()
        count = min(room, _MOST) if room else 1
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        wait = self.brpop_timeout if timeout is None else timeout
        self.client.connection.send_command(_COMMAND, wait or 0, len(keys), *keys, "RIGHT", "COUNT", count)

    def _brpop_read(self, **options: Any) -> bool:
        try:
            try:
                found = self.client.parse_response(self.client.connection, _COMMAND, **options)
            except self.connection_errors:
                # Disconnected here, it is connected anew in the next round.
                self.client.connection.disconnect()
                raise
            if not found:
                raise Empty
            key, messages = found
            name = bytes_to_str(key).removeprefix(self.global_keyprefix)
            queue, _, priority = name.partition(_BEFORE_PRIORITY)
            self._queue_cycle.rotate(queue)
            crash_point("message.taken")
            for text in messages:
                message = _read(text)
                message["properties"]["delivery_info"]["list"] = priority or "normal"
                self.connection._deliver(message, queue)  # noqa: SLF001 (as the stock channel does)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()


class Transport(_stock.Transport):  # type: ignore[misc]
    """The stock transport with that channel."""

    Channel = Channel


def _read(text: bytes) -> Any:
    if b"__type__" in text:  # how kombu marks values that JSON has no words for
        return loads(bytes_to_str(text))
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return loads(bytes_to_str(text))  # a little less strict


def register() -> None:
    """Let broker addresses that begin with `chainlets` use this transport."""
    TRANSPORT_ALIASES[ALIAS] = f"{__name__}:Transport"
