"""One attempt of one invocation, from the author's code's point of view."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from chainlets.chainlet import ChainletBase
from chainlets.context import current_call
from chainlets.files import FileStore, use_file_store
from chainlets.runtime.committer import Committer
from chainlets.runtime.store import Claim

T = TypeVar("T")

_PROGRESS_EVERY_S = 0.2

current_execution: ContextVar[Execution | None] = ContextVar("chainlets_current_execution", default=None)


class Execution:
    """What `chainlets.context` and the stubs act on while a chainlet runs.

    Attributes:
        ending: it was handed back or cut off; calls it made go on and are joined by the next attempt.
    """

    def __init__(
        self,
        *,
        claim: Claim,
        committer: Committer,
        files: FileStore,
        scratch: Path,
        on_wait: Sequence[Callable[[], None]],
    ) -> None:
        self.claim = claim
        self.ending = False
        self._committer = committer
        self._files = files
        self._scratch = scratch
        self._on_wait = on_wait
        self._waited = False
        self._cancelled = False
        self._task: asyncio.Task[Any] | None = None
        self._lock = threading.Lock()
        self._blocking: set[Future[Any]] = set()
        self._occurrences: Counter[tuple[str, str]] = Counter()
        self._progress_at = 0.0
        self._progress_held: dict[str, Any] | None = None

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
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch

    def waits(self) -> None:
        """The author's code waits for a dependency: from now on it holds no slot."""
        with self._lock:
            if self._waited:
                return
            self._waited = True
        fence = self.claim.fence
        self._committer.submit(lambda store: store.wait(fence=fence))
        for tell in self._on_wait:
            tell()

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
        for future in blocking:
            future.cancel()

    def block_on(self, future: Future[T]) -> T:
        """Wait on this thread for a call's outcome.

        Raises:
            asyncio.CancelledError: the execution was cancelled meanwhile.
        """
        with self._lock:
            self._blocking.add(future)
        if self._cancelled:
            future.cancel()
        try:
            return future.result()
        except CancelledError:
            raise asyncio.CancelledError from None
        finally:
            with self._lock:
                self._blocking.discard(future)

    async def run_async(self, instance: ChainletBase, arguments: Mapping[str, Any]) -> Any:
        """Await an async `run_remote`; called on a user loop.

        Raises:
            TimeoutError: it took longer than its caller allows.
        """
        self._task = asyncio.current_task()
        if self._cancelled:
            raise asyncio.CancelledError
        with self._entered():
            limit = asyncio.timeout(self.claim.timeout_s)
            try:
                async with limit:
                    return await instance.run_remote(**arguments)  # type: ignore[attr-defined]  # checked by describe()
            except TimeoutError as error:
                if limit.expired():
                    raise TimeoutError(self.timeout_message) from error
                raise

    def run_sync(self, instance: ChainletBase, arguments: Mapping[str, Any]) -> Any:
        """Call a sync `run_remote`; called on a thread of its own."""
        context = contextvars.Context()
        return context.run(self._run_sync, instance, arguments)

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
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._scratch)

    def _run_sync(self, instance: ChainletBase, arguments: Mapping[str, Any]) -> Any:
        with self._entered():
            return instance.run_remote(**arguments)  # type: ignore[attr-defined]  # checked by describe()

    @contextmanager
    def _entered(self) -> Iterator[None]:
        call = current_call.set(self)
        execution = current_execution.set(self)
        try:
            with use_file_store(self._files):
                yield
        finally:
            current_execution.reset(execution)
            current_call.reset(call)

    def _event(self, kind: str, data: dict[str, Any]) -> None:
        fence = self.claim.fence
        self._committer.submit(lambda store: store.append(fence=fence, type=kind, data=data))
