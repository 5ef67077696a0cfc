"""Makes room in a worker for one more replica: who is in use, what each takes, who has to go."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from chainlets.config import Compute
from chainlets.runtime.measuring import Machine
from chainlets.runtime.room import Kept, Key, Memory, need_of, next_to_drop


class Use:
    """Who uses a replica, those included who wait for a slot or for calls of their own. For any thread."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self._users = 0
        self._retired = False
        self._lock = threading.Lock()

    def begin(self) -> bool:
        """One more uses it; False if it was let go and another must be built."""
        with self._lock:
            self._users += not self._retired
            return not self._retired

    def end(self) -> None:
        """One uses it no more."""
        with self._lock:
            self._users -= 1
            self.last = time.monotonic()

    def retire(self) -> bool:
        """Let nobody use it any more; False if somebody does."""
        with self._lock:
            self._retired = self._retired or not self._users
            return self._retired

    @property
    def idle(self) -> bool:
        """Whether nobody uses it."""
        return not self._users


class Space:
    """What the replicas of a worker take. But for `measured`, for the engine's loop only."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._measured: dict[Key, Memory] = {}
        self._one_by_one = asyncio.Lock()

    def need(self, key: Key, compute: Compute) -> Memory:
        """What a replica takes, as far as is known."""
        measured = self._measured.get(key, Memory())
        return need_of(compute, measured=measured, limit=self._machine.limit())

    async def make(
        self,
        need: Memory,
        *,
        kept: Callable[[], Collection[Kept]],
        drop: Callable[[Key], Awaitable[None]],
        threads: Executor,
    ) -> None:
        """Let idle replicas go until one more fits, or none is left that helps: then it is tried all the same."""
        if need == Memory():
            return
        loop = asyncio.get_running_loop()
        async with self._one_by_one:
            while True:
                free = await loop.run_in_executor(threads, self._machine.free)
                found = next_to_drop(need, limit=self._machine.limit(), free=free, kept=kept())
                if found is None:
                    return
                await drop(found)

    @contextmanager
    def measured(self, key: Key) -> Iterator[None]:
        """Note what building a replica inside this block takes. Another one that is built meanwhile blurs it."""
        before = self._machine.taken()
        yield
        grown = self._machine.taken().minus(before)
        self._measured[key] = Memory(main=max(grown.main, 0), gpu=max(grown.gpu, 0))
