"""Paths that are written relative to the source file they stand in."""

from __future__ import annotations

import inspect
from pathlib import Path

from chainlets.errors import ChainsUsageError, MissingDependencyError


class AbsPath:
    """An absolute path, made by `make_abs_path_here`.

    Whether anything lies there is checked when `abs_path` is read, not before: a chain may be
    loaded on a machine that has no need of the file. Functions that take a path take this too.
    """

    def __init__(self, path: Path, *, written: str, source: Path) -> None:
        self._path = path
        self._written = written
        self._source = source

    @property
    def abs_path(self) -> str:
        """The path as a text.

        Raises:
            MissingDependencyError: there is neither a file nor a folder.
        """
        if not self._path.exists():
            raise MissingDependencyError(
                f"There is nothing at `{self._path}`. {self._source} names it as {self._written!r}; "
                "put the file there, or correct the path, which is relative to the folder of that source."
            )
        return str(self._path)

    def __fspath__(self) -> str:
        return self.abs_path

    def __str__(self) -> str:
        return str(self._path)

    def __repr__(self) -> str:
        return f"AbsPath({str(self._path)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbsPath) and self._path == other._path

    def __hash__(self) -> int:
        return hash(self._path)


def make_abs_path_here(file_path: str | Path) -> AbsPath:
    """Resolve a path against the folder of the module that calls this function.

    Args:
        file_path: such as "requirements.txt" or "../data"; an absolute one stays as it is.

    Raises:
        ChainsUsageError: the caller stands in no file, as in an interactive session.
    """
    frame = inspect.currentframe()
    caller = frame.f_back if frame else None
    source = caller.f_globals.get("__file__") if caller else None
    if source is None:
        raise ChainsUsageError(
            f"`make_abs_path_here({str(file_path)!r})` was called outside any file, so there is no folder to "
            "start from. Write an absolute `pathlib.Path` instead."
        )
    here = Path(source).resolve()
    return AbsPath((here.parent / file_path).resolve(), written=str(file_path), source=here)
