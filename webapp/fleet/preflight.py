"""What must be so before anything starts. Each fault is one sentence that says what to do."""

import errno
import fcntl
import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path

ROOM_NEEDED = 200 * 1024**2  # bytes; below this not even the sample's run is sure to fit
LOCK_PATIENCE = 5.0  # seconds; a broker whose supervisor was killed needs a moment to write its log


class StartRefused(Exception):
    """Chainlets cannot start. The message says why, and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class DataDirLock:
    """The right to be the one system on a data folder, held for as long as `fd` is open in any process."""

    fd: int

    def describe(self, text: str) -> None:
        """Leave a word for whoever finds the folder in use."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, text.encode(), 0)

    def release(self) -> None:
        """Give the folder up, as far as this process is concerned."""
        os.close(self.fd)


def prepare_data_dir(path: Path) -> None:
    """Make the data folder, and make sure that it can be written and has room."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error)).lower()
        raise StartRefused(
            f"The data folder {path} cannot be written: {reason}. "
            "Make room or set DATA_DIR to another folder."
        ) from error
    free = shutil.disk_usage(path).free
    if free < ROOM_NEEDED:
        raise StartRefused(
            f"The disk is nearly full: {free // 1024**2} MB are free for the data folder {path}, and at least "
            f"{ROOM_NEEDED // 1024**2} MB are needed. Make room or set DATA_DIR to another folder."
        )


def lock_data_dir(path: Path) -> DataDirLock:
    """Become the one system that works on this data folder."""
    fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            holder = os.pread(fd, 200, 0).decode(errors="replace") or "another process"
            os.close(fd)
            raise StartRefused(
                f"Chainlets already works on the data folder {path} ({holder}). "
                "Stop it first, or set DATA_DIR to another folder."
            ) from None
        return DataDirLock(fd=fd)


def listen(*, host: str, port: int) -> socket.socket:
    """The socket that the web process will serve.

    It is opened here, so that a port in use is noticed before anything runs, and so that requests wait
    instead of being refused while a web process is replaced.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(1024)
    except (OSError, OverflowError) as error:
        sock.close()
        code = error.errno if isinstance(error, OSError) else None
        if code == errno.EADDRINUSE:
            reason = f"Port {port} is in use by another program. Stop it, or set PORT to a free port."
        elif code == errno.EACCES:
            reason = f"Port {port} may not be used by this user. Set PORT to a number above 1023."
        else:
            reason = f"{host}, port {port}, cannot be listened on: {error}. Check HOST and PORT."
        raise StartRefused(reason) from error
    return sock
