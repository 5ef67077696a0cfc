"""One thread that talks to the run store, many operations to a transaction.

Executing code hands operations over and goes on; results come back as futures. Operations run
in the order they were given, so an event emitted before a result is recorded before it.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, InvalidStateError
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from chainlets.errors import StoreUnavailable
from chainlets.runtime.crash_points import crash_point
from chainlets.runtime.store import FenceLostError, RunStore

log = logging.getLogger(__name__)
T = TypeVar("T")
#: Called with an operation's result, or with None and what it failed with.
Then = Callable[[Any, BaseException | None], None]

_RETRY_S = 0.5
_PATIENCE_S = 0.005


class _Operation(NamedTuple):
    run: Callable[[RunStore], Any]
    about: Collection[UUID]
    then: Then
    patient: bool = False


_WAKE = _Operation(run=lambda _: None, about=(), then=lambda _, __: None)


class Committer:
    """Group commits for one process."""

    def __init__(self, store: RunStore, *, batch: int) -> None:
        self._store = store
        self._most = batch
        self._waiting: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._urgent: deque[_Operation] = deque()
        self._thread = threading.Thread(target=self._work, name="chainlets-committer", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Finish what was handed over, for at most `timeout_s` seconds."""
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def submit(
        self, operation: Callable[[RunStore], T], *, about: Collection[UUID] = (), urgent: bool = False
    ) -> Future[T]:
        """Hand over an operation; its future is done once its transaction is committed.

        `about` names the invocations that it works on, so that the store reads those of a whole
        batch at once.

        An operation whose transaction failed because the store is away is tried again until it is
        back. It may therefore run several times, but its effects are committed once. An `urgent` one
        is part of the next transaction, however many wait: leases must not run out behind a queue.
        """
        future: Future[T] = Future()

        def then(result: Any, error: BaseException | None) -> None:
            with contextlib.suppress(InvalidStateError):  # whoever asked has gone
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)

        if urgent:
            self._urgent.append(_Operation(operation, about, then))
            self._waiting.put(_WAKE)
        else:
            self.hand_over(operation, about, then)
        return future

    def hand_over(
        self,
        operation: Callable[[RunStore], Any],
        about: Collection[UUID],
        then: Then = lambda _, __: None,
        *,
        patient: bool = False,
    ) -> None:
        """As `submit`, but `then` hears of it, on this committer's thread: it must be short and must not raise.

        Nobody waits for a `patient` one to be recorded. So it may wait a few milliseconds for another
        that will soon follow, and be part of the same transaction.
        """
        self._waiting.put(_Operation(operation, about, then, patient))

    def _work(self) -> None:
        stopping = False
        while not stopping:
            taken = self._gather()
            stopping = taken[-1] is None
            urgent = [self._urgent.popleft() for _ in range(len(self._urgent))]
            batch = urgent + [one for one in taken if one is not None and one is not _WAKE]
            if batch:
                self._commit(batch)

    def _gather(self) -> list[_Operation | None]:
        """What is to be one transaction; None at its end says that it is the last."""
        following = self._waiting.get()
        until = time.monotonic() + _PATIENCE_S
        taken, patient = [following], True
        while following is not None and len(taken) < self._most:
            patient = patient and following.patient
            left = until - time.monotonic() if patient else 0.0
            try:
                following = self._waiting.get(timeout=left) if left > 0 else self._waiting.get_nowait()
            except queue.Empty:
                break
            taken.append(following)
        return taken

    def _commit(self, batch: list[_Operation]) -> None:
        while True:
            try:
                with self._store.atomic({id for operation in batch for id in operation.about}):
                    results = [self._run(operation) for operation in batch]
                    crash_point("transaction.open")
            except StoreUnavailable as error:
                log.warning("The database is away, trying again: %s", error)
                time.sleep(_RETRY_S)
            except Exception as error:  # noqa: BLE001 (it belongs to one operation's caller)
                if len(batch) > 1:
                    for operation in batch:
                        self._commit([operation])
                else:
                    _tell(batch[0], None, error)
                return
            else:
                crash_point("transaction.committed")
                for operation, result in zip(batch, results, strict=True):
                    lost = result if isinstance(result, FenceLostError) else None
                    _tell(operation, result if lost is None else None, lost)
                return

    def _run(self, operation: _Operation) -> Any:
        try:
            return operation.run(self._store)
        except FenceLostError as lost:
            return lost  # it has changed nothing, so the others need not suffer


def _tell(operation: _Operation, result: Any, error: BaseException | None) -> None:
    try:
        operation.then(result, error)
    except Exception:
        log.exception("What follows an operation failed")
