"""What a caller has read of a streaming call, and what is still to come."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Collection, Sequence
from concurrent.futures import Future, InvalidStateError

from chainlets.endpoint import Piece, piece_from_json
from chainlets.errors import ChainsRuntimeError
from chainlets.runtime.store import Output


class Feed:
    """Pieces in order, each once, fed by the engine's threads and read by one consumer.

    A callee that is tried again streams from its beginning. What it repeats is left out, as long
    as it repeats it exactly; if it says something else, the consumer has read what no longer holds.
    """

    def __init__(self, chainlet: str) -> None:
        self._chainlet = chainlet
        self._lock = threading.Lock()
        self._given: list[Piece] = []
        self._waiting: deque[Piece] = deque()
        self._ended = False
        self._error: BaseException | None = None
        self._wake: Future[None] | None = None
        self.seq = 0

    def feed(self, outputs: Collection[Output]) -> None:
        """Take pieces as they were recorded; those seen before change nothing."""
        with self._lock:
            for output in outputs:
                if output.seq > self.seq:
                    self.seq = output.seq
                    self._take(output.index, piece_from_json(output.piece))
            self._notify()

    def end(self, pieces: Sequence[Piece]) -> None:
        """The call succeeded with these pieces in all."""
        with self._lock:
            for index, piece in enumerate(pieces):
                self._take(index, piece)
            self._ended = True
            self._notify()

    def fail(self, error: BaseException) -> None:
        """The call failed; what was given before can still be read."""
        with self._lock:
            self._error = self._error or error
            self._ended = True
            self._notify()

    async def next(self, timeout_s: float | None) -> Piece:
        """The next piece, once it is there.

        Raises:
            StopAsyncIteration: there are no more.
            TimeoutError: none came for `timeout_s` seconds.
            BaseException: what the call failed with.
        """
        while True:
            with self._lock:
                if self._waiting:
                    return self._waiting.popleft()
                if self._error is not None:
                    raise self._error
                if self._ended:
                    raise StopAsyncIteration
                wake = self._wake = Future()
            try:
                async with asyncio.timeout(timeout_s):
                    await asyncio.wrap_future(wake)
            except TimeoutError:
                msg = f"`{self._chainlet}` sent nothing for {timeout_s} seconds. See `ChainletOptions(streaming_read_timeout=…)`."
                raise TimeoutError(msg) from None

    def drain(self) -> list[Piece]:
        """All pieces that are there now.

        Raises:
            BaseException: there are none, and the stream has broken.
        """
        with self._lock:
            if not self._waiting and self._error is not None:
                raise self._error
            pieces = list(self._waiting)
            self._waiting.clear()
            return pieces

    @property
    def idle(self) -> bool:
        """Nothing is there to be read at this moment."""
        with self._lock:
            return not self._waiting and not self._ended

    def _take(self, index: int, piece: Piece) -> None:
        if index == len(self._given):
            self._given.append(piece)
            self._waiting.append(piece)
        elif index < len(self._given) and self._given[index] != piece and self._error is None:
            msg = (
                f"`{self._chainlet}` was tried again in the middle of its stream, and piece {index} is not what it was "
                f"before. Call it again from the beginning."
            )
            self._error = ChainsRuntimeError(msg)

    def _notify(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None:
            try:
                wake.set_result(None)
            except InvalidStateError:
                return  # the consumer was cancelled
