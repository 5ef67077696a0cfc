"""Many callers, one call: what is asked for at the same time in a replica is done as one batch.

Nothing runs while nobody calls. Every caller watches the clock for its batch itself, and the first
that finds the time over starts it where it is: on its own event loop, or on its own thread. So a
loop that is blocked, or a caller that is cancelled, holds up nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import math
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, InvalidStateError, wait
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast, overload

from chainlets.context import current_call
from chainlets.errors import ChainsRuntimeError, ChainsUsageError

Owner = TypeVar("Owner")
Item = TypeVar("Item")
Result = TypeVar("Result")

_NOT_RESULTS = (str, bytes, Mapping, AbstractSet)  # each has a length, and none is a result for each item


class Batched(Protocol):
    """Turns a method from items to results into one from an item to its result."""

    @overload
    def __call__(
        self, method: Callable[[Owner, list[Item]], Coroutine[Any, Any, Sequence[Result]]], /
    ) -> Callable[[Owner, Item], Coroutine[Any, Any, Result]]: ...
    @overload
    def __call__(
        self, method: Callable[[Owner, list[Item]], Sequence[Result]], /
    ) -> Callable[[Owner, Item], Result]: ...


def batched(max_size: int, max_wait_ms: float) -> Batched:
    """Let concurrent calls of a method, each with one item, become one call with a list.

        @chains.batched(max_size=8, max_wait_ms=20)
        async def _encode(self, texts: list[str]) -> list[Vector]: ...

        vector = await self._encode(text)

    The method gives one result for each item, in order. What it raises, every caller of the batch
    gets. It may run again while an earlier batch is under way; where it must not, it takes a
    `threading.Lock` around the work it hands to `offload`. It is nobody's call in particular, so
    `progress` and `emit` do nothing inside it. Several calls reach a replica at a time only if its
    `predict_concurrency` is above 1.

    Args:
        max_size: items in one call at most; a full batch starts at once.
        max_wait_ms: milliseconds a batch waits for more, counted from its first item. With 0 an
            async method still gets together what is asked for in the same turn of the loop.

    Raises:
        ChainsUsageError: a number is out of range, or the method does not take exactly one list.
    """
    if max_size < 1:
        msg = f"`batched(max_size={max_size!r})` cannot hold an item. Write a whole number of at least 1."
        raise ChainsUsageError(msg)
    if not 0 <= max_wait_ms < math.inf:
        msg = f"`batched(max_wait_ms={max_wait_ms!r})` is no time to wait. Write milliseconds, 0 or more."
        raise ChainsUsageError(msg)

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        _check(method)
        return _gathered(method, max_size=max_size, max_wait_s=max_wait_ms / 1000)

    return cast("Batched", decorate)


@dataclass(eq=False, kw_only=True)
class _Place:
    """One caller's item, and where it waits for the answer; no loop if its thread blocks."""

    item: Any
    loop: asyncio.AbstractEventLoop | None
    answer: Future[Any] = field(default_factory=Future)


@dataclass(eq=False, kw_only=True)
class _Batch:
    """What is, or will be, one call. `places` are those of callers that still wait."""

    run: Callable[[list[Any]], Any]  # the method, bound to its instance
    deadline: float  # seconds, by time.monotonic()
    places: list[_Place] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    @property
    def remaining(self) -> float:
        """Seconds until it starts."""
        return max(self.deadline - time.monotonic(), 0.0)


