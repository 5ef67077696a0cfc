"""The calls that chainlets of this process have under way."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

from chainlets.errors import StoreUnavailable
from chainlets.runtime.committer import Committer
from chainlets.runtime.crash_points import crash_point
from chainlets.runtime.execution import Execution
from chainlets.runtime.feeds import Feed
from chainlets.runtime.loops import UserLoops
from chainlets.runtime.spilling import Sizes, spill
from chainlets.runtime.store import FenceLostError, NewCall, Outcome, Output, RunStore
from chainlets.runtime.stub import LimitKey

log = logging.getLogger(__name__)


class OpenCalls:
    """Opens calls, bounds how many are under way, and answers those who wait for them."""

    def __init__(self, *, committer: Committer, store: RunStore, loops: UserLoops, sizes: Sizes) -> None:
        self.loops = loops
        self.sizes = sizes
        self._committer = committer
        self._store = store
        # What is only read waits neither for a transaction nor makes one wait.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="chainlets-reader")
        self._spiller = ThreadPoolExecutor(2, thread_name_prefix="chainlets-spiller")
        self._lock = threading.Lock()
        self._waiters: defaultdict[UUID, list[Future[Outcome]]] = defaultdict(list)
        self._feeds: defaultdict[UUID, list[Feed]] = defaultdict(list)
        self._unopened: Counter[UUID] = Counter()
        self._under_way: Counter[LimitKey] = Counter()
        self._postponed: defaultdict[LimitKey, deque[tuple[Execution, NewCall, bytes | None]]] = defaultdict(
            deque
        )

    def open(
        self,
        *,
        parent: Execution,
        call: NewCall,
        limit: LimitKey,
        most: int,
        feed: Feed | None = None,
        large: bytes | None = None,
    ) -> Future[Outcome]:
        """Start a call now, or as soon as fewer than `most` of its kind are under way.

        `large` is the text of an input that is too large for the call's row.
        """
        future: Future[Outcome] = Future()
        future.add_done_callback(lambda _: self._next(limit))
        with self._lock:
            # Until it is recorded, the store may still know it as an earlier attempt of its caller left it.
            self._unopened[call.id] += 1
            self._waiters[call.id].append(future)
            if feed is not None:
                self._feeds[call.id].append(feed)
            if self._under_way[limit] >= most:
                self._postponed[limit].append((parent, call, large))
                return future
            self._under_way[limit] += 1
        self._start(parent, call, large)
        return future

    def watch(self, invocation_id: UUID, feed: Feed | None) -> Future[Outcome]:
        """The outcome of an invocation that something else starts; `feed` gets what it streams."""
        future: Future[Outcome] = Future()
        with self._lock:
            self._waiters[invocation_id].append(future)
            if feed is not None:
                self._feeds[invocation_id].append(feed)
        return future

    def abandon(self, *, parent: Execution, call: NewCall) -> None:
        """Cancel a call that nobody waits for any more."""
        if parent.ending:
            return  # the next attempt of the parent will join it
        fence = parent.claim.fence
        self._committer.hand_over(
            lambda store: store.cancel_call(parent=fence, invocation_id=call.id),
            (fence.invocation_id, call.id),
        )

    def look(self, ids: Collection[UUID] | None = None) -> None:
        """Ask the store about calls that may be done: these, or all that somebody waits for."""
        with self._lock:
            asked = self._waiters if ids is None else ids
            wanted = [i for i in asked if i in self._waiters and i not in self._unopened]
            streams = [i for i in wanted if i in self._feeds]
        for invocation_id in streams:
            self._read(invocation_id, then=lambda: None)
        if wanted:
            # Of ten thousand calls nearly all are still queued or running: their rows are of no interest.
            looked = self._reader.submit(self._store.outcomes, ids=wanted, ended=True)
            looked.add_done_callback(self._looked)

    def _read(self, invocation_id: UUID, *, then: Callable[[], None]) -> None:
        """Fetch what a stream has given since the last time."""
        with self._lock:
            feeds = list(self._feeds.get(invocation_id, ()))
        after = min((feed.seq for feed in feeds), default=0)

        def read(done: Future[list[Output]]) -> None:
            if done.exception() is None:
                for feed in feeds:
                    feed.feed(done.result())
            then()

        read_now = self._reader.submit(self._store.outputs, invocation_id=invocation_id, after=after)
        read_now.add_done_callback(read)

    def _start(self, parent: Execution, call: NewCall, large: bytes | None = None) -> None:
        if large is not None:
            self._spiller.submit(self._spill, parent, call, large)
            return
        fence = parent.claim.fence
        self._committer.hand_over(
            lambda store: store.open_call(parent=fence, call=call),
            (fence.invocation_id, call.id),
            lambda outcome, error: self._opened(parent, call.id, outcome, error),
        )

    def _spill(self, parent: Execution, call: NewCall, large: bytes) -> None:
        """Write an input to the file store, unless an earlier attempt of the caller has; then start the call."""
        try:
            if parent.claim.fence.attempt == 1 or not self._recorded(call.id):
                held = spill(large, files=parent.files, name=f"input of {call.chainlet}")
                call = replace(call, input=held.json, input_spilled=True)
        except Exception as error:  # noqa: BLE001 (whatever it is, the caller hears of it)
            self._known(call.id)
            self._refused(parent, call.id, error)
            return
        with self._lock:
            wanted = any(not future.done() for future in self._waiters.get(call.id, ()))
        if wanted:
            self._start(parent, call)
        else:
            self._known(call.id)

    def _recorded(self, call_id: UUID) -> bool:
        try:
            return bool(self._store.outcomes(ids=[call_id]))
        except StoreUnavailable:
            return False  # then it is written once more, for nobody: better than to wait here as well

    def _opened(
        self, parent: Execution, call_id: UUID, outcome: Outcome, error: BaseException | None
    ) -> None:
        self._known(call_id)
        if error is None:
            crash_point("call.journalled")
            self.ended(outcome)
        else:
            self._refused(parent, call_id, error)

    def _known(self, call_id: UUID) -> None:
        with self._lock:
            self._unopened[call_id] -= 1
            if not self._unopened[call_id]:
                del self._unopened[call_id]

    def _refused(self, parent: Execution, call_id: UUID, error: BaseException) -> None:
        if isinstance(error, FenceLostError):
            parent.cancel(ending=True)
        for future in self._take(call_id):
            with contextlib.suppress(InvalidStateError):
                future.set_exception(error)

    def _looked(self, done: Future[list[Outcome]]) -> None:
        if (error := done.exception()) is not None:
            log.error("Could not look after open calls: %r", error)
            return
        for outcome in done.result():
            self.ended(outcome)

    def close(self) -> None:
        """Look no more."""
        self._reader.shutdown(wait=False, cancel_futures=True)
        self._spiller.shutdown(wait=False, cancel_futures=True)

    def ended(self, outcome: Outcome) -> None:
        """A call has come to an end, and that is committed: answer those who wait for it here."""
        with self._lock:
            if outcome.id in self._unopened:
                return  # that was an earlier one; what becomes of this one comes with its record
            streamed = outcome.id in self._feeds
        if streamed and outcome.failure is not None:
            # What it gave before it failed is to be read first, and all of it.
            self._read(outcome.id, then=lambda: self.settle(outcome))
        else:
            self.settle(outcome)

    def settle(self, outcome: Outcome) -> None:
        """Answer those who wait for a call that has come to an end; it must be committed."""
        if not outcome.state.final:
            return
        for future in self._take(outcome.id):
            with contextlib.suppress(InvalidStateError):  # its waiter was cancelled meanwhile
                future.set_result(outcome)

    def _take(self, call_id: UUID) -> list[Future[Outcome]]:
        with self._lock:
            self._feeds.pop(call_id, None)
            return self._waiters.pop(call_id, [])

    def _next(self, limit: LimitKey) -> None:
        with self._lock:
            if not self._postponed[limit]:
                self._under_way[limit] -= 1
                return
            parent, call, large = self._postponed[limit].popleft()
        self._start(parent, call, large)
