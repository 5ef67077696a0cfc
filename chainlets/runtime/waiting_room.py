"""Where bells wait for a slot of their replica, and which of them are given to other workers.

A worker takes bells while it has slots of its own, and only then sees that the replica one of them
is for has none. If it kept them all, other workers would find nothing to do. So it keeps as many as
it needs to go on without a pause, and puts the others back into their queue:

- after a moment if it could take more bells than there are, for then others may be idle;
- after a longer one if it takes all it can, for then its queue may be long, and others have plenty.
  What it puts back goes to the queue's other end, so calls of other chainlets get their turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from chainlets.runtime.replicas import Slots

#: Seconds that a bell waits before it is given to others who may be idle.
MOMENT_S = 0.1
#: Seconds that those wait that are the next in turn. The broker gives a bell to the worker that has asked
#: for the longest time, and each asks anew every second: what is put back late comes back to its sender.
NEXT_S = 0.25
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
    if crowded:
        return waited_s < LONGEST_S
    return waited_s < (NEXT_S if ahead < slots else MOMENT_S)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A bell in the line of a replica's slots.

    Attributes:
        slots: the replica's.
        size: how many those are.
        then: what the slots call when its turn comes.
        leave: called when it waits no longer and will have no slot here.
        came_at: when it came, by the monotonic clock.
    """

    slots: Slots
    size: int
    then: Callable[[], None]
    leave: Callable[[], None]
    came_at: float


class WaitingRoom:
    """The bells of a worker that wait for a slot. Entered from any thread, swept by one."""

    def __init__(self) -> None:
        self.crowded: Callable[[], bool] = lambda: False
        self._waiting: deque[Waiting] = deque()
        self._closed = False

    def enter(self, waiting: Waiting) -> None:
        """Wait; whoever has its turn need not say goodbye."""
        self._waiting.append(waiting)

    def close(self) -> None:
        """Let all who wait go elsewhere with the next sweep."""
        self._closed = True

    def sweep(self, now: float) -> None:
        """Send away who has waited long enough."""
        for _ in range(len(self._waiting)):
            waiting = self._waiting.popleft()
            ahead = waiting.slots.ahead_of(waiting.then)
            if ahead is None:
                continue
            stays = not self._closed and may_stay(
                waited_s=now - waiting.came_at, ahead=ahead, slots=waiting.size, crowded=self.crowded()
            )
            if stays:
                self._waiting.append(waiting)
            elif waiting.slots.withdraw(waiting.then):
                waiting.leave()
