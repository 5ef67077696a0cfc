"""The calls that chainlets of this process have under way."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID

from chainlets.errors import StoreUnavailable
from chainlets.runtime.answer import Answer
from chainlets.runtime.committer import Committer
from chainlets.runtime.crash_points import crash_point
from chainlets.runtime.early import EarlyCalls
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
        #: Calls that begin before they are recorded, in a worker that can ring itself.
        self.early: EarlyCalls | None = None
        self._committer = committer
        self._store = store
        # What is only read waits neither for a transaction nor makes one wait.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="chainlets-reader")
        self._spiller = ThreadPoolExecutor(2, thread_name_prefix="chainlets-spiller")
        self._lock = threading.Lock()
        self._wanted: dict[UUID, _Wanted] = {}
        self._under_way: defaultdict[LimitKey, int] = defaultdict(int)
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
    ) -> Answer:
        """Start a call now, or as soon as fewer than `most` of its kind are under way.

        `large` is the text of an input that is too large for the call's row.
        """
        answer = Answer(limit=limit, on_end=self._next)
        with self._lock:
            # Until it is recorded, the store may still know it as an earlier attempt of its caller left it.
            self._add(call.id, answer, feed).unopened += 1
            if self._under_way[limit] >= most:
                self._postponed[limit].append((parent, call, large))
                return answer
            self._under_way[limit] += 1
        self._start(parent, call, large)
        return answer

    def watch(self, invocation_id: UUID, feed: Feed | None) -> Answer:
        """The outcome of an invocation that something else starts; `feed` gets what it streams."""
        answer = Answer()
        with self._lock:
            self._add(invocation_id, answer, feed)
        return answer

    def abandon(self, *, parent: Execution, call_id: UUID) -> None:
        """Cancel a call that nobody waits for any more."""
        if parent.ending:
            return  # the next attempt of the parent will join it
        fence = parent.claim.fence
        self._committer.hand_over(
            lambda store: store.cancel_call(parent=fence, invocation_id=call_id),
            (fence.invocation_id, call_id),
        )

    def look(self, ids: Collection[UUID] | None = None) -> None:
        """Ask the store about calls that may be done: these, or all that somebody waits for."""
        with self._lock:
            asked = self._wanted if ids is None else ids
            found = [(id, one) for id in asked if (one := self._wanted.get(id)) and not one.unopened]
        wanted = [id for id, _ in found]
        streams = [id for id, one in found if one.feeds]
        for invocation_id in streams:
            self._read(invocation_id, then=lambda: None)
        if wanted:
            # Of ten thousand calls nearly all are still queued or running: their rows are of no interest.
            looked = self._reader.submit(self._store.outcomes, ids=wanted, ended=True)
            looked.add_done_callback(self._looked)

    def _read(self, invocation_id: UUID, *, then: Callable[[], None]) -> None:
        """Fetch what a stream has given since the last time."""
        with self._lock:
            wanted = self._wanted.get(invocation_id)
            feeds = wanted.feeds if wanted is not None else ()
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
        fence, early = parent.claim.fence, self.early is not None and self.early.admit(parent, call)
        recorded = call._replace(rung=True) if early else call
        self._committer.hand_over(
            lambda store: store.open_call(parent=fence, call=recorded),
            (fence.invocation_id, call.id),
            lambda outcome, error: self._opened(parent, call.id, outcome, error),
            patient=early,
        )
        if early and self.early is not None:
            self.early.ring(call)

    def _spill(self, parent: Execution, call: NewCall, large: bytes) -> None:
        """Write an input to the file store, unless an earlier attempt of the caller has; then start the call."""
        try:
            if parent.claim.fence.attempt == 1 or not self._recorded(call.id):
                held = spill(large, files=parent.files, name=f"input of {call.chainlet}")
                call = call._replace(input=held.json, input_spilled=True)
        except Exception as error:  # noqa: BLE001 (whatever it is, the caller hears of it)
            self._known(call.id)
            self._refused(parent, call.id, error)
            return
        with self._lock:
            waited_for = any(not answer.done for answer in self._wanted[call.id].answers)
        if waited_for:
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
        if self.early is not None:
            self.early.recorded(call_id)
        self._known(call_id)
        if error is None:
            crash_point("call.journalled")
            self.ended(outcome)
        else:
            self._refused(parent, call_id, error)

    def _known(self, call_id: UUID) -> None:
        with self._lock:
            wanted = self._wanted[call_id]
            wanted.unopened -= 1
            if not wanted.unopened and not wanted.answers:
                del self._wanted[call_id]

    def _refused(self, parent: Execution, call_id: UUID, error: BaseException) -> None:
        if isinstance(error, FenceLostError):
            parent.cancel(ending=True)
        for answer in self._take(call_id):
            answer.fail(error)

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
        if not outcome.state.final:
            return
        with self._lock:
            wanted = self._wanted.get(outcome.id)
            if wanted is None or wanted.unopened:
                return  # that was an earlier one; what becomes of this one comes with its record
            streamed = bool(wanted.feeds)
        if streamed and outcome.failure is not None:
            # What it gave before it failed is to be read first, and all of it.
            self._read(outcome.id, then=lambda: self._settle(outcome))
        else:
            self._settle(outcome)

    def _settle(self, outcome: Outcome) -> None:
        for answer in self._take(outcome.id):
            answer.settle(outcome)

    def _add(self, call_id: UUID, answer: Answer, feed: Feed | None) -> _Wanted:
        wanted = self._wanted.get(call_id)
        if wanted is None:
            wanted = self._wanted[call_id] = _Wanted()
        wanted.answers += (answer,)
        if feed is not None:
            wanted.feeds += (feed,)
        return wanted

    def _take(self, call_id: UUID) -> tuple[Answer, ...]:
        with self._lock:
            wanted = self._wanted.get(call_id)
            if wanted is None:
                return ()
            answers, wanted.answers, wanted.feeds = wanted.answers, (), ()
            if not wanted.unopened:
                del self._wanted[call_id]
            return answers

    def _next(self, ended: Answer) -> None:
        """One of its kind is under way no more: start the one that waits longest."""
        limit = ended.limit
        with self._lock:
            postponed = self._postponed.get(limit)
            if not postponed:
                self._under_way[limit] -= 1
                return
            parent, call, large = postponed.popleft()
        self._start(parent, call, large)


class _Wanted:
    """What is known here of a call that somebody waits for, or that is about to be recorded."""

    __slots__ = ("answers", "feeds", "unopened")

    def __init__(self) -> None:
        self.answers: tuple[Answer, ...] = ()
        self.feeds: tuple[Feed, ...] = ()
        self.unopened = 0
