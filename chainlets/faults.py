"""What is wrong with the source of a chain, said with file, line, class and what to write instead.

Faults are collected, not raised one by one, so that an author sees all of them together.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

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
        line: where the method begins, or the class if no method is to blame; 0 if unknown.
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

    def add(self, kind: FaultKind, message: str, *, method: str = "", example: str = "") -> None:
        """Note a fault, with an example of how it is written right."""
        path, line = _place(self._cls, method)
        text = f"{message} Write, for example:\n{example}" if example else message
        self.found.append(
            Fault(path=path, line=line, chainlet=self._cls.__name__, method=method, kind=kind, message=text)
        )


def raise_faults(faults: Iterable[Fault | str]) -> None:
    """Raise all of them together, one to a line; nothing if there are none.

    Raises:
        ChainsUsageError: there is at least one.
    """
    texts = list(dict.fromkeys(str(fault) for fault in faults))
    if texts:
        raise ChainsUsageError("\n".join(texts))


def _place(cls: type[Any], method: str) -> tuple[str, int]:
    source: type[Any] | Callable[..., Any] = cls
    if method:
        found = getattr(inspect.getattr_static(cls, method, None), "__func__", None) or getattr(
            cls, method, None
        )
        if inspect.isfunction(found):
            source = inspect.unwrap(found)
    try:
        line = inspect.getsourcelines(source)[1]
        path = Path(inspect.getsourcefile(source) or "?")
    except (OSError, TypeError):
        return "?", 0
    try:
        return str(path.relative_to(Path.cwd())), line
    except (ValueError, OSError):
        return str(path), line
