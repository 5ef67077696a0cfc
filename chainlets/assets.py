"""Puts what a chainlet's `Assets` name on this machine, and sets its environment variables.

A download is made once for all processes: under a file lock, to a temporary name, and recorded by
a marker file when it is whole. What has no marker is never used. Nothing is fetched a second time,
so a model should be pinned to a revision.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from chainlets.config import RemoteConfig
from chainlets.errors import ChainsUsageError, MissingDependencyError
from chainlets.truss_config import ExternalDataItem, ModelRepo, WeightsSource

log = logging.getLogger(__name__)

STALL_S = 60.0  # a server that sends nothing for so many seconds is given up
MODEL_CACHE = Path("/app/model_cache")  # where sources written for truss_chains find `volume_folder`

_SHELF = "chainlets-assets"
_BLOCK = 1 << 20  # bytes read at a time
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_WORTH_A_RETRY = {408, 425, 429, 500, 502, 503, 504}

_guard = threading.RLock()
_claims: dict[str, dict[str, str]] = {}  # variable or mount → chainlet → what it relies on there


def provide_assets(
    *,
    chainlet: str,
    config: RemoteConfig,
    folder: Path | None,
    secrets: Mapping[str, str] | None = None,
) -> Path | None:
    """Fetch what a replica needs before it is built; blocks, so call it on a thread.

    Files that lie at a `mount_location` already are used as they are, and nothing is fetched for it.

    Args:
        chainlet: names the owner in messages; two chains of one process need different names here.
        config: whose `assets` and `docker_image.data_dir` are provided.
        folder: where downloads are kept; a cache folder of the user if None.
        secrets: values by key, for models that need a token.

    Returns:
        What the context gives as `data_dir`: a folder with each `local_data_path` and with links to
        what lies in `docker_image.data_dir`; plainly `folder` if the chainlet has neither.

    Raises:
        MissingDependencyError: something cannot be had; says what to do, and is `retryable` if
            the network was to blame.
    """
    assets, shipped = config.assets, config.docker_image.data_dir
    if not (assets.cached or assets.external_data or assets.weights or shipped):
        return folder
    place = (folder or _cache_of_user()).absolute()
    shelf = _Shelf(chainlet=chainlet, folder=place / _SHELF, secrets=secrets or {})
    try:
        for repo in assets.cached:
            _provide_repo(shelf, repo)
        for source in assets.weights:
            _provide_weights(shelf, source)
        if assets.external_data or shipped:
            return _data_folder(shelf, assets.external_data, shipped)
    except OSError as error:
        raise shelf.missing(
            f"needs files that cannot be put into {place}: {error.strerror or error}. "
            "Make room there, or choose a data folder that can be written."
        ) from error
    return folder


def set_environment(*, chainlet: str, variables: Mapping[str, str]) -> None:
    """Set the variables that a chainlet asks for; all replicas of this process see them.

    What the operator's environment already has stays as it is, with a line in the log.

    Raises:
        ChainsUsageError: another chainlet of this process relies on another value; nothing was set.
    """
    with _guard:
        wanted = {}
        for name, value in variables.items():
            if not name or "=" in name or "\0" in name + value:
                msg = f"`{chainlet}` sets the environment variable {name!r}, which cannot be set. Correct `env_variables`."
                raise ChainsUsageError(msg)
            if name in _claims or name not in os.environ:
                wanted[name] = value
            elif os.environ[name] != value:
                log.warning(
                    "%s stays as this process's environment has it, not as `%s` sets it", name, chainlet
                )
            if name in wanted and (rival := _rival(name, chainlet, value)):
                msg = (
                    f"`{chainlet}` sets the environment variable {name} to something else than `{rival}` does, "
                    "and both run in one process. Give it the same value in both `env_variables`, or hand the "
                    "value to the code in another way."
                )
                raise ChainsUsageError(msg)
        for name, value in wanted.items():
            _claims.setdefault(name, {})[chainlet] = value
            os.environ[name] = value


def _rival(thing: str, chainlet: str, value: str) -> str | None:
    """The chainlet of this process that relies on another value, if there is one."""
    owners = _claims.get(thing, {})
    return next((other for other, its in owners.items() if other != chainlet and its != value), None)


@dataclass(frozen=True, kw_only=True)
class _Shelf:
    """The downloads kept on this machine, as one chainlet asks for them.

    Attributes:
        folder: absolute; holds finished downloads, their markers, and data folders.
    """

    chainlet: str
    folder: Path
    secrets: Mapping[str, str]

    def missing(self, sentence: str, *, retryable: bool = False) -> MissingDependencyError:
        """The error to raise; `sentence` goes on after the chainlet's name."""
        error = MissingDependencyError(f"`{self.chainlet}` {sentence}")
        error.retryable = retryable
        return error

    def fetch(self, source: str, *key: object, download: Callable[[Path], Path]) -> Path:
        """The finished download for `key`, made now if there is none.

        Args:
            source: the same for people, without secrets.
            key: everything that tells this download from others.
            download: puts it into the folder it is given, or into one of its own; returns which.
        """
        name = _digest(key)
        marker = self.folder / f"{name}.json"
        if found := _finished(marker):
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / f"{name}.lock", f"the download of {source}"):
            if found := _finished(marker):
                return found
            log.info("Fetching %s for `%s`", source, self.chainlet)
            partial, target = self.folder / f".{name}.partial", self.folder / name
            path = download(partial)
            if path == partial:
                _flush(partial)
                shutil.rmtree(target, ignore_errors=True)  # without a marker it was never used
                path = partial.rename(target)
            where = name if path == target else str(path)  # relative, so that the data folder may move
            fresh = marker.with_suffix(".new")
            fresh.write_text(json.dumps({"source": source, "path": where}))
            fresh.rename(marker)  # torn by a power cut it is no JSON, and counts as missing
            return path


