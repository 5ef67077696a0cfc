"""Finds the chain that a command is about: in a file, or among those that come along."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path

from chainlets.commands.refused import Refused
from chainlets.errors import ChainsUsageError
from chainlets.failure import failure_from, is_user_file
from chainlets.graph import Chain, chain_from
from chainlets.importing import ChainFile, import_file, plain_names
from chainlets.loading import chain_of, find_entrypoint

_PACKAGE = __name__.partition(".")[0]
_SHIPPED = Path(__file__).parents[1] / "chains"


def open_chain(target: str, *, entrypoint: str | None = None) -> Chain:
    """The chain that is meant.

    Args:
        target: the path of a file, or the name of a shipped chain.
        entrypoint: the class to begin with, by name; the marked or the only one by default.

    Raises:
        Refused: there is no such file or chain.
        ChainsUsageError: its source is wrong; all faults together.
    """
    path = Path(target)
    if path.is_file():
        return chain_of(_imported(path), entrypoint=entrypoint)
    if path.suffix == ".py" or path.name != target:
        raise Refused(f"There is no file `{target}`.")
    names = sorted(found.parent.name for found in _SHIPPED.glob("*/__init__.py"))
    if target not in names:
        known = ", ".join(f"`{name}`" for name in names)
        raise Refused(
            f"There is no file `{target}`, and no chain of this name comes along. There are: {known}."
        )
    module = importlib.import_module(f"{_PACKAGE}.{_SHIPPED.name}.{target}")
    return chain_from(find_entrypoint(module, entrypoint))


def _imported(path: Path) -> ChainFile:
    try:
        return import_file(path)
    except (Exception, SystemExit) as error:
        raise ChainsUsageError(_where_and_why(path, error)) from error


def _where_and_why(path: Path, error: BaseException) -> str:
    """One line about an error that a file raised while it was imported."""
    if isinstance(error, SyntaxError):
        return f"{_shown(error.filename or str(path))}:{error.lineno}: {error.msg}."
    lines = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if is_user_file(frame.f_code.co_filename)
    ]
    file, line = lines[-1] if lines else (str(path), 1)
    said = failure_from(error).message
    if not isinstance(error, ChainsUsageError):
        said = f"{type(error).__name__}: {said}"
    if isinstance(error, ModuleNotFoundError):
        said += ". Install it into the Python that runs this, or put its file beside this one."
    return plain_names(f"{_shown(file)}:{line}: {said}")


def _shown(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
