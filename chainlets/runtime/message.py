"""What Celery is told about the message that a call came by.

Its books and its events follow what really happens to the call: reserved while it waits for a slot,
active while it executes. A call that waits for others is on the books no more, for it holds no slot:
ten thousand of them would fill a worker's memory, and the answer of `inspect active`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from celery.worker import state
from celery.worker.request import Request

from chainlets.failure import Failure
from chainlets.runtime.crash_points import crash_point


class CallRequest(Request):
    """Celery's own view of a message, of a task that is a chainlet."""

    def cancel(self, pool: Any, *_: Any, **__: Any) -> None:
        """The worker is to end at once: the call is handed back, and no signal is sent to a process."""
        pool.hurry()


class Message:
    """One message that a worker has taken. Everything here may be called from any thread.

    Args:
        request: Celery's own view of it.
        held: the messages that count against the prefetch; it is in there until it is acknowledged.
        send_event: how to send an event of a task.
    """

    def __init__(self, request: Request, held: set[Message], send_event: Callable[..., None]) -> None:
        self._request: Request | None = request
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