def _provide_repo(shelf: _Shelf, repo: ModelRepo) -> None:
    """Fetch a `ModelRepo`: to where `from_pretrained` looks, or to its `volume_folder`."""
    mount = MODEL_CACHE / repo.volume_folder if repo.use_volume and repo.volume_folder else None
    if mount is not None and _filled_by_hand(mount):
        return
    if repo.kind != "hf":
        by_hand = f"Put the files into {mount} by hand, or use" if mount else "Use"
        raise shelf.missing(
            f"needs the model {repo.repo_id} of kind {repo.kind!r}, which is not fetched here. "
            f"{by_hand} a ModelRepo of kind 'hf', or weights with hf:// or https://."
        )
    content = _model(
        shelf, repo, name=repo.repo_id, revision=repo.revision, secret=repo.runtime_secret_name, mount=mount
    )
    if mount is not None:
        _mount(shelf, mount, content)


def _provide_weights(shelf: _Shelf, source: WeightsSource) -> None:
    """Fetch a `WeightsSource` and let its `mount_location` lead there."""
    scheme, _, rest = source.source.partition("://")
    mount = Path(source.mount_location)
    secret = source.auth_secret_name or (source.auth or {}).get("auth_secret_name")
    if _filled_by_hand(mount):
        return
    if scheme == "hf":
        name, _, revision = rest.strip("/").partition("@")
        content = _model(shelf, source, name=name, revision=revision, secret=secret, mount=mount)
    elif scheme in {"https", "http"}:
        token = shelf.secrets.get(secret) if secret else None
        advice = f"Check the address and the connection, or put the files into {mount} by hand."
        file = _file(shelf, source.source, advice=advice, token=token)
        content = file if file.name == mount.name else file.parent
    else:
        raise shelf.missing(
            f"needs the weights {source.source}, and {scheme}:// is not fetched here. "
            f"Put the files into {mount} by hand, or use hf:// or https://."
        )
    _mount(shelf, mount, content)


