"""How a worker takes messages from the broker.

Celery is made for tasks of all kinds, so it does a lot for each message. Nearly all of ours are plain
bells: ordinary messages of Celery that say nothing but an id. They go from the broker to the pool by
a short way of their own, and every other message, or a bell that somebody wants to hear more of, goes Celery's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery import signals
from celery.worker import state, strategy
from celery.worker.consumer import Consumer
from kombu import Connection
from vine import promise

from chainlets.runtime.message import PlainRequest
from chainlets.runtime.pool import ChainletPool
from chainlets.runtime.reconnecting import connect_patiently
from chainlets.runtime.tasks import EMPTY_BODY, ChainletTask
from chainlets.runtime.transport import QoS

#: Headers of Celery's messages that ask for more than an answer.
_MORE = ("eta", "expires", "shadow", "stamped_headers")


class OwnBell:
    """What stands in a message's place for a call that begins in the worker that makes it."""

    __slots__ = ("_qos", "body", "delivery_info", "headers", "properties")

    def __init__(self, *, task: str, id: str, qos: QoS) -> None:
        self.headers = {"task": task, "id": id}
        self.body = EMPTY_BODY
        self.properties: dict[str, Any] = {}
        self.delivery_info: dict[str, Any] = {}
        self._qos = qos

    def ack(self) -> None:
        """Make room for a message."""
        self._qos.own.discard(self.headers["id"])


class ChainletsConsumer(Consumer):
    """Learns chains that were added while the worker runs, and soon finds a broker that is back."""

    # What Celery's stubs leave out.
    hub: Any
    event_dispatcher: Any
    on_task_message: set[Any]
    task_buckets: dict[str, Any]
    task_consumer: Any
    _maximum_prefetch_restored: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn = promise(_nothing)

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect, however long it takes."""
        connect_patiently(conn)
        connected: Connection = super().ensure_connected(conn)
        return connected

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Look for new chains; if the task is known now, take the message again."""
        self.app.learn_chains()  # type: ignore[attr-defined]  # the composition root's own Celery
        if message.headers.get("task") in self.app.tasks:
            self.update_strategies()
            message.requeue()
        else:
            super().on_unknown_task(body, message, exc)

    def create_task_handler(self, *args: Any) -> Callable[[Any], Any]:
        """What is called with each message."""
        stock: Callable[[Any], Any] = super().create_task_handler(*args)
        pool = self.pool
        if not isinstance(pool, ChainletPool) or strategy.logger.isEnabledFor(logging.INFO):
            return stock  # the latter writes a line for each message

        def take(message: Any) -> None:
            task = self._plain(message)
            if task is None:
                stock(message)
                return
            request = PlainRequest(message, task, self)
            state.task_reserved(request)
            pool.answer(request)

        return take

    def take_more(self) -> None:
        """Let the loop see that there is room for messages; for any thread."""
        self.hub.call_soon(self._turn)

    def take_own(self, *, task: str, id: str) -> bool:
        """Answer a bell that this worker rings for itself; for any thread.

        It counts as a message and stands in Celery's books, but never goes to the broker. False if it is
        more than a plain bell here and now, so that it has to.
        """
        channel = getattr(self.task_consumer, "channel", None)  # none while it connects anew
        qos = channel.qos if channel is not None else None
        if not isinstance(qos, QoS) or not isinstance(self.pool, ChainletPool):
            return False
        bell = OwnBell(task=task, id=id, qos=qos)
        found = self._plain(bell)
        if found is None:
            return False
        qos.own.add(id)
        request = PlainRequest(bell, found, self)
        state.task_reserved(request)
        self.pool.answer(request)
        return True

    def tell(self, type: str, **fields: Any) -> None:
        """Send an event, if there is somebody who listens."""
        # Asked each time: after a lost connection there is another dispatcher.
        if self.event_dispatcher is not None:
            self.event_dispatcher.send(type, **fields)

    def _plain(self, message: Any) -> ChainletTask | None:
        """The task of a bell that needs nothing but an answer; None for any other message."""
        headers = message.headers
        task = self.app.tasks.get(headers.get("task"))
        if (
            isinstance(task, ChainletTask)
            and message.body == EMPTY_BODY
            and (id := headers.get("id"))
            and id not in state.revoked
            and not any(headers.get(name) for name in _MORE)
            and not self.task_buckets[task.name]
            and not self._somebody_listens()
            # Else Celery counts acknowledgements to come back to its full prefetch.
            and (self._maximum_prefetch_restored or not self.restart_count)
        ):
            return task
        return None

    def _somebody_listens(self) -> bool:
        dispatcher = self.event_dispatcher
        events = dispatcher and dispatcher.enabled and (not dispatcher.groups or "task" in dispatcher.groups)
        return bool(events or self.on_task_message or signals.task_received.receivers)


def _nothing() -> None:
    pass
