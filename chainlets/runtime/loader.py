"""Finds chains: modules named in the settings, and every `*.py` in a folder.

Files of the folder that only serve others are no chains of their own: tests, and neighbours that
have no entrypoint.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chainlets.describe import ChainletDescriptor
from chainlets.errors import ChainsUsageError
from chainlets.graph import Chain, chain_from, entrypoint_of
from chainlets.importing import import_file, plain_names
from chainlets.loading import chain_of, has_mark, without_effect
from chainlets.neighbours import files_of

log = logging.getLogger(__name__)

_RECENT_S = 0.2

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
        self._files: dict[str, Chain] = {}
        self._neighbours: set[Path] = set()
        self._looked_at = 0.0

    def current(self) -> Loaded:
        """The chains there are now; cheap when no file has changed."""
        stamp = self._look()
        with self._lock:
            if stamp != self._stamp:
                self._loaded = self._load()
                self._stamp = stamp
            return self._loaded

    def find(self, chain: str, chainlet: str) -> tuple[Chain, ChainletDescriptor] | None:
        """A chain and one of its chainlets, as of a moment ago: a worker asks for every call."""
        if time.monotonic() - self._looked_at > _RECENT_S:
            self._looked_at = time.monotonic()
            self.current()
        return self._loaded.find(chain, chainlet) or self.current().find(chain, chainlet)

    def _look(self) -> _Stamp:
        paths = {*self._paths(), *self._neighbours}
        stats = [(str(path), path.stat()) for path in sorted(paths) if path.exists()]
        return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)

    def _paths(self) -> list[Path]:
        if self._folder is None or not self._folder.is_dir():
            return []
        return [path for path in sorted(self._folder.glob("*.py")) if not _is_test(path)]

    def _load(self) -> Loaded:
        if self._fixed is None:
            self._fixed = _from_modules(self._modules)
        chains, problems = dict(self._fixed.chains), list(self._fixed.problems)
        paths = self._paths()
        self._neighbours = {file for path in paths for file in files_of(path.resolve())[1:]}
        for path in paths:
            try:
                chain = self._from_file(path)
            except Exception as error:  # noqa: BLE001 (the author's file may raise anything; the others go on)
                log.warning("%s is not loaded: %s", path.name, error)
                problems.append(Problem(file=path.name, message=_explain(error)))
                continue
            if chain is None:
                continue
            if chain.name in chains:
                text = f"a chain called `{chain.name}` is there already. Name this one otherwise in `mark_entrypoint`."
                problems.append(Problem(file=path.name, message=text))
            else:
                chains[chain.name] = chain
        return Loaded(chains=chains, problems=tuple(problems))

    def _from_file(self, path: Path) -> Chain | None:
        """The chain of a file; None if the file only serves others."""
        # A file's chain is built once for each content, so that what did not change keeps its
        # classes, and with them the replicas that workers have built.
        file = import_file(path)
        key = file.module.__name__
        if key not in self._files:
            if path.resolve() in self._neighbours and not has_mark(file.module):
                return None
            self._files[key] = chain_of(file)
            _tell_what_has_no_effect(self._files[key])
        return self._files[key]


def _from_modules(modules: Sequence[str]) -> Loaded:
    chains: dict[str, Chain] = {}
    for dotted in modules:
        chain = chain_from(entrypoint_of(importlib.import_module(dotted)))
        if chain.name in chains:
            msg = f"Two chains are called `{chain.name}`. Name one of them otherwise in `mark_entrypoint`."
            raise ChainsUsageError(msg)
        chains[chain.name] = chain
        _tell_what_has_no_effect(chain)
    return Loaded(chains=chains, problems=())


def _tell_what_has_no_effect(chain: Chain) -> None:
    for sentence in without_effect(chain):
        log.info("%s: %s", chain.name, sentence)


def _is_test(path: Path) -> bool:
    return path.name.startswith("test_") or path.name == "conftest.py"


def _explain(error: Exception) -> str:
    if isinstance(error, ChainsUsageError):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    return plain_names(f"{type(error).__name__}: {error}")
