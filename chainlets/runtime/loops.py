"""Event loops for the authors' async code, apart from the threads the engine lives on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

_OFFLOAD_THREADS = 64


class UserLoops:
    """One loop as a rule; one more whenever all are blocked inside a sync call.

    A sync call made from async code blocks its loop until the answer is there. Were that loop the
    only one, the called chainlet could never run in the same process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocked: dict[asyncio.AbstractEventLoop, int] = {}

    def pick(self) -> asyncio.AbstractEventLoop:
        """A loop that is not known to be blocked."""
        with self._lock:
            for loop, blocked in self._blocked.items():
                if not blocked:
                    return loop
            return self._start()

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Mark the loop of this thread, if it is one of ours, as blocked inside the block."""
        loop = asyncio._get_running_loop()  # noqa: SLF001 (public as get_running_loop, which raises instead)
        ours = loop is not None and self._mark(loop, 1)
        try:
            yield
        finally:
            if loop is not None and ours:
                self._mark(loop, -1)

    def _mark(self, loop: asyncio.AbstractEventLoop, change: int) -> bool:
        with self._lock:
            ours = loop in self._blocked
            if ours:
                self._blocked[loop] += change
            return ours

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.set_default_executor(
            ThreadPoolExecutor(_OFFLOAD_THREADS, thread_name_prefix="chainlets-offload")
        )
        name = f"chainlets-loop-{len(self._blocked)}"
        threading.Thread(target=loop.run_forever, name=name, daemon=True).start()
        self._blocked[loop] = 0
        return loop
