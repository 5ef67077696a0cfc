"""Downloads kept on this machine: of files by their address, and of models from the Hugging Face hub.

Each is made once for all processes: under a file lock, to a temporary name, and recorded by a
marker file when it is whole. What has no marker is never used. Nothing is fetched a second time,
so a model should be pinned to a revision.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from chainlets.errors import MissingDependencyError
from chainlets.truss_config import ModelRepo, WeightsSource

log = logging.getLogger(__name__)

STALL_S = 60.0  # a server that sends nothing for so many seconds is given up

_BLOCK = 1 << 20  # bytes read at a time
_WORTH_A_RETRY = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """The downloads kept on this machine, as one chainlet asks for them.

    Attributes:
        chainlet: who asks, for messages.
        folder: absolute; holds finished downloads and their markers.
        secrets: values by key, for what needs a token.
    """

    chainlet: str
    folder: Path
    secrets: Mapping[str, str]

    def missing(self, sentence: str, *, retryable: bool = False) -> MissingDependencyError:
        """The error to raise; `sentence` goes on after the chainlet's name."""
        error = MissingDependencyError(f"`{self.chainlet}` {sentence}")
        error.retryable = retryable
        return error

    def token(self, secret: str | None) -> str | None:
        """The value of a secret, if it has a name and there is one."""
        return self.secrets.get(secret) if secret else None

    def fetch(self, source: str, *key: object, download: Callable[[Path], Path]) -> Path:
        """The finished download for `key`, made now if there is none.

        Args:
            source: what it is, for people, without secrets.
            key: everything that tells this download from others.
            download: puts it into the folder it is given, or into one of its own; returns which.
        """
        name = digest(key)
        marker = self.folder / f"{name}.json"
        if found := _finished(marker):
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / f"{name}.lock", source):
            if found := _finished(marker):
                return found
            log.info("Fetching %s for `%s`", source, self.chainlet)
            partial, target = self.folder / f".{name}.partial", self.folder / name
            path = download(partial)
            where = str(path)
            if path == partial:
                _flush(partial)
                shutil.rmtree(target, ignore_errors=True)  # without a marker it was never used
                path = partial.rename(target)
                where = name  # relative, so that the data folder may move
            fresh = marker.with_suffix(".new")
            fresh.write_text(json.dumps({"source": source, "path": where}))
            fresh.rename(marker)  # torn by a power cut it is no JSON, and counts as missing
            return path


def fetch_file(shelf: Shelf, url: str, *, advice: str, token: str | None = None) -> Path:
    """The file behind an address, alone in its folder and named as the address ends.

    Raises:
        MissingDependencyError: it cannot be had; says why, and then `advice`.
        OSError: this machine has no place for it.
    """
    shown = shown_address(url)
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    name = name if name.strip(".") else "file"

    def download(partial: Path) -> Path:
        shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed; the lock is ours now
        partial.mkdir()
        try:
            with (partial / name).open("xb") as file:
                for block in _blocks(url, token=token):
                    file.write(block)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, _BrokenOff):
                sentence = f"needs {shown}, and it could not be fetched: {error}. {advice}"
                raise shelf.missing(sentence, retryable=error.retryable) from error
            raise
        return partial

    return shelf.fetch(shown, url, download=download) / name


