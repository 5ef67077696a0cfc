"""Tells whether a chainlet's code has changed: one digest for each chainlet of a chain.

A result stands for as long as nothing that made it is different. So a chainlet's digest covers the
file of its class without the other chainlets in it, the files that this one imports from its own
folder or package, and the same of every chainlet below it. What is installed, models, settings and
the environment are not looked at.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from chainlets.chainlet import ChainletBase, is_chainlet
from chainlets.describe import ChainletDescriptor
from chainlets.neighbours import may_be_beside

_SDK = Path(__file__).parent
_INSTALLED = {"site-packages", "dist-packages"}


def code_digests(chainlets: Mapping[str, ChainletDescriptor]) -> dict[str, str]:
    """A digest for each chainlet, in hexadecimal; empty for one whose source cannot be had."""
    own = {name: _own(descriptor.cls) for name, descriptor in chainlets.items()}
    calls = {name: [d.chainlet.__name__ for d in one.dependencies] for name, one in chainlets.items()}
    below = {name: sorted(_reach(name, calls)) for name in own}
    known = {name for name in own if all(own[other] for other in below[name])}
    return {
        name: _together((other, own[other]) for other in below[name]) if name in known else "" for name in own
    }


def relevant(text: str, name: str, chainlets: Collection[str]) -> str:
    """A file's text without what a chainlet in it has nothing to do with.

    Args:
        text: of the file.
        name: the chainlet's class.
        chainlets: all classes of the file that are chainlets. Those that `name` does not mention, nor
            anything that it mentions, are left out; so is what only runs as a script, and empty lines.
    """
    tree = ast.parse(text)
    named = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    defined = {node.name: node for node in tree.body if isinstance(node, named)}
    mentions = {own: _names(node) & defined.keys() for own, node in defined.items()}
    wanted = _reach(name, mentions) if name in defined else set(defined)
    left_out = [defined[other] for other in chainlets if other in defined and other not in wanted]
    scripts = [node for node in tree.body if isinstance(node, ast.If) and "__name__" in _names(node.test)]
    cut = {line for node in (*left_out, *scripts) for line in _lines(node)}
    kept = (line for number, line in enumerate(text.splitlines(), 1) if number not in cut)
    return "\n".join(line for line in kept if line.strip())


def files_behind(path: Path) -> list[Path]:
    """The files that a file imports from its own folder or package, and those that they import; sorted."""
    found, waiting = {path}, [path]
    while waiting:
        new = set(_imported(waiting.pop())) - found
        found |= new
        waiting += new
    return sorted(found - {path})


def _own(cls: type[ChainletBase]) -> str:
    """A digest of what stands behind a class alone."""
    try:
        path = Path(inspect.getsourcefile(cls) or "").resolve()
        text = path.read_text(encoding="utf-8")
        classes = vars(sys.modules[cls.__module__])
        chainlets = [name for name, value in classes.items() if is_chainlet(value)]
        parts = [(cls.__qualname__, relevant(text, cls.__name__, chainlets))]
        parts += [(file.name, file.read_text(encoding="utf-8")) for file in files_behind(path)]
    except (OSError, TypeError, KeyError, ValueError, SyntaxError):
        return ""  # typed into an interpreter, or its file is gone
    return _together(parts)


def _together(parts: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, text in parts:
        digest.update(f"{name}\0{len(text)}\0{text}".encode())
    return digest.hexdigest()[:32]


def _reach(start: str, edges: Mapping[str, Collection[str]]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        new = set(edges.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def _names(node: ast.AST) -> set[str]:
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}


def _lines(node: ast.stmt) -> range:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return range(first, (node.end_lineno or first) + 1)


def _imported(file: Path) -> list[Path]:
    stat = file.stat()
    return _imports(file, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(512)
def _imports(file: Path, *_: int) -> list[Path]:
    """The files that a file imports itself; the numbers say which content is meant."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return []
    found = (_find(start, parts) for node in ast.walk(tree) for start, parts in _wanted(file, node))
    return [path for path in found if path is not None and not _is_sdk(path)]


def _wanted(file: Path, node: ast.AST) -> Iterator[tuple[Path, list[str]]]:
    """Where a statement looks for what it imports: a folder, and the way from there."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _absolute(file, alias.name.split("."))
    elif isinstance(node, ast.ImportFrom):
        parts = node.module.split(".") if node.module else []
        for alias in node.names:
            if node.level:
                yield file.parents[node.level - 1], [*parts, alias.name]
            else:
                yield from _absolute(file, [*parts, alias.name])


def _absolute(file: Path, parts: list[str]) -> Iterator[tuple[Path, list[str]]]:
    folder = file.parent
    while (folder / "__init__.py").is_file():
        if folder.name == parts[0]:
            yield folder.parent, parts
        folder = folder.parent
    if may_be_beside(parts[0]) and not _INSTALLED & set(file.parent.parts):
        yield file.parent, parts


def _find(start: Path, parts: list[str]) -> Path | None:
    """The file of the longest beginning of a dotted name that is a module or a package."""
    for length in range(len(parts), 0, -1):
        way = start.joinpath(*parts[:length])
        for path in (way.with_name(f"{way.name}.py"), way / "__init__.py"):
            if path.is_file():
                return path
    return None


def _is_sdk(path: Path) -> bool:
    return path.is_relative_to(_SDK) and not path.is_relative_to(_SDK / "chains")