def _model(
    shelf: _Shelf,
    patterns: ModelRepo | WeightsSource,
    *,
    name: str,
    revision: str | None,
    secret: str | None,
    mount: Path | None,
) -> Path:
    """The folder with a model of the Hugging Face hub; in the hub's own cache if it has no mount."""
    allow, ignore = (list(p) if p else None for p in (patterns.allow_patterns, patterns.ignore_patterns))
    shown = f"hf://{name}@{revision}" if revision else f"hf://{name}"
    token = shelf.secrets.get(secret) if secret else None

    def download(partial: Path) -> Path:
        try:
            from huggingface_hub import snapshot_download
        except ImportError as error:
            raise shelf.missing(
                f"needs the model {shown}, and the package that fetches it is missing. "
                "Install it: pip install huggingface_hub."
            ) from error
        where: dict[str, Any] = {}
        if mount is not None:
            partial.mkdir(exist_ok=True)  # the hub's client goes on where an earlier try ended
            where["local_dir"] = str(partial)
        try:
            path = Path(
                snapshot_download(
                    name,
                    revision=revision or None,
                    allow_patterns=allow,
                    ignore_patterns=ignore,
                    token=token,
                    **where,
                )
            )
        except Exception as error:
            login = (
                f" It was asked for without a token, as there is no secret {secret!r}."
                if secret and not token
                else ""
            )
            by_hand = f", or put the files into {mount} by hand" if mount else ""
            raise shelf.missing(
                f"needs the model {shown}, and it could not be fetched from the Hugging Face hub: "
                f"{_first_line(error)}.{login} Check the name, the revision and the connection{by_hand}.",
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


def _file(shelf: _Shelf, url: str, *, advice: str, token: str | None = None) -> Path:
    """The file behind an address, alone in its folder and named as the address ends."""
    shown = _shown(url)
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    name = name if name.strip(".") else "file"

    def download(partial: Path) -> Path:
        from http.client import HTTPException

        shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed; the lock is ours now
        partial.mkdir()
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, partial, ignore_errors=True)
            try:
                _stream(url, partial / name, token=token)
            except (OSError, HTTPException, ValueError) as error:
                if isinstance(error, OSError) and error.errno in _DISK_TROUBLE:
                    raise
                why, retryable = _judged(error)
                raise shelf.missing(
                    f"needs {shown}, and it could not be fetched: {why}. {advice}", retryable=retryable
                ) from error
            undo.pop_all()
        return partial

    return shelf.fetch(shown, url, download=download) / name


def _stream(url: str, target: Path, *, token: str | None) -> None:
    """Copy what an address gives into a new file.

    Raises:
        OSError, HTTPException, ValueError: it cannot be had whole.
    """
    from urllib.request import Request, urlopen

    request = Request(url, headers={"User-Agent": "chainlets"})  # noqa: S310 (callers choose the schemes)
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    with urlopen(request, timeout=STALL_S) as answer, target.open("xb") as out:  # noqa: S310
        shutil.copyfileobj(answer, out, _BLOCK)
        promised = answer.headers.get("Content-Length")
        if promised is not None and out.tell() != int(promised):
            msg = f"the transfer broke off after {out.tell()} of {promised} bytes"
            raise ConnectionError(msg)


def _judged(error: Exception) -> tuple[str, bool]:
    """Why a transfer failed, for people, and whether a second try may help."""
    from http.client import IncompleteRead, InvalidURL
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        error.close()
        return f"the server answered {error.code} {error.reason}", error.code in _WORTH_A_RETRY
    if isinstance(error, (ValueError, InvalidURL)):
        return "the address is not well formed", False
    if isinstance(error, IncompleteRead):
        return "the transfer broke off", True
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, TimeoutError):
        return f"nothing came for {STALL_S:g} seconds", True
    return getattr(error, "strerror", None) or _first_line(error), not isinstance(error, FileNotFoundError)


def _mount(shelf: _Shelf, mount: Path, content: Path) -> None:
    """Let `mount` lead to `content`; where that cannot be, an environment variable says where it is."""
    variable = f"CHAINLETS_WEIGHTS_{re.sub(r'[^A-Za-z0-9]', '_', mount.name).upper()}"
    with _guard:
        thing = str(mount)
        if rival := _rival(thing, shelf.chainlet, str(content)):
            raise shelf.missing(
                f"wants its weights at {mount}, where `{rival}` in the same process has others. "
                "Give one of them another `mount_location`."
            )
        if not _linked_mount(mount, content):
            if rival := _rival(variable, shelf.chainlet, str(content)):
                raise shelf.missing(
                    f"cannot have its weights at {mount}, and {variable} already says where those of `{rival}` are. "
                    "Let the `mount_location` of one of them end in another name."
                )
            set_environment(chainlet=shelf.chainlet, variables={variable: str(content)})
            log.warning(
                "The weights of `%s` cannot appear at %s; they are in %s, and %s is set to %s",
                shelf.chainlet, mount, content, variable, os.environ[variable],
            )  # fmt: skip
        _claims.setdefault(thing, {})[shelf.chainlet] = str(content)


