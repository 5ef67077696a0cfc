"""Puts what a chainlet's `Assets` name where it expects them: downloads, and the data its author ships."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from uuid import uuid4

from chainlets.config import RemoteConfig
from chainlets.downloads import Shelf, digest, fetch_file, fetch_model, shown_address
from chainlets.environment import claim, rival, set_environment, sharing
from chainlets.errors import MissingDependencyError
from chainlets.paths import AbsPath
from chainlets.truss_config import ExternalDataItem, ModelRepo, WeightsSource

log = logging.getLogger(__name__)

MODEL_CACHE = Path("/app/model_cache")  # where sources written for truss_chains find `volume_folder`

_SHELF = "chainlets-assets"


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
    shelf = Shelf(chainlet=chainlet, folder=place / _SHELF, secrets=secrets or {})
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


def _cache_of_user() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chainlets"


def _provide_repo(shelf: Shelf, repo: ModelRepo) -> None:
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
    secret = repo.runtime_secret_name
    content = fetch_model(shelf, repo, name=repo.repo_id, revision=repo.revision, secret=secret, mount=mount)
    if mount is not None:
        _mount(shelf, mount, content)


def _provide_weights(shelf: Shelf, source: WeightsSource) -> None:
    """Fetch a `WeightsSource` and let its `mount_location` lead there."""
    scheme, _, rest = source.source.partition("://")
    mount = Path(source.mount_location)
    secret = source.auth_secret_name or (source.auth or {}).get("auth_secret_name")
    if _filled_by_hand(mount):
        return
    if scheme == "hf":
        name, _, revision = rest.strip("/").partition("@")
        content = fetch_model(shelf, source, name=name, revision=revision, secret=secret, mount=mount)
    elif scheme.startswith("http"):
        advice = f"Check the address and the connection, or put the files into {mount} by hand."
        file = fetch_file(shelf, source.source, advice=advice, token=shelf.token(secret))
        content = file if file.name == mount.name else file.parent
    else:
        raise shelf.missing(
            f"needs the weights {source.source}, and {scheme}:// is not fetched here. "
            f"Put the files into {mount} by hand, or use hf:// or https://."
        )
    _mount(shelf, mount, content)


def _filled_by_hand(mount: Path) -> bool:
    """Whether somebody else has put files there."""
    try:
        return not _ours(mount) and (mount.is_file() or (mount.is_dir() and any(mount.iterdir())))
    except OSError:
        return False


def _ours(mount: Path) -> bool:
    return mount.is_symlink() and _SHELF in mount.readlink().parts


def _mount(shelf: Shelf, mount: Path, content: Path) -> None:
    """Let `mount` lead to `content`; where that cannot be, an environment variable says where it is."""
    wish = {"chainlet": shelf.chainlet, "value": str(content)}
    with sharing:
        if other := rival(str(mount), **wish):
            raise shelf.missing(
                f"wants its weights at {mount}, where `{other}` in the same process has others. "
                "Give one of them another `mount_location`."
            )
        if not _linked_mount(mount, content):
            variable = f"CHAINLETS_WEIGHTS_{re.sub(r'[^A-Za-z0-9]', '_', mount.name).upper()}"
            if other := rival(variable, **wish):
                raise shelf.missing(
                    f"cannot have its weights at {mount}, and {variable} already says where those of `{other}` are. "
                    "Let the `mount_location` of one of them end in another name."
                )
            set_environment(chainlet=shelf.chainlet, variables={variable: str(content)})
            log.warning(
                "The weights of `%s` cannot appear at %s; they are in %s, and %s is set to %s",
                shelf.chainlet, mount, content, variable, os.environ[variable],
            )  # fmt: skip
        claim(str(mount), **wish)


def _linked_mount(mount: Path, content: Path) -> bool:
    """Whether `mount` now is a link to `content`; somebody else's link is left alone."""
    try:
        if mount.is_symlink() and not _ours(mount):
            return False
        mount.parent.mkdir(parents=True, exist_ok=True)
        if mount.is_dir() and not mount.is_symlink():
            mount.rmdir()  # empty, or its files would have been used
        _link(mount, content)
    except OSError:
        return False
    return True


def _data_folder(
    shelf: Shelf, items: Sequence[ExternalDataItem], shipped: str | Path | AbsPath | None
) -> Path:
    """A folder of links: to downloads by their `local_data_path`, and to the files that the author ships."""
    source = _shipped_folder(shelf, shipped) if shipped else None
    advice = "Check the address and the connection; a file of this machine may be given as file:///…"
    placed = {path: fetch_file(shelf, url, advice=advice) for path, url in _addresses(shelf, items).items()}
    key = digest([sorted((str(path), str(file)) for path, file in placed.items()), str(source)])
    folder = shelf.folder / "data" / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', shelf.chainlet)}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    if source is not None:
        _link_all(source, folder, apart={folder / path for path in placed})
    for path, file in placed.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _link(folder / path, file)
    return folder


def _shipped_folder(shelf: Shelf, shipped: str | Path | AbsPath) -> Path:
    try:
        path = Path(shipped).absolute()
    except MissingDependencyError as error:
        raise shelf.missing(f"ships a data folder. {error}") from error
    if not path.is_dir():
        raise shelf.missing(
            f"ships the data folder {path}, and there is none. Correct `DockerImage(data_dir=…)`."
        )
    return path


def _addresses(shelf: Shelf, items: Sequence[ExternalDataItem]) -> dict[PurePosixPath, str]:
    """What to fetch, by its place in the data folder."""
    placed: dict[PurePosixPath, str] = {}
    for item in items:
        path = PurePosixPath(item.local_data_path)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise shelf.missing(
                f"puts {shown_address(item.url)} at {item.local_data_path!r}. "
                "Write a `local_data_path` inside the data folder, such as 'models/a.bin'."
            )
        if any(path.is_relative_to(other) or other.is_relative_to(path) for other in placed):
            raise shelf.missing(f"puts two things at {path}. Give each its own `local_data_path`.")
        placed[path] = item.url
    return placed


def _link_all(source: Path, folder: Path, *, apart: Collection[Path]) -> None:
    """Link each entry of `source` into `folder`, but make a real folder where one of `apart` goes inside."""
    for entry in folder.iterdir():
        if entry.is_symlink() and not entry.exists():
            entry.unlink(missing_ok=True)  # the author removed what it led to
    for entry in source.iterdir():
        target = folder / entry.name
        if any(target in path.parents for path in apart):
            if entry.is_dir():
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
