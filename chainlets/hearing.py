"""Lets a program hear what chainlets say while they work in its own process.

The functions of `chainlets.context` act on a run, and under `run_local` there is none to look
into. Whoever starts a chain there can listen instead, as the command line does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Said:
    """One thing that a chainlet said.

    Attributes:
        kind: "progress", "partial", "warning" or "log", as in the history of a run.
        chainlet: who said it; None where calls are plain Python calls, which leave no trace of it.
        data: as in the history of a run.
    """

    kind: str
    chainlet: str | None
    data: Mapping[str, Any]


Listener = Callable[[Said], None]
listeners: list[Listener] = []


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let `listener` hear all that chainlets of this process say inside the block, on whichever thread."""
    listeners.append(listener)
    try:
        yield
    finally:
        listeners.remove(listener)
