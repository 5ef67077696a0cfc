"""Hands work to an event loop from other threads; what comes in a burst wakes the loop once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar
from weakref import WeakKeyDictionary

log = logging.getLogger(__name__)
T = TypeVar("T")

_AT_ONCE = 500  # calls made before the loop does something else


class Inbox:
    """The work that other threads have for one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[Callable[[], object]] = deque()
        self._woken = False

    def post(self, call: Callable[[], object]) -> None:
        """Have the loop call this soon, in the order of posting. A loop that is closed calls nothing."""
        self._calls.append(call)
        # Set before it looks, cleared before it takes: whoever finds it set has been seen.
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        self._woken = False
        for _ in range(_AT_ONCE):
            try:
                call = self._calls.popleft()
            except IndexError:
                return
            try:
                call()
            except Exception:
                log.exception("A call from another thread failed")
        if self._calls and not self._woken:
            self._woken = True
            self._loop.call_soon(self._take)


_inboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Inbox] = WeakKeyDictionary()
_lock = threading.Lock()


def inbox_of(loop: asyncio.AbstractEventLoop) -> Inbox:
    """The inbox of a loop."""
    found = _inboxes.get(loop)
    if found is None:
        with _lock:
            found = _inboxes.setdefault(loop, Inbox(loop))
    return found


async def landed(future: Future[T]) -> T:
    """What another thread's future gives. Unlike `asyncio.wrap_future`, many that are done together wake the loop once.

    Raises:
        BaseException: what it failed with.
    """
    if not future.done():
        loop = asyncio.get_running_loop()
        here, inbox = loop.create_future(), inbox_of(loop)

        def wake() -> None:
            if not here.done():  # whoever waited was cancelled
                here.set_result(None)

        future.add_done_callback(lambda _: inbox.post(wake))
        await here
    return future.result()
