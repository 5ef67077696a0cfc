"""Starts `decode_child` and follows it until its last line.

Nothing it says is believed beyond its shape, and it is killed when it takes too long, falls silent,
or its result is no longer wanted.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import chainlets as chains

_CHILD = Path(__file__).with_name("decode_child.py")
_MAX_LINE = 65_536  # bytes; the child's lines are short, so more is not the child we know
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR")


def run_child(
    job: Mapping[str, Any],
    *,
    errors: Path,
    wall: float,
    silence: float,
    on_line: Callable[[dict[str, Any]], None],
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    """Have the child do a job; what it found comes back.

    Args:
        job: as `decode_child.main` takes it.
        errors: where its stderr goes.
        wall: seconds until it is killed.
        silence: seconds without a sign of life until it is killed.
        on_line: called with each of its lines.
        cancelled: asked a few times a second; when true, it is killed.

    Raises:
        InputRejected: it cannot decode the file, or took too long.
        ChainsRuntimeError: the disk is full, the result is no longer wanted, or it ended without a word.
    """
    with errors.open("wb") as stderr, _child(job, stderr) as child:
        try:
            last = _listen(child, wall=wall, silence=silence, on_line=on_line, cancelled=cancelled)
        finally:
            child.kill()  # no harm where it has ended; the `with` waits for it
    return _verdict(last, errors=errors, exit_code=child.returncode)


def _child(job: Mapping[str, Any], stderr: Any) -> subprocess.Popen[bytes]:
    # -P keeps this folder, with its `types.py`, off the child's import path. Its environment holds
    # none of our settings, so there is no secret in it to steal.
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-P", str(_CHILD), json.dumps(job)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment | {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        close_fds=True,
    )


def _listen(
    child: subprocess.Popen[bytes],
    *,
    wall: float,
    silence: float,
    on_line: Callable[[dict[str, Any]], None],
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    """Follow the child until its last line."""
    last: dict[str, Any] = {}
    started = heard = time.monotonic()
    for line in _lines(child):
        now = time.monotonic()
        if cancelled():
            msg = "The decoding was stopped because its result is no longer wanted."
            raise chains.ChainsRuntimeError(msg)
        if line is not None:
            last = line
            on_line(line)
            heard = time.monotonic()  # what the line made us do is not the child's silence
        if now - started > wall or now - heard > silence:
            msg = "Decoding this file took far longer than a recording should, so it was stopped. It may be damaged."
            raise chains.InputRejected(msg)
    return last


def _lines(child: subprocess.Popen[bytes]) -> Iterator[dict[str, Any] | None]:
    """The child's lines as they come, and None whenever a fifth of a second passed without one."""
    assert child.stdout is not None  # it was opened as a pipe
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout=0.2):
                yield None
                continue
            block = os.read(child.stdout.fileno(), _MAX_LINE)
            if not block or len(pending) > _MAX_LINE:
                return
            *lines, pending = (pending + block).split(b"\n")
            for line in lines:
                yield json.loads(line)


def _verdict(last: dict[str, Any], *, errors: Path, exit_code: int) -> dict[str, Any]:
    if "rejected" in last:
        raise chains.InputRejected(str(last["rejected"]))
    if "no_room" in last:
        msg = "There is no room left on the disk for the decoded audio. Free some, then resume the run."
        raise chains.ChainsRuntimeError(msg)
    if "done" not in last:
        tail = errors.read_bytes()[-2000:].decode(errors="replace").strip()
        cause = RuntimeError(f"the decoder ended with {exit_code}: {tail}")
        if exit_code < 0 and exit_code != -signal.SIGKILL:
            msg = "This file could not be decoded: the decoder broke down over it. It is probably damaged."
            raise chains.InputRejected(msg) from cause
        msg = "The decoder did not finish, for a reason that has nothing to do with the file."
        raise chains.ChainsRuntimeError(msg) from cause
    done: dict[str, Any] = last["done"]
    return done
