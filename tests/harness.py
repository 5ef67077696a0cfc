"""Real parts for tests: a Valkey server, a PostgreSQL server, and the whole system as its users start it."""

import asyncio
import contextlib
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from webapp.fleet.broker import EmbeddedBroker

ROOT = Path(__file__).resolve().parent.parent
POSTGRES = Path("/usr/lib/postgresql/15/bin")
ADMIN_PASSWORD = "correct horse battery staple"
API_KEY = "ck_test_0123456789abcdef0123456789abcdef"
FINAL = frozenset({"succeeded", "failed", "cancelled"})


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_until(check: Callable[[], Any], *, timeout: float, what: str, step: float = 0.05) -> Any:
    """The first true answer of `check`; fails after `timeout` seconds, saying what was waited for."""
    deadline = time.monotonic() + timeout
    while not (answer := check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s in vain: {what}")
        time.sleep(step)
    return answer


def run_script(*command: str | Path, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the checkout to its end, with these variables on top of a plain environment."""
    return subprocess.run(
        [str(word) for word in command],
        env={**plain_environment(), **env},
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
    )


def plain_environment() -> dict[str, str]:
    """Ours without settings of Chainlets or Django."""
    ours = ("DATA_DIR", "PORT", "HOST", "CHAINS", "CHAINS_DIR", "WHISPER_MODEL", "DATABASE_URL", "REDIS_URL")
    ours += ("SECRET_KEY", "ADMIN_PASSWORD", "ADMIN_API_KEY", "DJANGO_SETTINGS_MODULE", "PRELOAD")
    return {name: value for name, value in os.environ.items() if name not in ours}


@contextlib.contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A Valkey server of its own; yields its address."""
    broker = EmbeddedBroker(data_dir=folder)
    log = (folder / "valkey.log").open("wb")
    process = subprocess.Popen(broker.role.command, stdout=log, stderr=log)
    try:
        wait_until(lambda: asyncio.run(broker.role.ready_check()), timeout=10, what="Valkey to answer")
        yield broker.url
    finally:
        process.terminate()
        process.wait(10)
        log.close()
        broker.remove_socket()


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server on a unix socket in `folder`; yields a DATABASE_URL. Never run as root, as it insists."""
    who: dict[str, Any] = {}
    if os.getuid() == 0:
        user = pwd.getpwnam("nobody")
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(folder, user.pw_uid, user.pw_gid)
        for parent in (folder, *folder.parents):  # pytest's folders are private to root
            if parent.stat().st_uid == 0 and str(parent).startswith(("/tmp/", "/var/tmp/")):
                parent.chmod(0o755)
    data, port = folder / "cluster", free_port()
    subprocess.run(
        [POSTGRES / "initdb", "-D", data, "-U", "chainlets", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True, capture_output=True, cwd=folder, **who,
    )  # fmt: skip
    server = subprocess.Popen(
        [POSTGRES / "postgres", "-D", data, "-k", folder, "-h", "127.0.0.1", "-p", str(port), "-F"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **who,
    )  # fmt: skip
    try:
        ready = [str(POSTGRES / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_until(
            lambda: subprocess.run(ready, check=False).returncode == 0,
            timeout=60,
            what="PostgreSQL to answer",
        )
        yield f"postgres://chainlets@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


class Stack:
    """A whole system, started by `manage.py up` as its users do, with a data folder and a port of its own."""

    def __init__(self, *, data_dir: Path, env: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log_path = data_dir.with_suffix(".log")
        self.env = {
            **plain_environment(),
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            "WHISPER_MODEL": "tiny.en",
            "WORKER_PROCESSES": "2",
            "ADMIN_PASSWORD": ADMIN_PASSWORD,
            "ADMIN_API_KEY": API_KEY,
            "PYTHONWARNINGS": "default",
            **(env or {}),
        }
        self.api = self.client()
        self._process: subprocess.Popen[bytes] | None = None

    def client(self, key: str | None = API_KEY) -> httpx.Client:
        """A client of the REST API, with a key or without."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=60, trust_env=False)

    def start(self, *words: str, timeout: float = 120) -> "Stack":
        """Start everything, and wait until it says that it is ready."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, ROOT / "manage.py", "up", *words],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        seen = self.log.count("chainlets: ready.")
        wait_until(
            lambda: self.log.count("chainlets: ready.") > seen or not self.running,
            timeout=timeout,
            what=f"the system to be ready; its log:\n{self.log}",
        )
        assert self.running, f"the system ended instead of being ready; its log:\n{self.log}"
        return self

    def stop(self, signum: int = signal.SIGTERM, *, timeout: float = 45) -> int:
        """Ask the supervisor to stop; returns its exit code."""
        self.api.close()
        self.api = self.client()
        if self._process is None:
            return 0
        if self.running:
            self._process.send_signal(signum)
        return self._process.wait(timeout)

    @property
    def running(self) -> bool:
        """Whether the supervisor lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything it has written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def pids(self, name: str) -> list[int]:
        """Process ids of a supervised process: `valkey`, `web`, `reconciler`, `cpu`, `model-1`; `model` is all."""
        return [child.pid for child in psutil.Process(self.pid).children() if _is(name, child)]

    def kill(self, name: str, signum: int = signal.SIGKILL) -> list[int]:
        """Send a signal to every process of that name; returns their ids."""
        pids = self.pids(name)
        assert pids, f"there is no process {name}"
        for pid in pids:
            os.kill(pid, signum)
        return pids

    def environment_of(self, name: str) -> dict[str, str]:
        """The variables that a supervised process was started with; the broker's address is among them."""
        return psutil.Process(self.pids(name)[0]).environ()

    def worker(self, queues: str, *words: str, name: str, **env: str) -> subprocess.Popen[bytes]:
        """One more worker beside those of the system; the caller ends it."""
        env = self.environment_of("reconciler") | env
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, ROOT / "manage.py", "worker", "--queues", queues, "--name", name, *words],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def upload(self, path: Path) -> dict[str, Any]:
        """Send a file; returns what the API says of it."""
        with path.open("rb") as content:
            response = self.api.post("/api/files", files={"file": (path.name, content)})
        assert response.status_code == 201, response.text
        return response.json()

    def start_run(self, chain: str, **given: Any) -> str:
        """Start a run; returns its id."""
        response = self.api.post("/api/runs", json={"chain": chain, "input": given})
        assert response.status_code == 202, response.text
        return response.json()["id"]

    def run(self, run_id: str) -> dict[str, Any]:
        """The run as the API shows it."""
        response = self.api.get(f"/api/runs/{run_id}")
        assert response.status_code == 200, response.text
        return response.json()

    def wait_run(self, run_id: str, *, timeout: float = 90) -> dict[str, Any]:
        """The run once it has come to an end, whichever."""
        last: dict[str, Any] = {}

        def ended() -> bool:
            nonlocal last
            with contextlib.suppress(httpx.TransportError):  # the web process may be the one that was killed
                last = self.run(run_id)
            return last.get("state") in FINAL

        try:
            wait_until(ended, timeout=timeout, what="the run to end", step=0.1)
        except AssertionError as error:
            events = "\n".join(json.dumps(event) for event in self.events(run_id))
            raise AssertionError(f"{error}\n{json.dumps(last)}\n{events}\n{self.log[-8000:]}") from error
        return last

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """The whole history of a run."""
        return list(self._events_from(run_id, 0))

    def _events_from(self, run_id: str, after: int) -> Iterator[dict[str, Any]]:
        while page := self.api.get(f"/api/runs/{run_id}/events", params={"after": after}).json()["events"]:
            yield from page
            after = page[-1]["seq"]

    def wait_event(
        self, run_id: str, type: str, *, count: int = 1, timeout: float = 60
    ) -> list[dict[str, Any]]:
        """The events of a type, as soon as there are `count` of them: a run under way may go on writing."""
        found: list[dict[str, Any]] = []
        last = 0

        def enough() -> bool:
            nonlocal last
            for event in self._events_from(run_id, last):
                last = event["seq"]
                if event["type"] == type:
                    found.append(event)
                    if len(found) == count:
                        return True
            return False

        wait_until(enough, timeout=timeout, what=f"{count} × {type}", step=0.05)
        return found

    def invocations(self, run_id: str) -> list[dict[str, Any]]:
        """All invocations of a run, with their attempts."""
        found: list[dict[str, Any]] = []
        address: str | None = f"/api/runs/{run_id}/invocations"
        while address:
            page = self.api.get(address).json()
            found += page["results"]
            address = page["next"]
        return found


def _is(name: str, process: psutil.Process) -> bool:
    try:
        command = process.cmdline()
        if name == "valkey":
            return process.name() == "valkey-server"
    except psutil.NoSuchProcess:
        return False
    if name == "model":
        return any(word.startswith("model-") for word in command)
    return name in command[2:]
