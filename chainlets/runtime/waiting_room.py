"""Where bells wait for a slot of their replica, and which of them are given to other workers.

A worker takes bells while it has slots of its own, and only then sees that the replica one of them
is for has none. If it kept them all, other workers would find nothing to do. So it keeps as many as
it needs to go on without a pause, and puts the others back into their queue:

- after a moment if it could take more bells than there are, for then others may be idle;
- after a longer one if it takes all it can, for then its queue may be long, and others have plenty.
  What it puts back goes to the queue's other end, so calls of other chainlets get their turn.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

#: Seconds that a bell waits before it is given to others who may be idle.
MOMENT_S = 0.1
#: Seconds that a bell waits at most.
LONGEST_S = 1.0


def may_stay(*, waited_s: float, ahead: int, slots: int, crowded: bool) -> bool:
    """Whether a bell goes on waiting.

    Args:
        waited_s: for how long it has waited.
        ahead: bells that wait for the same replica and came earlier.
        slots: calls that the replica executes at a time.
        crowded: the worker holds as many bells as it may.
    """
    return waited_s < (LONGEST_S if crowded or ahead < slots else MOMENT_S)


class WaitingRoom:
    """Lines of bells, one for each replica; used on the engine's loop only."""

    def __init__(self) -> None:
        self.crowded: Callable[[], bool] = lambda: False
        self._lines: defaultdict[asyncio.Semaphore, list[object]] = defaultdict(list)
        self._closed = False

    def close(self) -> None:
        """Let all who wait go elsewhere within a moment."""
        self._closed = True

    async def wait(self, slots: asyncio.Semaphore, *, size: int) -> bool:
        """Take one of a replica's slots; False if it is not to be had here in good time.

        Args:
            slots: the replica's.
            size: how many it has in all.
        """
        loop = asyncio.get_running_loop()
        line, me, came = self._lines[slots], object(), loop.time()
        line.append(me)
        taking = asyncio.ensure_future(slots.acquire())
        try:
            while True:
                await asyncio.wait([taking], timeout=MOMENT_S)
                if taking.done():
                    return taking.result()
                waited_s = loop.time() - came
                if self._closed or not may_stay(
                    waited_s=waited_s, ahead=line.index(me), slots=size, crowded=self.crowded()
                ):
                    return not await _withdrawn(taking)
        finally:
            line.remove(me)
            if not line:
                del self._lines[slots]


async def _withdrawn(taking: asyncio.Future[Any]) -> bool:
    """Stop waiting for a slot; False if it was there at the last moment."""
    taking.cancel()
    await asyncio.wait([taking])
    return taking.cancelled()
