"""What Celery is told about the message that a call came by.

Its books (`inspect active`, `inspect reserved`), its events and its acknowledgement follow what
really happens to the call: reserved while it waits for a slot, active from the moment it executes.
"""

from __future__ import annotations

import os
import time

from celery.worker import state
from celery.worker.request import Request

from chainlets.failure import Failure


class Message:
    """One message that a worker has taken. Everything here may be called from any thread.

    Args:
        request: Celery's own view of it.
        held: the messages that count against the prefetch; it is in there until it is acknowledged.
    """

    def __init__(self, request: Request, held: set[Message]) -> None:
        self._request = request
        self._held = held
        self._started_at = 0.0
        held.add(self)

    def acknowledge(self) -> None:
        """Take it off the broker's books; its row keeps the call from now on."""
        self._held.discard(self)
        self._request.acknowledge()

    def started(self) -> None:
        """The call executes."""
        self._started_at = time.monotonic()
        self._request.on_accepted(os.getpid(), self._started_at)  # type: ignore[arg-type]  # its stub errs

    def succeeded(self) -> None:
        """The call has a result. It is in the row, and not in what Celery gets."""
        self._request.send_event("task-succeeded", result=None, runtime=time.monotonic() - self._started_at)

    def failed(self, failure: Failure | None) -> None:
        """The attempt failed, or was stopped because nobody wants it any more."""
        if failure is None:
            self._request.send_event("task-revoked", terminated=True, signum=None, expired=False)
        else:
            said = f"{failure.type}({failure.message!r})"
            self._request.send_event("task-failed", exception=said, traceback=failure.text())

    def done(self) -> None:
        """Nothing is left to do."""
        state.task_ready(self._request)
        self.acknowledge()
