"""A bound on what is under way, for threads and event loops alike."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future


class Slots:
    """So many may be under way at a time; the others wait their turn, in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._free = most
        self._queue: deque[Future[None]] = deque()

    @contextlib.contextmanager
    def on_thread(self) -> Iterator[None]:
        """Wait for a slot, and hold it inside the block."""
        # Were this thread's loop to wait here, calls that it has under way could never free theirs.
        patient = asyncio._get_running_loop() is None  # noqa: SLF001 (get_running_loop raises instead)
        turn = self._ask(patient=patient)
        try:
            turn.result()
            yield
        finally:
            self._give_back(turn)

    @contextlib.asynccontextmanager
    async def on_loop(self) -> AsyncIterator[None]:
        """Wait for a slot, and hold it inside the block."""
        turn = self._ask(patient=True)
        try:
            if not turn.done():
                await asyncio.wrap_future(turn)
            yield
        finally:
            self._give_back(turn)

    def _ask(self, *, patient: bool) -> Future[None]:
        turn: Future[None] = Future()
        with self._lock:
            if self._free > 0 or not patient:
                self._free -= 1
                turn.set_result(None)
            else:
                self._queue.append(turn)
        return turn

    def _give_back(self, turn: Future[None]) -> None:
        if turn.cancel():
            return  # it never had a slot
        with self._lock:
            self._free += 1
            while self._queue and self._free > 0:
                following = self._queue.popleft()
                if following.set_running_or_notify_cancel():
                    self._free -= 1
                    following.set_result(None)
