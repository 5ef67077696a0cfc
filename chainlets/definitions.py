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
from typing import Any

_Waiting = list["weakref.ref[type[Any]]"]
_everywhere: _Waiting = []
_waiting: ContextVar[_Waiting] = ContextVar("chainlets_definitions", default=_everywhere)
_OWN = "chainlets."


def note(cls: type[Any]) -> None:
    """A class was defined."""
    if not cls.__module__.startswith(_OWN) or cls.__module__.startswith(f"{_OWN}chains."):
        _waiting.get().append(weakref.ref(cls))


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


def _tell_at_exit() -> None:
    left = take()
    if not left:
        return
    from chainlets.validation import faults_of

    with contextlib.suppress(Exception):
        faults = [fault for cls in left for fault in faults_of(cls)]
        if faults:
            sys.stderr.write("These chainlets are not right yet:\n")
            sys.stderr.writelines(f"{fault}\n" for fault in faults)


atexit.register(_tell_at_exit)