def _linked_mount(mount: Path, content: Path) -> bool:
    """Whether `mount` now is a link to `content`; somebody else's link is left alone."""
    if mount.is_symlink() and not _ours(mount):
        return False
    try:
        mount.parent.mkdir(parents=True, exist_ok=True)
        if mount.is_dir() and not mount.is_symlink():
            mount.rmdir()  # empty, or its files would have been used
        _link(mount, content)
    except OSError:
        return False
    return True


def _filled_by_hand(mount: Path) -> bool:
    """Whether somebody else has put files there."""
    try:
        if _ours(mount):
            return False
        return mount.is_file() or (mount.is_dir() and any(mount.iterdir()))
    except OSError:
        return False


def _ours(mount: Path) -> bool:
    return mount.is_symlink() and _SHELF in mount.readlink().parts


def _data_folder(shelf: _Shelf, items: Sequence[ExternalDataItem], shipped: Any) -> Path:
    """A folder of links: to downloads by their `local_data_path`, and to the files that the author ships."""
    placed: dict[PurePosixPath, Path] = {}
    for item in items:
        path = PurePosixPath(item.local_data_path)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise shelf.missing(
                f"puts {_shown(item.url)} at {item.local_data_path!r}. "
                "Write a `local_data_path` inside the data folder, such as 'models/a.bin'."
            )
        if urlsplit(item.url).scheme not in {"https", "http", "file"}:
            raise shelf.missing(
                f"needs {_shown(item.url)}, which is not fetched here. Use https://, http:// or file://."
            )
        advice = "Check the address and the connection; a file of this machine may be given as file:///…"
        file = _file(shelf, item.url, advice=advice)
        if any(
            path in (other, *other.parents) or other in path.parents
            for other in placed
            if placed[other] != file
        ):
            raise shelf.missing(f"puts two things at {path}. Give each its own `local_data_path`.")
        placed[path] = file
    source = _shipped_folder(shelf, shipped) if shipped else None
    key = _digest([sorted((str(path), str(file)) for path, file in placed.items()), str(source)])
    folder = shelf.folder / "data" / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', shelf.chainlet)}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f"{folder.name}.lock"), f"the data folder of `{shelf.chainlet}`"):
        if source is not None:
            _link_all(source, folder, apart={folder / path for path in placed})
        for path, file in placed.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            _link(folder / path, file)
    return folder


def _shipped_folder(shelf: _Shelf, shipped: Any) -> Path:
    try:
        path = Path(getattr(shipped, "abs_path", shipped)).absolute()
    except MissingDependencyError as error:
        raise shelf.missing(f"ships a data folder. {error}") from error
    if not path.is_dir():
        raise shelf.missing(
            f"ships the data folder {path}, and there is none. Correct `DockerImage(data_dir=…)`."
        )
    return path


def _link_all(source: Path, folder: Path, *, apart: set[Path]) -> None:
    """Link each entry of `source` into `folder`, but make a real folder where one of `apart` goes inside."""
    for entry in folder.iterdir():
        if entry.is_symlink() and not entry.exists():
            entry.unlink()  # the author removed what it led to
    for entry in source.iterdir():
        target = folder / entry.name
        if any(target in path.parents for path in apart) and entry.is_dir():
            target.mkdir(exist_ok=True)
            _link_all(entry, target, apart=apart)
        elif target not in apart and (target.is_symlink() or not target.exists()):
            _link(target, entry)  # what the chainlet itself wrote there stays


def _link(link: Path, target: Path) -> None:
    """Make or change a link in one step, so that a reader finds either the old one or the new one."""
    if link.is_symlink() and link.readlink() == target:
        return
    fresh = link.with_name(f".{uuid4().hex}.link")
    fresh.symlink_to(target)
    try:
        fresh.replace(link)
    except OSError:
        fresh.unlink()
        raise


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
def _locked(path: Path, what: str) -> Iterator[None]:
    import fcntl  # not on Windows, where the rest of the SDK can be imported

    with path.open("w") as file:  # the lock ends with the process, however it ends
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("Waiting for another process that has %s under way", what)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cache_of_user() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chainlets"


def _digest(key: object) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]


def _shown(url: str) -> str:
    """An address without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{'?…' if parts.query else ''}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")
