"""A Celery pool whose tasks are chainlet calls on event loops and threads.

Select it with Celery's own switch: `CELERY_CUSTOM_WORKER_POOL=chainlets.runtime.pool:ChainletPool`
and `-P custom`. The message of a call stays unacknowledged while the call holds a slot, so the
prefetch count (concurrency × 1) is the number of slots. A call that begins to wait for others is
acknowledged at once: its row keeps it, and its slot is free. Tasks that are no chainlet calls run
on threads as in Celery's own thread pool.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from celery.concurrency.base import BasePool, apply_target

from chainlets.runtime.crash_points import crash_point
from chainlets.runtime.engine import Engine
from chainlets.runtime.tasks import ChainletTask

#: Seconds that executing calls have to end when the worker is told to stop.
GRACE_S = float(os.environ.get("WORKER_GRACE_S", "15"))


class ChainletPool(BasePool):
    """Runs chainlet calls by the engine that `app.new_engine()` makes."""

    body_can_be_buffer = True
    signal_safe = False
    task_join_will_block = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._threads = ThreadPoolExecutor(self.limit, thread_name_prefix="celery-task")
        self.engine: Engine | None = None

    def on_start(self) -> None:
        """Start the engine; ends the process with code 78 if a preloaded chainlet cannot be built."""
        self.engine = self.app.new_engine()
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
        """Start a task.

        The callbacks are called from the engine's threads, as Celery's thread pool does it: what
        must happen on Celery's loop, the acknowledgement, they send there themselves.
        """
        task = self.app.tasks.get(args[0]) if args else None
        if not isinstance(task, ChainletTask) or self.engine is None:
            self._threads.submit(apply_target, target, args, kwargs, callback, accept_callback)
            return
        if accept_callback is not None:
            accept_callback(os.getpid(), time.monotonic())
        started = time.monotonic()
        request = getattr(callback, "__self__", None)

        def done() -> None:
            crash_point("ack.before")
            if callback is not None:
                callback((0, None, time.monotonic() - started))
            crash_point("ack.after")

        try:
            invocation_id = UUID(args[1])
        except ValueError:
            done()  # a task that somebody sent by hand: no row says what is to be done
            return
        self.engine.serve(
            chain=task.chain,
            chainlet=task.chainlet,
            invocation_id=invocation_id,
            on_wait=request.acknowledge if request is not None else lambda: None,
            on_done=done,
        )

    def _get_info(self) -> dict[str, Any]:
        info: dict[str, Any] = super()._get_info()  # type: ignore[misc]  # the stubs do not list it
        return {**info, "threads": len(self._threads._threads)}  # noqa: SLF001 (as Celery's own pool reports it)
