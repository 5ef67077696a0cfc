"""Finds the files that a chain's file imports from its own folder, without running any of them."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_OURS = __name__.partition(".")[0]


def may_be_beside(top: str) -> bool:
    """Whether a top-level module of this name is looked for beside the file that imports it.

    Python's own modules are not: a chain called `email.py` must not take the place of `email`.
    """
    return top != _OURS and top not in sys.stdlib_module_names


def files_of(path: Path) -> tuple[Path, ...]:
    """A chain's file and those beside it that it imports, at the top or inside a function.

    Args:
        path: absolute; its folder is where `import helpers` is looked up.

    Returns:
        The file first, then the others, sorted; of a package, all its modules.
    """
    folder, found, waiting = path.parent, {path}, [path]
    while waiting:
        for top in _imported(waiting.pop()):
            new = set(_sources(folder, top)) - found
            found |= new
            waiting += new
    return (path, *sorted(found - {path}))


def digest_of(files: Sequence[Path]) -> str:
    """A hash of what the files hold and of where they lie beside the first; in hexadecimal."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(files[0].parent).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _imported(file: Path) -> Iterator[str]:
    """The top-level names that a file imports; none if it cannot be read, which its import will tell."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def _sources(folder: Path, top: str) -> list[Path]:
    if not may_be_beside(top):
        return []
    package = folder / top
    if package.is_dir():
        return sorted(package.rglob("*.py"))
    module = folder / f"{top}.py"
    return [module] if module.is_file() else []
