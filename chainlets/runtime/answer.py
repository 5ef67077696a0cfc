"""What becomes of a call, for the one who waits for it: on an event loop, or on a thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from chainlets.runtime.inbox import Inbox, inbox_of
from chainlets.runtime.store import Outcome

log = logging.getLogger(__name__)

_lock = threading.Lock()  # for all of them: each holds it for a few instructions


class Answer:
    """Comes once, on any thread: an outcome, an error, or a cancellation. One may listen to it.

    A fan-out has ten thousand open at a time, and a Future of the standard library is a dozen objects that
    the garbage collector looks at again and again. This is one.

    Attributes:
        done: it is there.
        limit: what it counts against while it is open, for whoever gave `on_end`.
    """

    __slots__ = ("_error", "_here", "_inbox", "_listener", "_on_end", "_outcome", "done", "limit")

    def __init__(
        self,
        *,
        on_end: Callable[[Answer], None] | None = None,
        limit: tuple[str, str, str] = ("", "", ""),
    ) -> None:
        self.done = False
        self.limit = limit
        self._on_end = on_end
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._listener: Callable[[], None] | None = None

    def settle(self, outcome: Outcome) -> None:
        """The call has ended; an answer that is there already stands."""
        self._come(outcome, None)

    def fail(self, error: BaseException) -> None:
        """It cannot be known how the call ended."""
        self._come(None, error)

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        self._come(None, asyncio.CancelledError())

    def outcome(self) -> Outcome:
        """The outcome, once it is there.

        Raises:
            asyncio.CancelledError: it was cancelled.
            BaseException: why it cannot be known.
        """
        if self._error is not None:
            raise self._error
        assert self._outcome is not None, "it is not there yet"
        return self._outcome

    def listen(self, listener: Callable[[], None]) -> None:
        """Have this called when it is there, on the thread that brings it: at once if it is there."""
        with _lock:
            if not self.done:
                self._listener = listener
                return
        listener()

    def wait(self, timeout_s: float | None = None) -> Outcome:
        """Wait on this thread; raises as `outcome`, or TimeoutError."""
        came = threading.Event()
        self.listen(came.set)
        if not came.wait(timeout_s):
            raise TimeoutError
        return self.outcome()

    async def landed(self) -> Outcome:
        """Wait on this event loop; raises as `outcome`. Many that come together wake the loop once."""
        if not self.done:
            loop = asyncio.get_running_loop()
            self._inbox: Inbox = inbox_of(loop)
            self._here: asyncio.Future[None] = loop.create_future()
            self.listen(self._post)
            await self._here
        return self.outcome()

    def _post(self) -> None:
        self._inbox.post(self._wake)

    def _wake(self) -> None:
        if not self._here.done():  # whoever waited was cancelled
            self._here.set_result(None)

    def _come(self, outcome: Outcome | None, error: BaseException | None) -> None:
        with _lock:
            if self.done:
                return
            self._outcome, self._error, self.done = outcome, error, True
            listener, self._listener = self._listener, None
        try:
            if self._on_end is not None:
                self._on_end(self)
            if listener is not None:
                listener()
        except Exception:
            log.exception("What follows an answer failed")
