"""Failures as data, so that they can cross processes, be stored, and be read by a person.

A `Failure` is one level of the story: what was raised, in which call, at which of the author's
lines; `cause` is the level below, down to the root.
"""

from __future__ import annotations

import asyncio
import builtins
import linecache
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from chainlets.errors import CallCancelled, CallError, GenericRemoteException, WorkerLost

_OWN_FOLDER = str(Path(__file__).parent)
_SHIPPED_CHAINS = str(Path(__file__).parent / "chains")
_LIBRARY_FOLDERS = (str(Path(asyncio.__file__).parent.parent),)


class Frame(BaseModel):
    """One of the author's lines on the way to a failure."""

    model_config = ConfigDict(frozen=True)

    file: str
    line: int
    name: str
    code: str = ""


class Failure(BaseModel):
    """Why an invocation failed.

    Attributes:
        type: class name of the exception; `module` is where that class lives.
        message: what it said.
        chainlet, invocation, attempt: where it happened, as far as known.
        retryable: whether a second try may help.
        frames: the author's lines, outermost first.
        cause: the failure of the dependency that led to this one.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    module: str = "builtins"
    message: str
    chainlet: str | None = None
    invocation: str | None = None
    attempt: int | None = None
    retryable: bool = True
    frames: list[Frame] = []
    cause: Self | None = None

    @property
    def root(self) -> Failure:
        """The failure that everything began with."""
        failure: Failure = self
        while failure.cause is not None:
            failure = failure.cause
        return failure

    def text(self, depth: int = 0) -> str:
        """The story from the entrypoint to the root cause, one indented block a level."""
        bar = "│   " * depth
        where = f" in {self.chainlet}" if self.chainlet else ""
        lines = [f"{bar}{self.type}{where}: {self.message}"]
        lines += [f"{bar}  {f.file}:{f.line} in {f.name}: {f.code}" for f in self.frames]
        if self.cause is not None:
            lines.append(f"{bar}╰─ because a dependency failed:")
            lines.append(self.cause.text(depth + 1))
        return "\n".join(lines)


def failure_from(
    error: BaseException,
    *,
    chainlet: str | None = None,
    invocation: str | None = None,
    attempt: int | None = None,
) -> Failure:
    """Describe a raised exception, with the author's frames only."""
    cause = _remote_cause(error)
    return Failure(
        type=type(error).__name__,
        module=type(error).__module__,
        message=_message(error),
        chainlet=chainlet,
        invocation=invocation,
        attempt=attempt,
        retryable=bool(getattr(error, "retryable", True)),
        frames=_user_frames(error.__traceback__),
        cause=cause,
    )


def exception_from(failure: Failure) -> BaseException:
    """The exception to raise in the caller: of the same class if that is loaded here.

    The result always carries the whole story as its attribute `failure`.
    """
    error = _same_class(failure)
    if error is None:
        named = {"WorkerLost": WorkerLost, "CallCancelled": CallCancelled}.get(failure.type)
        kind: type[CallError] = named or GenericRemoteException
        text = failure.message if named else f"{failure.type}: {failure.message}"
        return kind(text, failure)
    error.failure = failure  # type: ignore[attr-defined]  # any exception may carry it
    return error


def _same_class(failure: Failure) -> BaseException | None:
    module = builtins if failure.module == "builtins" else sys.modules.get(failure.module)
    kind = getattr(module, failure.type, None)
    if not isinstance(kind, type) or not issubclass(kind, Exception) or issubclass(kind, CallError):
        return None
    try:
        return kind(failure.message)
    except Exception:  # noqa: BLE001 (a class that cannot be built from one string is replaced by ours)
        return None


def _remote_cause(error: BaseException) -> Failure | None:
    seen: BaseException | None = error
    while seen is not None:
        found = getattr(seen, "failure", None)
        if isinstance(found, Failure):
            return found
        seen = seen.__cause__ or seen.__context__
    return None


def _message(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        faults = [f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors()]
        return f"{error.title} does not fit. {'; '.join(faults)}"
    return str(error) or type(error).__name__


def _user_frames(trace: TracebackType | None) -> list[Frame]:
    frames = []
    for frame, line in traceback.walk_tb(trace):
        file = frame.f_code.co_filename
        if _is_user_file(file):
            code = linecache.getline(file, line).strip()
            frames.append(Frame(file=_short(file), line=line, name=frame.f_code.co_name, code=code))
    return frames


def _is_user_file(file: str) -> bool:
    if file.startswith(_OWN_FOLDER):
        return file.startswith(_SHIPPED_CHAINS)
    return not file.startswith(("<", *_LIBRARY_FOLDERS))


def _short(file: str) -> str:
    parts = Path(file).parts
    return str(Path(*parts[-3:])) if len(parts) > 3 else file  # noqa: PLR2004 (folder, package, file)
