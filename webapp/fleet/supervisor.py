"""Runs the whole system as one: broker first, then everything else, until told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Sequence

from webapp.fleet.child import Child, GivenUp, Role
from webapp.fleet.console import Console

GRACE = 20.0  # seconds for web and workers to finish or hand back, after which they are killed
BROKER_GRACE = 10.0  # seconds for the broker to write its log

# What to do once everything is asked to start: returns an exit code to stop with, or None to go on serving.
Main = Callable[["Supervisor"], Coroutine[None, None, int | None]]


class Supervisor:
    """Keeps processes alive and stops them in order.

    `foundation` (the broker) is ready before the others start and is stopped after them.
    """

    def __init__(self, *, foundation: Sequence[Role], roles: Sequence[Role], console: Console) -> None:
        self.console = console
        self._foundation = [Child(role=role, console=console) for role in foundation]
        self._children = [Child(role=role, console=console) for role in roles]
        self._stop = asyncio.Event()
        self._interrupts = 0

    async def run(self, main: Main) -> int:
        """Start everything, do `main`, serve until a signal comes; returns the exit code."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self._interrupted)
        stopped = asyncio.create_task(self._stop.wait())
        lives = [asyncio.create_task(child.keep_alive()) for child in self._foundation]
        lives += [asyncio.create_task(self._follow(child)) for child in self._children]
        work = asyncio.create_task(main(self))
        last_word = ""
        try:
            return await self._until_over(stopped=stopped, lives=lives, work=work)
        except GivenUp as reason:
            last_word = f"chainlets: {reason}"
            return 1
        finally:
            work.cancel()
            self.console.end_progress()
            await self._stop_all()
            for task in (work, stopped, *lives):
                task.cancel()
            await asyncio.gather(work, stopped, *lives, return_exceptions=True)
            if last_word:
                self.console.say(last_word)  # below what the others said when they stopped

    async def _until_over(
        self, *, stopped: asyncio.Task[bool], lives: list[asyncio.Task[None]], work: asyncio.Task[int | None]
    ) -> int:
        while True:
            watched = [stopped, *lives, *([work] if not work.done() else [])]
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                return 0
            for life in lives:
                if life.done():
                    life.result()  # a child only ends by itself when it has given up
            if work.done() and (code := work.result()) is not None:
                return code

    async def ready(self, *names: str) -> None:
        """Wait until the named processes are ready; without names, all of them."""
        wanted = [child for child in self._children if not names or child.role.name in names]
        await asyncio.gather(*(child.ready.wait() for child in wanted))

    async def _follow(self, child: Child) -> None:
        await asyncio.gather(*(base.ready.wait() for base in self._foundation))
        await child.keep_alive()

    def _interrupted(self) -> None:
        self._interrupts += 1
        if self._interrupts == 1:
            self.console.end_progress()
            self.console.say("chainlets: stopping; press Ctrl-C again to stop at once")
            self._stop.set()
        else:
            for child in self._children:
                child.send(signal.SIGKILL)

    async def _stop_all(self) -> None:
        await self._end(self._children, GRACE)
        await self._end(self._foundation, BROKER_GRACE)

    async def _end(self, children: Sequence[Child], grace: float) -> None:
        for child in children:
            child.send(signal.SIGTERM)
        ended = asyncio.gather(*(child.ended() for child in children))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ended), grace)
        for child in children:
            if child.running:
                self.console.say(
                    f"chainlets: {child.role.name} did not stop within {grace:.0f} s and is killed"
                )
                child.send(signal.SIGKILL)
        await ended
