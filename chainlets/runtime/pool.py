"""A Celery pool whose tasks are chainlet calls on event loops and threads.

Select it with Celery's own switch: `CELERY_CUSTOM_WORKER_POOL=chainlets.runtime.pool:ChainletPool`
and `-P custom`. The message of a call stays unacknowledged while the call holds a slot, so the
prefetch count (concurrency × 1) is the number of slots. A call that begins to wait for others is
acknowledged at once: its row keeps it, and its slot is free. Tasks that are no chainlet calls run
on threads as in Celery's own thread pool.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from celery.concurrency.base import BasePool, apply_target

from chainlets.runtime.engine import Engine
from chainlets.runtime.message import CallRequest, Message, PlainRequest
from chainlets.runtime.tasks import Bell, ChainletTask
from chainlets.runtime.terms import Terms
from chainlets.runtime.time_limits import UNLIMITED, TimeLimits

log = logging.getLogger(__name__)

#: Seconds that executing calls have to end when the worker is told to stop.
GRACE_S = float(os.environ.get("WORKER_GRACE_S", "15"))


class ChainletPool(BasePool):
    """Runs chainlet calls by the engine that `app.new_engine()` makes."""

    body_can_be_buffer = True
    signal_safe = False
    task_join_will_block = False
    limit: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._threads = _threads(self.limit)
        self._held: set[Message] = set()
        self._ended = self._hurrying = False
        self.engine: Engine | None = None

    def on_start(self) -> None:
        """Start the engine; ends the process with code 78 if a preloaded chainlet cannot be built."""
        self.engine = self.app.new_engine()
        self.engine.crowded_if(lambda: len(self._held) >= self.limit)
        self.engine.start()
        self.app.preload(self.engine)

    def on_stop(self) -> None:
        """Finish or hand back; Celery asks for it again from a signal's handler if it is to be quick."""
        if self.engine is not None and not self._ended:
            self._ended = True
            self.engine.stop(GRACE_S)
            self._threads.shutdown(wait=not self._hurrying, cancel_futures=True)

    def on_terminate(self) -> None:
        """Hand everything back at once."""
        self.hurry()
        self.on_stop()

    def hurry(self) -> None:
        """Wait no longer for what executes, now or when the worker is told to stop."""
        self._hurrying = True
        if self.engine is not None:
            self.engine.hurry()

    def terminate_job(self, *_: Any) -> None:
        """Nothing: an ordinary task runs on a thread, which cannot be ended from outside."""
        log.warning("A task that runs on a thread cannot be terminated; it goes on to its end.")

    def grow(self, n: int = 1) -> None:
        """Execute `n` more at a time."""
        self._resize(self.limit + n)

    def shrink(self, n: int = 1) -> None:
        """Execute `n` fewer at a time; what executes already goes on.

        Raises:
            ValueError: nothing would be left.
        """
        if n >= self.limit:
            msg = f"The pool has {self.limit} slots and must keep one. To take no more work, use `cancel_consumer`."
            raise ValueError(msg)
        self._resize(self.limit - n)

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> None:
        """Start a task that came by Celery's own way."""
        request = getattr(callback, "__self__", None)
        if isinstance(request, CallRequest):
            self.answer(request)
        else:
            self._threads.submit(apply_target, target, args, kwargs, callback, accept_callback)

    def answer(self, request: CallRequest | PlainRequest) -> None:
        """Have the engine serve a bell.

        What is told of it is told from the engine's threads, as Celery's thread pool does it: what
        must happen on Celery's loop is sent there by the request itself.
        """
        task = request.task
        assert isinstance(task, ChainletTask)
        assert self.engine is not None
        message = Message(request, self._held, self._send_event)
        try:
            invocation_id = UUID(request.id)
        except ValueError:
            message.settle()  # a task that somebody sent by hand: no row says what is to be done
            return
        priority = request.message.delivery_info.get("list", "normal")

        def put_back(queue: str) -> None:
            self.app.ring(
                Bell(
                    chain=task.chain,
                    chainlet=task.chainlet,
                    queue=queue,
                    invocation_id=invocation_id,
                    priority=priority,
                )
            )

        self.engine.serve(
            chain=task.chain,
            chainlet=task.chainlet,
            invocation_id=invocation_id,
            on_wait=message.settle,
            on_done=message.settle,
            terms=Terms(
                limits=self._limits(task, request),
                on_start=message.started,
                on_success=message.succeeded,
                on_failure=message.failed,
                # Each look at a bell would count against a rate limit.
                put_back=None if task.rate_limit else put_back,
                pass_on=message.passes_on if isinstance(request, PlainRequest) else None,
            ),
        )

    def _limits(self, task: ChainletTask, request: CallRequest | PlainRequest) -> TimeLimits:
        """The message's own limits, else those of `control time_limit`, else those the worker was started with."""
        hard_s, soft_s = request.time_limits
        soft_s = soft_s or task.soft_time_limit or self.options.get("soft_timeout")
        hard_s = hard_s or task.time_limit or self.options.get("timeout")
        return TimeLimits(soft_s=soft_s, hard_s=hard_s) if soft_s or hard_s else UNLIMITED

    def _send_event(self, type: str, **fields: Any) -> None:
        if self.app.consumer is not None:
            self.app.consumer.tell(type, **fields)

    def _resize(self, limit: int) -> None:
        before, self._threads = self._threads, _threads(limit)
        before.shutdown(wait=False)
        self.limit = limit

    def _get_info(self) -> dict[str, Any]:
        info: dict[str, Any] = super()._get_info()  # type: ignore[misc]  # the stubs do not list it
        return {**info, **(self.engine.numbers if self.engine is not None else {})}


def _threads(limit: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(limit, thread_name_prefix="celery-task")
