"""One attempt of one invocation, from the author's code's point of view."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from chainlets.context import CallInfo, current_call
from chainlets.endpoint import Endpoint, Piece, piece_to_json
from chainlets.errors import ChainsRuntimeError
from chainlets.files import FileStore, use_file_store
from chainlets.runtime.answer import Answer
from chainlets.runtime.committer import Committer
from chainlets.runtime.containment import contained
from chainlets.runtime.store import Claim, Outcome

log = logging.getLogger("chainlets.call")

_PROGRESS_EVERY_S = 0.2
_UNRECORDED_PIECES = 32  # pieces of a stream that may be ahead of the store
_MOST_STREAMED = 16 * 1024**2  # bytes that a stream may give in all; they are kept as its result

current_execution: ContextVar[Execution | None] = ContextVar("chainlets_current_execution", default=None)


class Execution:
    """What `chainlets.context` and the stubs act on while a chainlet runs.

    Attributes:
        ending: it was handed back or cut off; calls it made go on and are joined by the next attempt.
        pieces: how many it has streamed.
    """

    def __init__(
        self,
        *,
        claim: Claim,
        committer: Committer,
        files: FileStore,
        scratch: Path,
        worker: str,
        on_wait: Callable[[], None],
    ) -> None:
        self.claim = claim
        self.ending = False
        self.files = files
        self.pieces = 0
        self._committer = committer
        self._scratches = scratch
        self._scratch: Path | None = None
        self._over = False
        self._worker = worker
        self._on_wait = on_wait
        self._waited = False
        self._cancelled = False
        self._task: asyncio.Task[Any] | None = None
        self._lock = threading.Lock()
        self._blocking: set[Answer] = set()
        self._occurrences: Counter[tuple[str, str]] = Counter()
        self._progress_at = 0.0
        self._progress_held: dict[str, Any] | None = None

    @property
    def info(self) -> CallInfo:
        """Which call it is."""
        return CallInfo(
            run_id=str(self.claim.run_id),
            chain=self.claim.chain,
            chainlet=self.claim.chainlet,
            invocation_id=str(self.claim.fence.invocation_id),
            attempt=self.claim.fence.attempt,
            worker=self._worker,
        )

    def log(self, level: str, message: str, fields: dict[str, Any]) -> None:
        """Keep a line with the invocation, and write it to the worker's log."""
        where = f"{self.claim.chain}.{self.claim.chainlet}"
        log.log(logging.getLevelNamesMapping()[level.upper()], "%s: %s %s", where, message, fields or "")
        self._event("log", {"level": level, "message": message, "fields": fields})

    def blocked(self, data: dict[str, Any]) -> None:
        """Note that the author's code blocked the event loop it runs on."""
        self._event("invocation.blocked", {"attempt": self.claim.fence.attempt, **data})

    def emit(self, data: dict[str, Any]) -> None:
        """Publish a partial result."""
        self._event("partial", data)

    def progress(self, done: float, total: float, message: str) -> None:
        """Publish how far the call is, at most five times a second; the last one is never lost."""
        data = {"done": done, "total": total, "message": message}
        with self._lock:
            now = time.monotonic()
            if now - self._progress_at < _PROGRESS_EVERY_S:
                self._progress_held = data
                return
            self._progress_at, self._progress_held = now, None
        self._event("progress", data)

    def warn(self, message: str) -> None:
        """Publish a sentence for the person who started the run."""
        self._event("warning", {"message": message})

    def cancelled(self) -> bool:
        """Whether the result is no longer wanted."""
        return self._cancelled

    def scratch_dir(self) -> Path:
        """A private folder, removed after the call."""
        if self._scratch is None:
            fence = self.claim.fence
            self._scratch = self._scratches / f"{fence.invocation_id}-{fence.attempt}"
            self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch

    def waits(self) -> None:
        """The author's code waits for a dependency: from now on it holds no slot."""
        with self._lock:
            if self._waited:
                return
            self._waited = True
        fence = self.claim.fence
        self._committer.hand_over(lambda store: store.wait(fence=fence), (fence.invocation_id,))
        self._on_wait()

    @property
    def waiting(self) -> bool:
        """It has begun to wait for a dependency."""
        return self._waited

    def occurrence(self, chainlet: str, digest: str) -> int:
        """How often this attempt has made the same call before."""
        with self._lock:
            count = self._occurrences[chainlet, digest]
            self._occurrences[chainlet, digest] += 1
            return count

    @property
    def called(self) -> bool:
        """It has called a dependency."""
        return bool(self._occurrences)

    def cancel(self, *, ending: bool) -> None:
        """Stop the author's code: at its next `await`, or when it asks `cancelled()`.

        Args:
            ending: leave the calls it made alone, because another attempt will join them.
        """
        self.ending = self.ending or ending
        self._cancelled = True
        task = self._task
        if task is not None:
            task.get_loop().call_soon_threadsafe(task.cancel)
        with self._lock:
            blocking = list(self._blocking)
        for answer in blocking:
            answer.cancel()

    def end(self) -> bool:
        """Whether this is the first to say how it ended: the author's code, or the clock."""
        with self._lock:
            first, self._over = not self._over, True
        return first

    def block_on(self, answer: Answer) -> Outcome:
        """Wait on this thread for a call's outcome.

        Raises:
            asyncio.CancelledError: the execution was cancelled meanwhile.
        """
        with self._lock:
            self._blocking.add(answer)
        if self._cancelled:
            answer.cancel()
        try:
            return answer.wait()
        finally:
            with self._lock:
                self._blocking.discard(answer)

    async def run_async(self, method: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Await an async method; called on a user loop.

        Raises:
            TimeoutError: it took longer than its caller allows.
        """
        return await self._within_limit(lambda: method(**arguments))

    async def run_stream(
        self, endpoint: Endpoint, method: Callable[..., Any], arguments: Mapping[str, Any]
    ) -> list[Piece]:
        """Iterate a streaming method and record each piece as it comes; called on a user loop.

        Raises:
            TimeoutError: it took longer than its caller allows.
            ChainsUsageError: it yielded something that is no piece.
        """

        async def iterate() -> list[Piece]:
            given: list[Piece] = []
            unrecorded: deque[Future[None]] = deque()
            size = 0
            async for piece in method(**arguments):
                given.append(endpoint.check_piece(piece, chainlet=self.claim.chainlet))
                size += len(piece)
                if size > _MOST_STREAMED:
                    msg = f"`{self.claim.chainlet}` streamed more than {_MOST_STREAMED >> 20} MB. Write a `chains.File` and return that."
                    raise ChainsRuntimeError(msg)
                unrecorded.append(self._output(piece))
                if len(unrecorded) >= _UNRECORDED_PIECES:
                    await asyncio.wrap_future(unrecorded.popleft())
            return given

        result: list[Piece] = await self._within_limit(iterate)
        return result

    async def _within_limit(self, start: Callable[[], Any]) -> Any:
        self._task = asyncio.current_task()
        if self._cancelled:
            raise asyncio.CancelledError
        with contained(self.claim.chainlet), self._entered():
            limit = asyncio.timeout(self.claim.timeout_s)
            try:
                async with limit:
                    return await start()
            except TimeoutError as error:
                if limit.expired():
                    raise TimeoutError(self.timeout_message) from error
                raise

    def _output(self, piece: Piece) -> Future[None]:
        fence, index, data = self.claim.fence, self.pieces, piece_to_json(piece)
        self.pieces += 1
        return self._committer.submit(
            lambda store: store.output(fence=fence, index=index, piece=data), about=(fence.invocation_id,)
        )

    def run_sync(self, method: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call a sync method; called on a thread of its own."""
        context = contextvars.Context()
        return context.run(self._run_sync, method, arguments)

    @property
    def timeout_message(self) -> str:
        """What a caller reads when the time is up."""
        return (
            f"Timeout calling remote Chainlet `{self.claim.chainlet}` ({self.claim.timeout_s} seconds limit)."
        )

    def close(self) -> None:
        """Publish the last progress and remove the scratch folder."""
        with self._lock:
            held, self._progress_held = self._progress_held, None
        if held is not None:
            self._event("progress", held)
        if self._scratch is not None:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self._scratch)

    def _run_sync(self, method: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        with contained(self.claim.chainlet), self._entered():
            return method(**arguments)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        call = current_call.set(self)
        execution = current_execution.set(self)
        try:
            with use_file_store(self.files):
                yield
        finally:
            current_execution.reset(execution)
            current_call.reset(call)

    def _event(self, kind: str, data: dict[str, Any]) -> None:
        fence = self.claim.fence
        self._committer.hand_over(
            lambda store: store.append(fence=fence, type=kind, data=data), (fence.invocation_id,)
        )
