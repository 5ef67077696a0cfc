"""Imports a chain's file together with the modules that lie beside it.

Each file gets a package of its own that stands for its folder, and `import helpers` in it means
the `helpers` of that package. So two chains may both have a `helpers.py`, and each sees its own,
also when it is imported inside `run_remote`, long after.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.util
import linecache
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from chainlets import definitions
from chainlets.chainlet import ChainletBase
from chainlets.errors import ChainsUsageError
from chainlets.neighbours import digest_of, files_of, may_be_beside

_ROOT = "chains_folder"
_PRIVATE = re.compile(rf"\b{_ROOT}\.\w+?_[0-9a-f]{{12}}\.")


@dataclass(frozen=True, kw_only=True)
class ChainFile:
    """A chain's file, imported.

    Attributes:
        chainlets: every chainlet class that was defined meanwhile, here or in a neighbour.
        files: the file, then those beside it that it imports.
        digest: changes when one of `files` does; the same on every machine.
    """

    module: ModuleType
    chainlets: Sequence[type[ChainletBase]]
    files: Sequence[Path]
    digest: str


def import_file(path: Path) -> ChainFile:
    """Import a chain's file; once for each content of it and of its neighbours.

    While it is imported, its folder is the first on `sys.path`.

    Raises:
        Exception: whatever the file raises.
    """
    path = path.resolve()
    with _lock:
        files = files_of(path)
        digest = digest_of(files)
        package = _package_name(path, digest)
        if package not in _imported:
            _imported[package] = _import(path, files, digest, package)
        return _imported[package]


def plain_names(text: str) -> str:
    """A text with modules called as their authors call them: `helpers` for the `helpers` of one chain."""
    return _PRIVATE.sub("", text)


_lock = threading.RLock()
_folders: dict[str, _Folder] = {}
_imported: dict[str, ChainFile] = {}
_on_path: list[str] = []


class _Folder:
    """A chain's own view of the folder that its file lies in."""

    def __init__(self, *, package: str, path: Path) -> None:
        self.package = package
        self.path = path
        self.builtins: Mapping[str, Any] = {**vars(builtins), "__import__": self._import}

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 (the signature of `__import__`)
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """What an `import` statement of the chain's modules calls."""
        top = name.partition(".")[0]
        if level or not self._has(top):
            return builtins.__import__(name, globals, locals, fromlist, level)
        try:
            module = builtins.__import__(f"{self.package}.{name}", globals, locals, fromlist, 0)
        except ModuleNotFoundError as error:
            error.msg = plain_names(error.msg)
            raise
        return module if fromlist else sys.modules[f"{self.package}.{top}"]

    def _has(self, top: str) -> bool:
        if not may_be_beside(top):
            return False
        if f"{self.package}.{top}" in sys.modules:
            return True
        spec = PathFinder.find_spec(top, [str(self.path)])
        if spec is None or spec.origin is not None:
            return spec is not None
        # A folder without `__init__.py` is a package only if nothing else has its name.
        elsewhere = sys.modules[top].__spec__ if top in sys.modules else importlib.util.find_spec(top)
        return elsewhere is None or elsewhere.origin is None


class _Source(SourceFileLoader):
    """Runs a module of a chain with its folder's `import`; always from source, never from a `.pyc`."""

    def get_code(self, fullname: str) -> CodeType:
        # A `.pyc` is told from a newer source by its size and by whole seconds, which is too coarse
        # for files that are edited while the system runs.
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        package = ".".join(module.__name__.split(".")[:2])
        module.__dict__["__builtins__"] = _folders[package].builtins
        linecache.checkcache(self.path)
        super().exec_module(module)


class _Finder:
    """Finds the modules of chains in their folders, and Python's own never there."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module to load, or None if it is none of a chain's."""
        if path is None:
            if not _on_path or fullname not in sys.stdlib_module_names:
                return None
            return PathFinder.find_spec(
                fullname, [entry for entry in sys.path if entry not in _on_path], target
            )
        spec = PathFinder.find_spec(fullname, path, target) if fullname.startswith(f"{_ROOT}.") else None
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Source(spec.loader.name, spec.loader.path)
        return spec


def _import(path: Path, files: Sequence[Path], digest: str, package: str) -> ChainFile:
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
        sys.modules[_ROOT] = _new_package(_ROOT, [])
    importlib.invalidate_caches()
    sys.modules[package] = _new_package(package, [str(path.parent)])
    _folders[package] = _Folder(package=package, path=path.parent)
    name = f"{package}.{path.stem}"
    try:
        with definitions.apart(), _first_on_path(str(path.parent)):
            module = _execute(name, path)
            chainlets = definitions.take()
    except BaseException:
        for other in [other for other in sys.modules if other == package or other.startswith(f"{package}.")]:
            del sys.modules[other]
        del _folders[package]
        raise
    return ChainFile(module=module, chainlets=chainlets, files=files, digest=digest)


def _execute(name: str, path: Path) -> ModuleType:
    loader = _Source(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise ChainsUsageError(f"{path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def _package_name(path: Path, digest: str) -> str:
    """The same on every machine, so that an exception's class is found by its name on each of them."""
    stem = re.sub(r"\W", "_", path.stem)
    name = f"{_ROOT}.{stem}_{digest[:12]}"
    if name in _folders and _folders[name].path != path.parent:
        # A copy of the folder: what lies in it beside the code may differ.
        name = f"{_ROOT}.{stem}_{hashlib.sha256(f'{digest} {path.parent}'.encode()).hexdigest()[:12]}"
    return name


def _new_package(name: str, path: list[str]) -> ModuleType:
    module = ModuleType(name)
    module.__path__ = path
    module.__spec__ = ModuleSpec(name, None, is_package=True)
    return module


@contextmanager
def _first_on_path(folder: str) -> Iterator[None]:
    """Let imports that no statement makes find the neighbours too; forget those that did, for the next chain."""
    before = set(sys.modules)
    sys.path.insert(0, folder)
    _on_path.append(folder)
    try:
        yield
    finally:
        _on_path.remove(folder)
        if folder in sys.path:
            sys.path.remove(folder)
        for name in set(sys.modules) - before:
            top = name.partition(".")[0]
            if top not in before and may_be_beside(top) and PathFinder.find_spec(top, [folder]):
                del sys.modules[name]