def fetch_model(
    shelf: Shelf,
    patterns: ModelRepo | WeightsSource,
    *,
    name: str,
    revision: str | None,
    secret: str | None,
    mount: Path | None,
) -> Path:
    """The folder with a model of the Hugging Face hub; in the hub's own cache if it has no mount.

    Args:
        shelf: keeps it.
        patterns: has `allow_patterns` and `ignore_patterns`.
        name: such as "openai/whisper-base".
        revision: a branch, tag or commit; the newest if empty.
        secret: the key of the token it is asked for with.
        mount: where the chainlet expects it.

    Raises:
        MissingDependencyError: it cannot be had.
    """
    shown = f"hf://{name}@{revision}" if revision else f"hf://{name}"
    allow, ignore = (list(p) if p else None for p in (patterns.allow_patterns, patterns.ignore_patterns))
    token = shelf.token(secret)

    def download(partial: Path) -> Path:
        options: dict[str, Any] = {"revision": revision or None, "token": token}
        options |= {"allow_patterns": allow, "ignore_patterns": ignore}
        if mount is not None:
            partial.mkdir(exist_ok=True)  # the hub's client goes on where an earlier try ended
            options["local_dir"] = str(partial)
        try:
            from huggingface_hub import snapshot_download

            path = Path(snapshot_download(name, **options))
        except ImportError as error:
            raise shelf.missing(
                f"needs the model {shown}, and the package that fetches it is missing. "
                "Install it: pip install huggingface_hub."
            ) from error
        except Exception as error:
            login = f" It was asked for without a token, as there is no secret {secret!r}."
            by_hand = f", or put the files into {mount} by hand"
            raise shelf.missing(
                f"needs the model {shown}, and it could not be fetched from the Hugging Face hub: "
                f"{_first_line(error)}.{login if secret and not token else ''} "
                f"Check the name, the revision and the connection{by_hand if mount else ''}.",
                retryable=True,
            ) from error
        if mount is not None:
            path = partial
            shutil.rmtree(path / ".cache", ignore_errors=True)  # notes of the hub's client
        if not any(path.iterdir()):
            raise shelf.missing(f"needs the model {shown}, of which no file fits. Correct `allow_patterns`.")
        return path

    hub = () if mount is not None else ("cache", os.environ.get("HF_HOME"), os.environ.get("HF_HUB_CACHE"))
    return shelf.fetch(shown, "hf", name, revision, allow, ignore, *hub, download=download)


def digest(key: object) -> str:
    """A short name for what JSON can say."""
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]


def shown_address(url: str) -> str:
    """An address without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{'?…' if parts.query else ''}"


class _BrokenOff(Exception):
    """What an address gives cannot be had whole; says why, and whether a second try may help."""

    def __init__(self, why: str, *, retryable: bool) -> None:
        super().__init__(why)
        self.retryable = retryable


def _blocks(url: str, *, token: str | None) -> Iterator[bytes]:
    """What an address gives, block by block.

    Raises:
        _BrokenOff: it cannot be had whole.
    """
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    try:
        request = Request(url, headers={"User-Agent": "chainlets"})  # noqa: S310 (callers choose the schemes)
        if token:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        with urlopen(request, timeout=STALL_S) as answer:  # noqa: S310
            got, promised = 0, answer.headers.get("Content-Length")
            while block := answer.read(_BLOCK):
                yield block
                got += len(block)
        if promised is not None and got != int(promised):
            raise _BrokenOff(f"the transfer broke off after {got} of {promised} bytes", retryable=True)
    except (OSError, HTTPException, ValueError) as error:
        raise _why(error) from error


def _why(error: Exception) -> _BrokenOff:
    from http.client import IncompleteRead, InvalidURL
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        error.close()
        why = f"the server answered {error.code} {error.reason}"
        return _BrokenOff(why, retryable=error.code in _WORTH_A_RETRY)
    if isinstance(error, (ValueError, InvalidURL)):
        return _BrokenOff("the address is not well formed", retryable=False)
    if isinstance(error, IncompleteRead):
        return _BrokenOff("the transfer broke off", retryable=True)
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, TimeoutError):
        return _BrokenOff(f"nothing came for {STALL_S:g} seconds", retryable=True)
    why = getattr(error, "strerror", None) or _first_line(error)
    return _BrokenOff(why, retryable=not isinstance(error, FileNotFoundError))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


def _finished(marker: Path) -> Path | None:
    """What a marker says is whole, if it is still there."""
    try:
        path = marker.parent / json.loads(marker.read_text())["path"]
    except (OSError, ValueError, KeyError):
        return None
    return path if path.exists() else None


def _flush(folder: Path) -> None:
    """Have the files of a folder on the disk before it gets its name, so that power may fail."""
    for where, _, names in os.walk(folder):
        for name in names:
            with Path(where, name).open("rb") as file:
                os.fsync(file.fileno())


@contextmanager
def _locked(path: Path, source: str) -> Iterator[None]:
    import fcntl  # not on Windows, where the rest of the SDK can be imported

    with path.open("w") as file:  # the lock ends with the process, however it ends
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("Waiting for another process that downloads %s", source)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
