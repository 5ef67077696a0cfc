"""A Celery pool whose tasks are chainlet calls on event loops and threads.

Select it with Celery's own switch: `CELERY_CUSTOM_WORKER_POOL=chainlets.runtime.pool:ChainletPool`
and `-P custom`. The message of a call stays unacknowledged while the call holds a slot, so the
prefetch count (concurrency × 1) is the number of slots. A call that begins to wait for others is
acknowledged at once: its row keeps it, and its slot is free. Tasks that are no chainlet calls run
on threads as in Celery's own thread pool.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from celery.concurrency.base import BasePool, apply_target

from chainlets.runtime.engine import Engine
from chainlets.runtime.tasks import ChainletTask

#: Seconds that executing calls have to end when the worker is told to stop.
GRACE_S = float(os.environ.get("WORKER_GRACE_S", "15"))


class ChainletPool(BasePool):  # type: ignore[misc]  # Celery is untyped
    """Runs chainlet calls by the engine that `app.engine_for(pool)` makes."""

    body_can_be_buffer = True
    signal_safe = False
    task_join_will_block = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._threads = ThreadPoolExecutor(self.limit, thread_name_prefix="celery-task")
        self._hub: Any = None
        self.engine: Engine | None = None

    def register_with_event_loop(self, loop: Any) -> None:
        """Remember Celery's loop: acknowledgements must be sent from its thread."""
        self._hub = loop

    def on_start(self) -> None:
        """Start the engine; ends the process with code 78 if a preloaded chainlet cannot be built."""
        self.engine = self.app.engine_for(self)
        self.engine.start()
        self.app.preload(self.engine)

    def on_stop(self) -> None:
        """Finish or hand back."""
        if self.engine is not None:
            self.engine.stop(GRACE_S)
        self._threads.shutdown(wait=True, cancel_futures=True)

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> None:
        """Start a task; its callbacks are called on Celery's loop."""
        task = self.app.tasks.get(args[0]) if args else None
        if not isinstance(task, ChainletTask) or self.engine is None:
            self._threads.submit(
                apply_target, target, args, kwargs, self._soon(callback), self._soon(accept_callback)
            )
            return
        if accept_callback is not None:
            accept_callback(os.getpid(), time.monotonic())
        started = time.monotonic()
        request = getattr(callback, "__self__", None)
        done = self._soon(callback)
        with contextlib.suppress(ValueError):  # a task id that is no invocation: nothing to do
            self.engine.serve(
                chain=task.chain,
                chainlet=task.chainlet,
                invocation_id=UUID(args[1]),
                on_wait=self._soon(request.acknowledge) if request is not None else lambda: None,
                on_done=lambda: done((0, None, time.monotonic() - started)),
            )
            return
        done((0, None, 0.0))

    def _soon(self, callback: Callable[..., Any] | None) -> Callable[..., None]:
        def call(*args: Any) -> None:
            if callback is None:
                return
            if self._hub is None:
                callback(*args)
            else:
                self._hub.call_soon(callback, *args)

        return call

    def _get_info(self) -> dict[str, Any]:
        return {**super()._get_info(), "threads": len(self._threads._threads)}  # noqa: SLF001 (as Celery's own pool reports it)
