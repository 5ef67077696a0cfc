"""What Celery is told about the message that a call came by.

Its books and its events follow what really happens to the call: reserved while it waits for a slot,
active while it executes. A call that waits for others is on the books no more, for it holds no slot:
ten thousand of them would fill a worker's memory, and the answer of `inspect active`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

from celery.worker import state
from celery.worker.request import Request

from chainlets.failure import Failure
from chainlets.runtime.crash_points import crash_point
from chainlets.runtime.tasks import ChainletTask


class Takes(Protocol):
    """What takes messages, as far as their requests need it."""

    hostname: str

    def tell(self, type: str, **fields: Any) -> None:
        """Send an event."""

    def take_more(self) -> None:
        """Look whether there is room for more; from any thread."""


class CallRequest(Request):
    """Celery's own view of a message, of a task that is a chainlet."""

    def cancel(self, pool: Any, *_: Any, **__: Any) -> None:
        """The worker is to end at once: the call is handed back, and no signal is sent to a process."""
        pool.hurry()


class PlainRequest:
    """The same of a plain bell, which has no more than an id: what Celery's books and commands need.

    Celery's own reads, copies and checks all that a message may say, and leaves the acknowledgement to its
    loop. This one may be acknowledged from any thread, since our broker does not note it.

    Args:
        message: as it came from the broker.
        task: what it is for.
        consumer: which took it.
        id: of the call, if it is not the one that the bell rang for.
    """

    def __init__(self, message: Any, task: ChainletTask, consumer: Takes, *, id: str = "") -> None:
        self.id: str = id or message.headers["id"]
        self.name: str = task.name
        self.task = task
        self.message = message
        self.time_limits: Sequence[float | None] = message.headers.get("timelimit") or (None, None)
        self.acknowledged = False
        self.time_start: float | None = None
        self.worker_pid: int | None = None
        self._consumer = consumer

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """The call executes since `time_accepted`, by the monotonic clock."""
        self.worker_pid = pid
        self.time_start = time.time() - (time.monotonic() - time_accepted)
        state.task_accepted(self)
        self._consumer.tell("task-started", uuid=self.id)

    def for_another(self, id: str) -> PlainRequest:
        """What the message stands for from now on: a call that needed no bell."""
        return PlainRequest(self.message, self.task, self._consumer, id=id)

    def acknowledge(self) -> None:
        """Make room for another message."""
        self.acknowledged = True
        self.message.ack()
        self._consumer.take_more()

    def cancel(self, pool: Any, *_: Any, **__: Any) -> None:
        """As above."""
        pool.hurry()

    def terminate(self, *_: Any, **__: Any) -> None:
        """Nothing: who revokes a call cancels its row."""

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 (as Celery has it)
        """What `inspect` shows."""
        delivery = self.message.delivery_info
        return {
            "id": self.id,
            "name": self.name,
            "args": "()" if safe else [],
            "kwargs": "{}" if safe else {},
            "type": self.name,
            "hostname": self._consumer.hostname,
            "time_start": self.time_start,
            "acknowledged": self.acknowledged,
            "delivery_info": {
                "exchange": delivery.get("exchange"),
                "routing_key": delivery.get("routing_key"),
                "priority": self.message.properties.get("priority"),
                "redelivered": delivery.get("redelivered", False),
            },
            "worker_pid": self.worker_pid,
        }


class Message:
    """One message that a worker has taken. Everything here may be called from any thread.

    Args:
        request: Celery's own view of it.
        held: the messages that count against the prefetch; it is in there until it is acknowledged.
        send_event: how to send an event of a task.
    """

    def __init__(
        self, request: CallRequest | PlainRequest, held: set[Message], send_event: Callable[..., None]
    ) -> None:
        self._request: CallRequest | PlainRequest | None = request
        self._id = request.id
        self._held = held
        self._send_event = send_event
        self._started_at = 0.0
        held.add(self)

    def started(self) -> None:
        """The call executes."""
        self._started_at = time.monotonic()
        if self._request is not None:
            self._request.on_accepted(os.getpid(), self._started_at)  # type: ignore[arg-type]  # its stub errs

    def settle(self) -> None:
        """Take it off the books of the worker and of the broker: from now on its row keeps the call."""
        request, self._request = self._request, None
        if request is not None:
            crash_point("ack.before")
            self._held.discard(self)
            state.task_ready(request)
            request.acknowledge()
            crash_point("ack.after")

    def passes_on(self, invocation_id: UUID) -> None:
        """The call has ended, and another executes in its place: the books say so, and the broker gives no other message."""
        before = self._request
        if isinstance(before, PlainRequest):
            self._id = str(invocation_id)
            state.task_ready(before)
            self._request = before.for_another(self._id)
            state.task_reserved(self._request)

    def succeeded(self) -> None:
        """The call has a result. It is in the row, and not in what Celery gets."""
        self._tell("task-succeeded", result=None, runtime=time.monotonic() - self._started_at)

    def failed(self, failure: Failure | None) -> None:
        """The attempt failed, or was stopped because nobody wants it any more."""
        if failure is None:
            self._tell("task-revoked", terminated=True, signum=None, expired=False)
        else:
            said = f"{failure.type}({failure.message!r})"
            self._tell("task-failed", exception=said, traceback=failure.text())

    def _tell(self, type: str, **fields: Any) -> None:
        self._send_event(type, uuid=self._id, **fields)