class _Gathering:
    """The batches of one method of one instance; at most one is open for more items."""

    def __init__(self, *, name: str, max_size: int, max_wait_s: float) -> None:
        self._name = name
        self._max_size = max_size
        self._max_wait_s = max_wait_s
        self._lock = threading.Lock()
        self._open: _Batch | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # a loop alone does not keep its tasks alive

    def join(self, place: _Place, run: Callable[[list[Any]], Any]) -> tuple[_Batch, bool]:
        """Take a place in the open batch. True if that closed it, and the caller has to start it."""
        with self._lock:
            batch = self._open
            if batch is None:
                batch = self._open = _Batch(run=run, deadline=time.monotonic() + self._max_wait_s)
            batch.places.append(place)
            full = len(batch.places) >= self._max_size
            if full:
                self._open = None
            return batch, full

    def close(self, batch: _Batch) -> bool:
        """Take no more items. False if the batch was closed before: somebody else starts it."""
        with self._lock:
            if self._open is not batch:
                return False
            self._open = None
            return True

    def leave(self, batch: _Batch, place: _Place) -> None:
        """Give a place up. A batch that nobody waits for any more is dropped or cancelled."""
        with self._lock:
            batch.places.remove(place)
            task = None if batch.places else batch.task
            if not batch.places and self._open is batch:
                self._open = None
        if task is not None and not task.done():
            with contextlib.suppress(RuntimeError):  # its loop was closed, and the task with it
                task.get_loop().call_soon_threadsafe(task.cancel)

    def start(self, batch: _Batch) -> None:
        """Run a closed batch on the loop of this thread, as a task that belongs to no caller."""
        loop = asyncio.get_running_loop()
        task = batch.task = loop.create_task(self._run(batch), context=_nobodys_context())
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._ended, batch))

    def start_if_open(self, batch: _Batch) -> None:
        """Start a batch whose time is over, unless somebody has."""
        if self.close(batch):
            self.start(batch)

    def run_here(self, batch: _Batch) -> None:
        """Run a closed batch on this thread."""
        places = self._waiting(batch)
        items = [place.item for place in places]
        try:
            results = self._matched(_nobodys_context().run(batch.run, items), len(items))
        except BaseException as error:  # noqa: BLE001 (every caller raises it, this one too)
            _fail(places, error)
        else:
            _answer(places, results)

    async def _run(self, batch: _Batch) -> None:
        places = self._waiting(batch)
        if not places:
            return
        try:
            results = self._matched(await batch.run([place.item for place in places]), len(places))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():  # the method's own, not meant for us
                _fail(places, error)
            raise
        except BaseException as error:
            _fail(places, error)
            if not isinstance(error, Exception):
                raise
        else:
            _answer(places, results)

    def _ended(self, batch: _Batch, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        waiting = self._waiting(batch) if task.cancelled() else []
        # The loop is ending, and with it this task: a caller on another loop starts the batch afresh.
        for place in waiting:
            if place.loop is not None and place.loop is not task.get_loop():
                with contextlib.suppress(RuntimeError):  # closed as well
                    place.loop.call_soon_threadsafe(self.start, batch)
                    return
        for place in waiting:
            place.answer.cancel()

    def _waiting(self, batch: _Batch) -> list[_Place]:
        with self._lock:
            return [place for place in batch.places if not place.answer.done()]

    def _matched(self, results: Any, size: int) -> list[Any]:
        if not hasattr(results, "__len__") or isinstance(results, _NOT_RESULTS):
            given = f"a {type(results).__name__}"
        elif len(results) != size:
            given = f"{len(results)} results"
        else:
            return list(results)
        msg = (
            f"`{self._name}` is batched: it was called with {size} items and returned {given}. "
            f"Return a list with one result for each item, in the same order."
        )
        raise ChainsRuntimeError(msg)


def _gathered(method: Callable[..., Any], *, max_size: int, max_wait_s: float) -> Callable[..., Any]:
    # Names alone would not do: an override may call the batched method that it overrides.
    key = f"_batches of {method.__qualname__} at {id(method):x}"

    def gathering_of(owner: object) -> _Gathering:
        found = vars(owner).get(key)
        if found is None:
            new = _Gathering(name=method.__qualname__, max_size=max_size, max_wait_s=max_wait_s)
            found = vars(owner).setdefault(key, new)  # atomic, so that two threads get the same one
        return cast("_Gathering", found)

    @functools.wraps(method)
    async def awaited(self: object, item: object) -> object:
        gathering, loop = gathering_of(self), asyncio.get_running_loop()
        place = _Place(item=item, loop=loop)
        batch, full = gathering.join(place, functools.partial(method, self))
        timer: asyncio.TimerHandle | None = None
        try:
            if full:
                gathering.start(batch)
            else:
                timer = loop.call_later(batch.remaining, gathering.start_if_open, batch)
            return await asyncio.wrap_future(place.answer)
        finally:
            if timer is not None:
                timer.cancel()
            gathering.leave(batch, place)

    @functools.wraps(method)
    def blocking(self: object, item: object) -> object:
        gathering = gathering_of(self)
        place = _Place(item=item, loop=None)
        batch, mine = gathering.join(place, functools.partial(method, self))
        try:
            if not mine:
                wait([place.answer], timeout=batch.remaining)
                mine = gathering.close(batch)
            if mine:
                gathering.run_here(batch)
            return place.answer.result()
        finally:
            gathering.leave(batch, place)

    return awaited if inspect.iscoroutinefunction(method) else blocking


def _check(method: object) -> None:
    if not inspect.isfunction(method):
        msg = f"`@batched` stands above {method!r}, which is no method. Put it directly above a `def`."
        raise ChainsUsageError(msg)
    name = method.__qualname__
    parameters = list(inspect.signature(method).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if len(parameters) != 2 or any(p.kind not in positional for p in parameters):  # noqa: PLR2004 (self and the list)
        msg = (
            f"`{name}` is batched, so it takes exactly one argument besides `self`: the list of items. "
            f"Write `def {method.__name__}(self, items: list[Item]) -> list[Result]`."
        )
        raise ChainsUsageError(msg)
    if method.__name__ == "run_remote":
        msg = f"`{name}` cannot be batched itself. Batch a method that it calls, such as `_encode`."
        raise ChainsUsageError(msg)


def _nobodys_context() -> contextvars.Context:
    context = contextvars.copy_context()
    context.run(current_call.set, None)
    return context


def _answer(places: Iterable[_Place], results: Iterable[Any]) -> None:
    for place, result in zip(places, results, strict=True):
        with contextlib.suppress(InvalidStateError):  # this caller was cancelled
            place.answer.set_result(result)


def _fail(places: Iterable[_Place], error: BaseException) -> None:
    for place in places:
        with contextlib.suppress(InvalidStateError):  # this caller was cancelled
            place.answer.set_exception(error)
