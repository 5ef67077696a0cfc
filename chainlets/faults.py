"""What is wrong with the source of a chain, said with file, line, class and what to write instead.

Faults are collected, not raised one by one, so that an author sees all of them together.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FunctionType
from typing import Any

from chainlets.chainlet import is_chainlet
from chainlets.definitions import place_of
from chainlets.errors import ChainsUsageError


class FaultKind(StrEnum):
    """Which rule is broken; the names are those of truss_chains."""

    TYPE_ERROR = "TYPE_ERROR"
    IO_TYPE_ERROR = "IO_TYPE_ERROR"
    MISSING_API_ERROR = "MISSING_API_ERROR"
    INVALID_CONFIG_ERROR = "INVALID_CONFIG_ERROR"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One broken rule.

    Attributes:
        path: the source file, relative to the working directory if it lies below.
        line: of the `def`, or of the `class` if no method is to blame; 0 if unknown.
        chainlet: the class whose source is wrong; one that others derive from is named itself.
        method: empty if the class as a whole is meant.
    """

    path: str
    line: int
    chainlet: str
    method: str
    kind: FaultKind
    message: str

    def __str__(self) -> str:
        where = f"{self.chainlet}.{self.method}" if self.method else self.chainlet
        return f"{self.path}:{self.line} ({where}) [kind: {self.kind}]: {self.message}"


class Faults:
    """The faults found in one chainlet class."""

    def __init__(self, cls: type[Any]) -> None:
        self._cls = cls
        self.found: list[Fault] = []

    def add(
        self, kind: FaultKind, message: str, *, method: str = "", attribute: str = "", example: str = ""
    ) -> None:
        """Note a fault.

        Args:
            kind: which rule.
            message: what is wrong, as sentences.
            method: the one to blame.
            attribute: the class variable to blame, if no method is.
            example: how it is written right.
        """
        cls = _owner(self._cls, method or attribute)
        path, line = place(cls, method)
        text = f"{message} Write, for example:\n{example}" if example else message
        self.found.append(
            Fault(path=path, line=line, chainlet=cls.__name__, method=method, kind=kind, message=text)
        )


def raise_faults(faults: Iterable[Fault | str]) -> None:
    """Raise all of them together, one to a line; nothing if there are none.

    Raises:
        ChainsUsageError: there is at least one.
    """
    told = {str(fault): fault for fault in faults}
    if told:
        error = ChainsUsageError("\n".join(told))
        error.faults = tuple(told.values())
        raise error


def _owner(cls: type[Any], attribute: str) -> type[Any]:
    """The chainlet that an attribute comes from: derived ones have the same fault, which is told once."""
    return next((base for base in cls.__mro__ if attribute in vars(base) and is_chainlet(base)), cls)


def place(cls: type[Any], method: str = "") -> tuple[str, int]:
    """The file and the line where a class is defined, or one of its methods."""
    function = _function(inspect.getattr_static(cls, method, None)) if method else None
    path, line = place_of(cls)
    if function is not None:
        path, line = function.__code__.co_filename, function.__code__.co_firstlineno
    try:
        shown = str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        shown = path
    return shown, _below_decorators(path, line)


def _function(raw: Any) -> FunctionType | None:
    inner = getattr(raw, "__func__", None) or getattr(raw, "fget", None) or raw
    return inspect.unwrap(inner) if inspect.isfunction(inner) else None


def _below_decorators(path: str, line: int) -> int:
    """Where the definition itself begins, of which Python knows the line of the first decorator."""
    linecache.checkcache(path)
    lines = linecache.getlines(path)
    if line <= len(lines) and lines[line - 1].lstrip().startswith("@"):
        for number in range(line, len(lines) + 1):
            if lines[number - 1].lstrip().startswith(("def ", "async def ", "class ")):
                return number
    return line
