"""What one machine runs: the list of processes, and the order in which they come up."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from django.conf import settings

from chainlets.runtime.gpus import gpus
from webapp import env
from webapp.catalog.services import loaded_chains
from webapp.fleet.broker import EmbeddedBroker
from webapp.fleet.child import Role
from webapp.fleet.console import Console
from webapp.fleet.demo import SAMPLE, DemoFailed, short_lived_key, transcribe
from webapp.fleet.preflight import StartRefused, listen, lock_data_dir, prepare_data_dir
from webapp.fleet.prepare import prepare_database
from webapp.fleet.seats import Seat, seats
from webapp.fleet.supervisor import Supervisor

READY = "ready"  # what a worker writes on a line of its own once it takes work
_GOODBYE = ("Warm shutdown",)  # said by each worker at every normal end


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The recording to transcribe as soon as the system is up."""

    audio: Path
    once: bool

    @classmethod
    def wished(cls, *, audio: Path | None, once: bool) -> Self:
        """What the command line asks for; refuses a file that cannot be read before anything starts."""
        path = (audio or SAMPLE).expanduser().absolute()
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            reason = (error.strerror or "it cannot be read").lower()
            raise StartRefused(f"The recording {path} cannot be opened: {reason}.") from error
        return cls(audio=path, once=once)


@dataclass(frozen=True, kw_only=True)
class System:
    """Everything that `manage.py up` starts on one machine."""

    host: str
    port: int
    data_dir: Path
    demo: Demo | None = None

    async def run(self) -> int:
        """Start, serve until told to stop, and return the exit code.

        Raises:
            StartRefused: something that must be so is not; nothing was left running.
        """
        prepare_data_dir(self.data_dir)
        with listen(host=self.host, port=self.port) as sock:
            lock = lock_data_dir(self.data_dir)
            lock.describe(f"process {os.getpid()}, {self._url}")
            try:
                return await self._run(listening_fd=sock.fileno(), lock_fd=lock.fd)
            finally:
                lock.release()

    async def _run(self, *, listening_fd: int, lock_fd: int) -> int:
        console = Console()
        login = await asyncio.to_thread(prepare_database, url=self._url)
        if login:
            console.say(login)
        broker = None if env.secret("REDIS_URL") else EmbeddedBroker(data_dir=self.data_dir, lock_fd=lock_fd)
        supervisor = Supervisor(
            foundation=[broker.role] if broker else [],
            roles=self._roles(listening_fd=listening_fd, shared={"REDIS_URL": broker.url} if broker else {}),
            console=console,
        )
        try:
            return await supervisor.run(self._main)
        finally:
            if broker:
                broker.remove_socket()

    async def _main(self, supervisor: Supervisor) -> int | None:
        if self.demo:
            try:
                await self._transcribe(self.demo, supervisor.console)
            except DemoFailed as error:
                supervisor.console.say(f"chainlets: {error}")
                if self.demo.once:
                    return 1
            else:
                if self.demo.once:
                    return 0
        await supervisor.ready()
        supervisor.console.say(
            f"chainlets: ready. Open {self._url} and log in as admin; Ctrl-C stops everything."
        )
        return None

    async def _transcribe(self, demo: Demo, console: Console) -> None:
        async with short_lived_key() as key:
            text = await transcribe(base_url=self._url, key=key, audio=demo.audio, console=console)
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def _roles(self, *, listening_fd: int, shared: Mapping[str, str]) -> list[Role]:
        places = _seats()
        # The model workers share the cores.
        threads = os.environ.get("WHISPER_THREADS") or str(max(1, _cores() // len(places)))
        models = [
            Role(
                name=seat.name,
                command=_manage("worker", "--queues", seat.queues, "--concurrency", "1", "--name", seat.name),
                env={**shared, "WHISPER_THREADS": threads, **seat.env},
                ready_line=READY,
                muted=_GOODBYE,
            )
            for seat in places
        ]
        web = Role(
            name="web",
            command=_manage("web", "--fd", str(listening_fd)),
            env=shared,
            ready_check=self._web_ready,
            pass_fds=(listening_fd,),
        )
        cpus = [
            Role(
                name=name,
                command=_manage("worker", "--queues", "cpu", "--concurrency", "128", "--name", name),
                env=shared,
                ready_line=READY,
                muted=_GOODBYE,
            )
            for name in ["cpu", *(f"cpu-{n}" for n in range(2, settings.CPU_PROCESSES + 1))]
        ]
        reconciler = Role(name="reconciler", command=_manage("reconciler"), env=shared)
        return [web, *models, *cpus, reconciler]

    async def _web_ready(self) -> bool:
        try:
            async with asyncio.timeout(10):
                reader, writer = await asyncio.open_connection(self._local_host, self.port)
                try:
                    writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return b" 200 " in await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    @property
    def _local_host(self) -> str:
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 (it is replaced)

    @property
    def _url(self) -> str:
        host = self._local_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def _manage(*words: str) -> tuple[str, ...]:
    return (sys.executable, str(settings.BASE_DIR / "manage.py"), *words)


def _seats() -> list[Seat]:
    found = gpus()
    return seats(
        gpus=found,
        asked=loaded_chains().queues if found else (),
        processes=settings.WORKER_PROCESSES,
        cores=_cores(),
        wished=settings.MODEL_QUEUES,
    )


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
