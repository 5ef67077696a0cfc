"""Notices authors' code that blocks its event loop, and says where and for how long.

While a loop is blocked, every other call on it waits. A thread of its own asks each loop for a
sign of life; if none comes, it looks at the stack of the loop's thread.
"""

from __future__ import annotations

import asyncio
import linecache
import logging
import sys
import threading
import time
from dataclasses import dataclass
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from chainlets.failure import is_user_file
from chainlets.runtime.execution import Execution, current_execution
from chainlets.runtime.loops import UserLoops

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1
#: Seconds without a sign of life that are worth a word.
BLOCKED_S = 0.5


@dataclass(kw_only=True)
class _Watch:
    """What is known of one loop."""

    answered: bool = True
    asked_at: float = 0.0
    place: dict[str, Any] | None = None
    execution: Execution | None = None


class Watchdog:
    """Watches the loops that authors' code runs on."""

    def __init__(self, loops: UserLoops) -> None:
        self._loops = loops
        self._owners: WeakKeyDictionary[asyncio.Task[Any], Execution] = WeakKeyDictionary()
        self._watches: dict[asyncio.AbstractEventLoop, _Watch] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="chainlets-watchdog", daemon=True)
        loops.task_factory = self._new_task

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def settle(self, execution: Execution) -> None:
        """Tell at once what is known of an execution that is about to be recorded as ended."""
        with self._lock:
            for watch in self._watches.values():
                if watch.execution is execution and watch.place is not None:
                    watch.place["seconds"] = round(time.monotonic() - watch.asked_at, 2)
                    self._tell(watch)
                    watch.place = None

    def belongs(self, task: asyncio.Task[Any] | None, execution: Execution) -> None:
        """Say for which execution a task works; tasks that it makes are known by themselves."""
        if task is not None:
            self._owners[task] = execution

    def _new_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **kwargs)
        context = kwargs.get("context")
        execution = context.get(current_execution) if context is not None else current_execution.get()
        if execution is not None:
            self._owners[task] = execution
        return task

    def _work(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY_S):
            with self._lock:
                for loop, thread, excused in self._loops.threads():
                    self._look(loop, thread, excused=excused)

    def _look(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread, *, excused: bool) -> None:
        watch = self._watches.setdefault(loop, _Watch())
        now = time.monotonic()
        silent = now - watch.asked_at
        if watch.answered:
            if watch.place is not None:
                self._tell(watch)
            watch.answered, watch.asked_at, watch.place = False, now, None
            loop.call_soon_threadsafe(_Answer(watch))
        elif excused:
            # Blocked inside a sync call of a chainlet: by design, and another loop has taken over.
            watch.asked_at, watch.place = now, None
        elif silent >= BLOCKED_S:
            if watch.place is None:
                task = asyncio.current_task(loop)
                watch.execution = _owner(self._owners, task)
                watch.place = _innermost(thread)
            if watch.place is not None:
                watch.place["seconds"] = round(silent, 2)

    def _tell(self, watch: _Watch) -> None:
        place, execution = watch.place, watch.execution
        assert place is not None
        who = f"{execution.info.chain}.{execution.info.chainlet}" if execution else "A chainlet"
        log.warning(
            "%s blocked the event loop for %.1f s at %s:%d in %s: %s. Use `await chains.offload(…)` there.",
            who, place["seconds"], place["file"], place["line"], place["name"], place["code"],
        )  # fmt: skip
        if execution is not None:
            execution.blocked(place)
        watch.execution = None


class _Answer:
    """A loop's sign of life."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch

    def __call__(self) -> None:
        if self._watch.place is not None:
            self._watch.place["seconds"] = round(time.monotonic() - self._watch.asked_at, 2)
        self._watch.answered = True


def _owner(
    owners: WeakKeyDictionary[asyncio.Task[Any], Execution], task: asyncio.Task[Any] | None
) -> Execution | None:
    return owners.get(task) if task is not None else None


def _innermost(thread: threading.Thread) -> dict[str, Any] | None:
    """The author's line that a thread is at, or the line of the library that it called."""
    frame: FrameType | None = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 (the only way to see another thread)
    while frame is not None and not is_user_file(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return None
    file, line = frame.f_code.co_filename, frame.f_lineno
    return {
        "file": file,
        "line": line,
        "name": frame.f_code.co_name,
        "code": linecache.getline(file, line).strip(),
    }
