"""Event loops for the authors' async code, apart from the threads the engine lives on."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

log = logging.getLogger(__name__)

_OFFLOAD_THREADS = 64
_END_S = 1.0  # for what is cancelled to end


class UserLoops:
    """One loop as a rule; one more whenever all are blocked inside a sync call.

    A sync call made from async code blocks its loop until the answer is there. Were that loop the
    only one, the called chainlet could never run in the same process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocked: dict[asyncio.AbstractEventLoop, int] = {}
        self._threads: dict[asyncio.AbstractEventLoop, threading.Thread] = {}
        self.task_factory: Any = None

    def pick(self) -> asyncio.AbstractEventLoop:
        """A loop that is not known to be blocked."""
        with self._lock:
            for loop, blocked in self._blocked.items():
                if not blocked:
                    return loop
            return self._start()

    def threads(self) -> list[tuple[asyncio.AbstractEventLoop, threading.Thread, bool]]:
        """Each loop, its thread, and whether it is blocked inside a sync call of a chainlet."""
        with self._lock:
            return [(loop, thread, bool(self._blocked[loop])) for loop, thread in self._threads.items()]

    def stop(self) -> None:
        """End all loops; code that blocks one keeps its thread until it comes back."""
        for loop, thread, _ in self.threads():
            end_loop(loop, thread)

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
        loop.set_default_executor(_OffloadThreads(_OFFLOAD_THREADS, thread_name_prefix="chainlets-offload"))
        loop.set_task_factory(self.task_factory)
        name = f"chainlets-loop-{len(self._blocked)}"
        thread = threading.Thread(target=_run, args=(loop,), name=name, daemon=True)
        self._blocked[loop], self._threads[loop] = 0, thread
        thread.start()
        return loop


class _OffloadThreads(ThreadPoolExecutor):
    """Threads on which code knows whose call it belongs to, also after `loop.run_in_executor(None, …)`."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(contextvars.copy_context().run, fn, *args, **kwargs)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, whatever the tasks that authors make themselves raise."""
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            log.error("A task that a chainlet made raised %r; the others go on.", error)  # noqa: TRY400 (its owner gets the traceback)
        else:
            return


def end_loop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """Cancel what runs on a loop, end the loop and its thread, and free what they hold."""

    async def cancel_all() -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_END_S) if tasks else None
        await loop.shutdown_asyncgens()

    with contextlib.suppress(TimeoutError):
        asyncio.run_coroutine_threadsafe(cancel_all(), loop).result(2 * _END_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(_END_S)
    if not thread.is_alive():
        loop.close()
