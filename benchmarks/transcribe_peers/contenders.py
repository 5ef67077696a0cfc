"""Who is compared: the whole system, children that hold a model, and whisper.cpp."""  # noqa: INP001 (of a command)

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import psutil
from websockets.sync.client import ClientConnection, connect

from tests.harness import API_KEY, ROOT, Stack, plain_environment

CHILD = Path(__file__).resolve().parent / "child.py"
LONGEST_SILENCE = 3600.0  # seconds without any event of a run
SOCKET_PAUSE = 0.15  # seconds that the system's socket may rest after a message, and a little more
POLL = 0.02  # seconds
ENDS = frozenset({"run.succeeded", "run.failed", "run.cancelled"})


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a contender made of one file."""

    text: str
    seconds: float  # from the file on disk to the whole text
    first_text: float | None = None  # seconds from the end of the upload to the first text


class Contender(Protocol):
    """Somebody who writes down what is said; a context in which it is up and ready."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    @property
    def peak_mb(self) -> float | None:
        """The most memory that its largest process has held so far, in MB; None where it cannot be read."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def hear(self, path: Path) -> Heard:
        """Transcribe one file."""


class System:
    """Everything as `manage.py up` starts it, used over REST and by the socket that tells of a run."""

    name = "system"

    def __init__(self, *, folder: Path, env: Mapping[str, str]) -> None:
        # The harness asks for two workers and for warnings; here both are as users have them.
        plain = {"WORKER_PROCESSES": "0", "PYTHONWARNINGS": ""}
        self._stack = Stack(data_dir=folder / "data", env={**plain, **env})
        self._peaks: dict[int, float] = {}

    def __enter__(self) -> Self:
        try:
            self._stack.start()
        except BaseException:
            self._stack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.stop()

    @property
    def peak_mb(self) -> float | None:
        """Of its largest process; one that starts and ends within a file goes unseen."""
        return max(self._peaks.values(), default=None)

    @property
    def peak_mb_sum(self) -> float | None:
        """The peaks of all its processes together, which is more than they ever held at once."""
        return sum(self._peaks.values()) if self._peaks else None

    def hear(self, path: Path) -> Heard:
        """Upload, start, follow to the end, and fetch the text."""
        begin = time.perf_counter()
        file_id = self._stack.upload(path)["id"]
        uploaded = time.perf_counter()
        run_id = self._stack.start_run("transcribe", audio=file_id)
        address = f"ws://127.0.0.1:{self._stack.port}/ws/runs/{run_id}"
        key = {"Authorization": f"Bearer {API_KEY}"}
        with connect(
            address, additional_headers=key, proxy=None, max_size=None, ping_interval=None
        ) as socket:
            text, first = self._follow(socket, run_id)
            end = time.perf_counter()
        self._look_at_memory()
        return Heard(text=text, seconds=end - begin, first_text=first - uploaded if first else None)

    def _follow(self, socket: ClientConnection, run_id: str) -> tuple[str, float | None]:
        """The text, and when the first of it was there by `time.perf_counter`."""
        first: float | None = None
        text: str | None = None
        while text is None:
            event = json.loads(socket.recv(timeout=LONGEST_SILENCE))
            data: Any = event["data"]
            if event["type"] == "partial" and data.get("kind") == "piece" and data.get("segments"):
                first = first or time.perf_counter()
            elif event["type"] in ENDS:
                text = self._text(run_id)
                assert text is not None, f"no text of {run_id}: {event}\n{self._stack.log[-4000:]}"
            elif first and event["type"] == "progress" and 0 < (data.get("total") or 0) <= data["done"]:
                text = self._text_soon(run_id)
        return text, first

    def _text_soon(self, run_id: str) -> str | None:
        """The text, if it is there while the socket rests: all is heard, and that rest is no work."""
        until = time.perf_counter() + SOCKET_PAUSE
        while (text := self._text(run_id)) is None and time.perf_counter() < until:
            time.sleep(POLL)
        return text

    def _text(self, run_id: str) -> str | None:
        response = self._stack.api.get(f"/api/runs/{run_id}/transcript.txt")
        return response.text if response.status_code == 200 else None  # noqa: PLR2004 (409 until it is there)

    def _look_at_memory(self) -> None:
        supervisor = psutil.Process(self._stack.pid)
        for process in (supervisor, *supervisor.children(recursive=True)):
            if (peak := peak_mb_of(process.pid)) is not None:
                self._peaks[process.pid] = peak


class Child:
    """One of the programs in child.py, which holds its model from round to round."""

    def __init__(self, name: str, *, weights: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self._command = [sys.executable, str(CHILD), name, str(weights)]
        self._env = {**plain_environment(), "PYTHONPATH": str(ROOT), **env}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input is its end

    @property
    def peak_mb(self) -> float | None:
        """Of this one process."""
        return peak_mb_of(self._process.pid)

    def hear(self, path: Path) -> Heard:
        """Ask the child."""
        assert self._process.stdin is not None
        begin = time.perf_counter()
        self._process.stdin.write(f"{json.dumps(str(path))}\n")
        self._process.stdin.flush()
        text = self._answer()
        return Heard(text=text, seconds=time.perf_counter() - begin)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self.name} has ended; what it said of that is above"
        answer: dict[str, str] = json.loads(line)
        assert "text" in answer, f"{self.name}: {answer['error']}"
        return answer["text"]


class WhisperCpp:
    """The command of whisper.cpp: two threads, beam 1. Its model is another file, so the caller answers for its weights.

    It loads its model for every file; the time that it says this took is not counted.
    """

    name = "whisper.cpp"

    def __init__(self, *, binary: Path, model: Path) -> None:
        self._command = [
            str(binary),
            "-m",
            str(model),
            "-t",
            "2",
            "-bs",
            "1",
            "-bo",
            "1",
            "-l",
            "auto",
            "-nt",
        ]
        self._peak: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def peak_mb(self) -> float | None:
        """Of the largest of its processes, one for each file."""
        return self._peak

    def hear(self, path: Path) -> Heard:
        """Run it on one file."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as log:
            begin = time.perf_counter()
            process = subprocess.Popen([*self._command, "-f", str(path)], stdout=out, stderr=log)
            # Unlike `wait`, it says what memory was used, though never less than ours when we started it.
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            log.seek(0)
            text, said = out.read(), log.read()
        assert process.returncode == 0, f"whisper.cpp ended with {process.returncode}:\n{said[-2000:]}"
        if sys.platform == "linux":  # elsewhere the unit is another
            self._peak = max(self._peak or 0.0, used.ru_maxrss * 1024 / 1e6)
        loading = re.search(r"load time\s*=\s*([\d.]+) ms", said)
        return Heard(
            text=" ".join(text.split()), seconds=seconds - (float(loading[1]) / 1000 if loading else 0)
        )


def peak_mb_of(pid: int) -> float | None:
    """The most memory that a process has held, in MB; None if it is gone, and anywhere but on Linux."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    peak = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return int(peak[1]) * 1024 / 1e6 if peak else None
