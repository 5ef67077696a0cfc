"""Finds chains: modules named in the settings, and every `*.py` in a folder."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from chainlets.describe import ChainletDescriptor
from chainlets.errors import ChainsUsageError
from chainlets.graph import Chain, chain_from, entrypoint_of

log = logging.getLogger(__name__)

_Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A chain that could not be loaded, and why."""

    file: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The chains there are at one moment."""

    chains: Mapping[str, Chain]
    problems: Sequence[Problem]

    def find(self, chain: str, chainlet: str) -> tuple[Chain, ChainletDescriptor] | None:
        """A chain and one of its chainlets by name."""
        found = self.chains.get(chain)
        descriptor = found.chainlets.get(chainlet) if found else None
        return (found, descriptor) if found and descriptor else None

    @property
    def queues(self) -> tuple[str, ...]:
        """Every hardware tag that a chain asks for."""
        return tuple(dict.fromkeys(queue for chain in self.chains.values() for queue in chain.queues))


class Loader:
    """Loads chains, and loads them again when files of the folder change."""

    def __init__(self, *, modules: Sequence[str], folder: Path | None) -> None:
        self._modules = modules
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._fixed: Loaded | None = None
        self._loaded = Loaded(chains={}, problems=())
        self._files: dict[tuple[str, str], Chain] = {}

    def current(self) -> Loaded:
        """The chains there are now; cheap when no file has changed."""
        stamp = self._look()
        with self._lock:
            if stamp != self._stamp:
                self._loaded = self._load()
                self._stamp = stamp
            return self._loaded

    def _look(self) -> _Stamp:
        if self._folder is None or not self._folder.is_dir():
            return ()
        stats = [(path.name, path.stat()) for path in sorted(self._folder.glob("*.py"))]
        return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)

    def _load(self) -> Loaded:
        if self._fixed is None:
            self._fixed = _from_modules(self._modules)
        chains, problems = dict(self._fixed.chains), list(self._fixed.problems)
        for path in sorted(self._folder.glob("*.py")) if self._folder and self._folder.is_dir() else ():
            try:
                chain = self._from_file(path)
            except Exception as error:  # noqa: BLE001 (the author's file may raise anything; the others go on)
                log.warning("%s is not loaded: %s", path.name, error)
                problems.append(Problem(file=path.name, message=_explain(error)))
                continue
            if chain.name in chains:
                text = f"a chain called `{chain.name}` is there already. Name this one otherwise in `mark_entrypoint`."
                problems.append(Problem(file=path.name, message=text))
            else:
                chains[chain.name] = chain
        return Loaded(chains=chains, problems=tuple(problems))

    def _from_file(self, path: Path) -> Chain:
        # A file's chain is built once for each content, so that what did not change keeps its
        # classes, and with them the replicas that workers have built.
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        key = (path.name, digest)
        if key not in self._files:
            self._files[key] = chain_from(entrypoint_of(import_file(path, digest)))
        return self._files[key]


def import_file(path: Path, digest: str) -> ModuleType:
    """Import a chain's file under a name of its own; its folder is where it finds neighbours.

    Raises:
        Exception: whatever the file raises.
    """
    name = f"chains_folder.{path.stem}_{digest[:12]}"
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = f"{path} cannot be imported."
        raise ChainsUsageError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _from_modules(modules: Sequence[str]) -> Loaded:
    chains: dict[str, Chain] = {}
    for dotted in modules:
        chain = chain_from(entrypoint_of(importlib.import_module(dotted)))
        if chain.name in chains:
            msg = f"Two chains are called `{chain.name}`. Name one of them otherwise in `mark_entrypoint`."
            raise ChainsUsageError(msg)
        chains[chain.name] = chain
    return Loaded(chains=chains, problems=())


def _explain(error: Exception) -> str:
    if isinstance(error, ChainsUsageError):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    return f"{type(error).__name__}: {error}"
