"""The two ends of a websocket conversation inside one process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from concurrent.futures import Future, InvalidStateError

from chainlets.websocket import Frame

_MOST_UNREAD = 256
_GONE = Frame(closed=(1006, "The other side is gone."))


def memory_links(*, most_unread: int = _MOST_UNREAD) -> tuple[MemoryLink, MemoryLink]:
    """Two ends that belong together; each may be used from any thread and event loop.

    Args:
        most_unread: frames that may lie unread before a sender has to wait.
    """
    there, back = _Lane(most_unread), _Lane(most_unread)
    return MemoryLink(to=there, come=back), MemoryLink(to=back, come=there)


class MemoryLink:
    """One end; a `chainlets.websocket.Link`."""

    def __init__(self, *, to: _Lane, come: _Lane) -> None:
        self._to = to
        self._come = come

    async def send(self, frame: Frame) -> None:
        """Hand over a frame; waits while too many lie unread and the other side is there. An end never waits."""
        await self._to.put(frame)

    async def receive(self) -> Frame:
        """The next frame; an end with code 1006 once the other side has left and all is read."""
        return await self._come.get()

    def waiting(self) -> list[Frame]:
        """All frames that lie unread, which are then read."""
        return self._come.take_all()

    def leave(self) -> None:
        """Be gone without a word, as a process that dies."""
        self._to.end()
        self._come.abandon()


class _Lane:
    """Frames on their way in one direction."""

    def __init__(self, most_unread: int) -> None:
        self._most = most_unread
        self._lock = threading.Lock()
        self._frames: deque[Frame] = deque()
        self._written_by = self._read_by = True
        self._waiters: list[Future[None]] = []

    async def put(self, frame: Frame) -> None:
        while True:
            with self._lock:
                if len(self._frames) < self._most or frame.closed or not self._read_by:
                    self._frames.append(frame)
                    self._changed()
                    return
                change = self._next_change()
            await asyncio.wrap_future(change)

    async def get(self) -> Frame:
        while True:
            with self._lock:
                if self._frames:
                    self._changed()
                    return self._frames.popleft()
                if not self._written_by:
                    return _GONE
                change = self._next_change()
            await asyncio.wrap_future(change)

    def take_all(self) -> list[Frame]:
        with self._lock:
            frames = list(self._frames)
            self._frames.clear()
            self._changed()
            return frames

    def end(self) -> None:
        with self._lock:
            self._written_by = False
            self._changed()

    def abandon(self) -> None:
        with self._lock:
            self._read_by = False
            self._changed()

    def _next_change(self) -> Future[None]:
        change: Future[None] = Future()
        self._waiters.append(change)
        return change

    def _changed(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            with contextlib.suppress(InvalidStateError):  # whoever waited was cancelled
                waiter.set_result(None)
