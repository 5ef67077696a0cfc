"""One process that the supervisor keeps alive."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from webapp.fleet.console import Console

CONFIGURATION_FAULT = 78  # EX_CONFIG: starting again would not help
EARLY_DEATHS = 5  # deaths in a row before a process was ever ready, after which we stop trying
STEADY_AFTER = 30.0  # seconds of life after which earlier deaths are forgotten
_LINE_LIMIT = 8192  # bytes of a log line that are shown
_PR_SET_PDEATHSIG = 1


class GivenUp(Exception):
    """A process cannot be kept alive. The message says what it said last."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a supervised process is."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)  # on top of our own
    ready_line: str = ""  # it is ready once it has written this line,
    ready_check: Callable[[], Awaitable[bool]] | None = None  # or once this says so; without both, at once
    muted: tuple[str, ...] = ()  # lines with one of these words are not shown
    pass_fds: tuple[int, ...] = ()
    orphan_signal: signal.Signals = signal.SIGKILL  # sent by the system if the supervisor dies


def restart_delay(deaths: int) -> float:
    """Seconds to wait before the next start, after this many deaths in a row: 0.2, 0.4 … 15."""
    return min(0.2 * 2.0 ** min(deaths - 1, 10), 15.0)


class Child:
    """Starts a role's process, passes its lines on, and starts it again when it dies."""

    def __init__(self, *, role: Role, console: Console) -> None:
        self.role = role
        self.ready = asyncio.Event()
        self._console = console
        self._process: asyncio.subprocess.Process | None = None
        self._stop = asyncio.Event()
        self._last_line = ""

    async def keep_alive(self) -> None:
        """Run until stopped; raises GivenUp if that makes no sense any more."""
        deaths = 0
        while not self._stop.is_set():
            started = time.monotonic()
            code = await self._live_once()
            if self._stop.is_set():
                return
            if code == CONFIGURATION_FAULT:
                raise GivenUp(self._last_line or f"{self.role.name} cannot work with these settings.")
            deaths = 1 if time.monotonic() - started > STEADY_AFTER else deaths + 1
            if deaths >= EARLY_DEATHS and not self.ready.is_set():
                raise GivenUp(
                    f"{self.role.name} ended {deaths} times before it was ready. Its last words are above."
                )
            delay = restart_delay(deaths)
            how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
            self._console.line(self.role.name, f"{how}; starting it again in {delay:.1f} s")
            await asyncio.sleep(delay)

    def send(self, signum: signal.Signals) -> None:
        """Ask the process to stop, in the way the signal says; it is not started again."""
        self._stop.set()
        if self._process and self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signum)

    @property
    def running(self) -> bool:
        """Whether its process exists."""
        return self._process is not None and self._process.returncode is None

    async def ended(self) -> None:
        """Wait until its process, if there is one, exists no more."""
        if self._process is not None:
            await self._process.wait()

    async def _live_once(self) -> int:
        process = self._process = await asyncio.create_subprocess_exec(
            *self.role.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.role.env},
            pass_fds=self.role.pass_fds,
            start_new_session=True,  # a Ctrl-C is for the supervisor, which passes it on in order
            preexec_fn=_bound_to_parent(self.role.orphan_signal),
        )
        if self._stop.is_set():
            self.send(signal.SIGTERM)
        watch = asyncio.create_task(self._watch_readiness())
        try:
            assert process.stdout is not None
            async for line in _lines(process.stdout):
                if line == self.role.ready_line:
                    self.ready.set()
                if line and not any(word in line for word in self.role.muted):
                    self._last_line = line
                    self._console.line(self.role.name, line)
            return await process.wait()
        finally:
            watch.cancel()

    async def _watch_readiness(self) -> None:
        if self.role.ready_check is not None:
            while not await self.role.ready_check():  # noqa: ASYNC110 (it asks another program)
                await asyncio.sleep(0.05)
        elif self.role.ready_line:
            return
        self.ready.set()


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines as text; an endless one is cut, not waited for."""
    rest = b""
    while chunk := await stream.read(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE_LIMIT:
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield line[:_LINE_LIMIT].decode(errors="replace").rstrip()
    if rest:
        yield rest.decode(errors="replace").rstrip()


def _bound_to_parent(signum: signal.Signals) -> Callable[[], None] | None:
    """What a new process runs first, so that the system ends it together with the supervisor."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: the child should do as little as possible
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
