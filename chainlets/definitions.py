"""Remembers the chainlet classes that were defined and not yet checked.

A class cannot be checked while its own module is still being executed, because its annotations
may name what stands below it. So classes wait here until a chain is loaded or `run_local` begins.
If neither comes, their faults are printed when the process ends, and not lost.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

_Waiting = list["weakref.ref[type[Any]]"]
_everywhere: _Waiting = []
_waiting: ContextVar[_Waiting] = ContextVar("chainlets_definitions", default=_everywhere)
_places: WeakKeyDictionary[type[Any], tuple[str, int]] = WeakKeyDictionary()
_OWN = "chainlets."


def note(cls: type[Any]) -> None:
    """A class was defined, by whoever called its `__init_subclass__`."""
    _places[cls] = _definition_under_way(cls.__module__)
    if not cls.__module__.startswith(_OWN) or cls.__module__.startswith(f"{_OWN}chains."):
        _waiting.get().append(weakref.ref(cls))


def place_of(cls: type[Any]) -> tuple[str, int]:
    """The file and the line that a class was defined in; "?" and 0 if nobody saw it."""
    return _places.get(cls, ("?", 0))


def forget(cls: type[Any]) -> None:
    """A class was checked, and its faults, if any, were told."""
    waiting = _waiting.get()
    waiting[:] = [ref for ref in waiting if ref() not in (None, cls)]


def take() -> list[type[Any]]:
    """The classes that wait, in the order of their definition; they wait no more."""
    waiting = _waiting.get()
    found = [cls for ref in waiting if (cls := ref()) is not None]
    waiting.clear()
    return found


@contextmanager
def apart() -> Iterator[None]:
    """Keep the classes that are defined inside the block apart from all others, for `take` inside the block."""
    token = _waiting.set([])
    try:
        yield
    finally:
        _waiting.reset(token)


def _definition_under_way(module: str) -> tuple[str, int]:
    # Python itself does not know the line before 3.13, and nothing of a script once that has ended.
    frame: FrameType | None = sys._getframe()  # noqa: SLF001
    while frame is not None:
        if frame.f_globals.get("__name__") == module and frame.f_code.co_name != "__init_subclass__":
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "?", 0


def _tell_at_exit() -> None:
    left = take()
    if not left:
        return
    from chainlets.validation import faults_of

    with contextlib.suppress(Exception):
        faults = dict.fromkeys(str(fault) for cls in left for fault in faults_of(cls))
        if faults:
            sys.stderr.write("These chainlets are not right yet:\n")
            sys.stderr.writelines(f"{fault}\n" for fault in faults)


atexit.register(_tell_at_exit)
