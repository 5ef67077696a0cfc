"""Failures as data, so that they can cross processes, be stored, and be read by a person.

A `Failure` is one level of the story: what was raised, in which call, at which of the author's
lines; `cause` is the level below, down to the root.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import contextlib
import linecache
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from chainlets.errors import CallCancelled, CallError, GenericRemoteException, WorkerLost
from chainlets.importing import plain_names
from chainlets.remote_error import RemoteErrorDetail, StackFrame

_OWN_FOLDER = str(Path(__file__).parent)
_SHIPPED_CHAINS = str(Path(__file__).parent / "chains")
_LIBRARY_FOLDERS = (str(Path(asyncio.__file__).parent.parent),)
_INSTALLED = {"site-packages", "dist-packages"}
_MOST_CAUSES = 8
_NAMED = {kind.__name__: kind for kind in (CallCancelled, GenericRemoteException, WorkerLost)}


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
        chainlet, invocation, attempt, worker: where it happened, as far as known; a failure without
            a chainlet happened in the one above.
        retryable: whether a second try may help.
        status: the HTTP status that the exception asks for by its `status_code`, if it does.
        frames: the author's lines, outermost first.
        cause: the failure that led to this one: of a dependency, or of the author's own code.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    module: str = "builtins"
    message: str
    chainlet: str | None = None
    invocation: str | None = None
    attempt: int | None = None
    worker: str | None = None
    retryable: bool = True
    status: int | None = None
    frames: list[Frame] = []
    cause: Self | None = None

    @property
    def root(self) -> Failure:
        """The failure that everything began with."""
        failure: Failure = self
        while failure.cause is not None:
            failure = failure.cause
        return failure

    @property
    def first_status(self) -> int | None:
        """The HTTP status that the outermost exception with one asks for."""
        failure: Failure | None = self
        while failure is not None and failure.status is None:
            failure = failure.cause
        return failure.status if failure is not None else None

    @property
    def detail(self) -> RemoteErrorDetail:
        """This level alone, in the form of truss_chains."""
        frames = [StackFrame(filename=f.file, lineno=f.line, name=f.name, line=f.code) for f in self.frames]
        return RemoteErrorDetail(
            exception_cls_name=self.type,
            exception_module_name=plain_names(self.module),
            exception_message=self.message,
            user_stack_trace=frames,
        )

    def text(self) -> str:
        """The story from the entrypoint down to the root cause, which is the last line."""
        lines = ["Chainlet-Traceback (most recent call last):", *_story(self)]
        bars = len(lines[-1]) - len(lines[-1].lstrip("│ "))
        last = lines[-1][:bars].replace("│", "╰") + lines[-1][bars:]
        return plain_names("\n".join([*lines[:-1], last]))


def _story(failure: Failure) -> list[str]:
    lines = []
    for frame in failure.frames:
        lines.append(f'  File "{frame.file}", line {frame.line}, in {frame.name}')
        lines += [f"    {frame.code}"] if frame.code else []
    cause = failure.cause
    passed_on = cause is not None and failure.message in (cause.message, f"{cause.type}: {cause.message}")
    said = "" if passed_on else failure.message
    if cause is not None:
        said = f"{said} (showing chained remote errors, root error at the bottom)".lstrip()
    first, *more = f"{failure.type}: {said}".splitlines()
    lines += [first, *(f"  {line}" for line in more)]
    if failure.module not in ("builtins", "__main__"):
        lines.insert(-1 - len(more), f"(Exception class defined in `{failure.module}`.)")
    if cause is not None:
        if cause.chainlet is not None:
            lines.append(f"├─ Error calling dependency Chainlet `{cause.chainlet}`{_place(cause)}.")
            lines.append("│   Chainlet-Traceback (most recent call last):")
        else:
            lines.append("├─ It was raised while this was handled:")
        lines += [f"│   {line}" for line in _story(cause)]
    return lines


def _place(failure: Failure) -> str:
    known = {"invocation": failure.invocation, "attempt": failure.attempt, "worker": failure.worker}
    return "".join(f", {name}={value}" for name, value in known.items() if value is not None)


def failure_from(
    error: BaseException,
    *,
    chainlet: str | None = None,
    invocation: str | None = None,
    attempt: int | None = None,
    worker: str | None = None,
) -> Failure:
    """Describe a raised exception, with the author's frames only."""
    status = getattr(error, "status_code", None)
    return Failure(
        type=type(error).__name__,
        module=type(error).__module__,
        message=_message(error),
        chainlet=chainlet,
        invocation=invocation,
        attempt=attempt,
        worker=worker,
        retryable=bool(getattr(error, "retryable", True)),
        status=status if isinstance(status, int) else None,
        frames=_user_frames(error.__traceback__),
        cause=_cause(error, depth=0),
    )


def exception_from(failure: Failure) -> BaseException:
    """The exception to raise in the caller: of the same class if that is loaded here.

    The result always carries the whole story as its attribute `failure`, and what led to it as
    its `__cause__`.
    """
    error = _same_class(failure)
    if error is None:
        named = _NAMED.get(failure.type)
        kind: type[CallError] = named or GenericRemoteException
        text = failure.message if named else f"{failure.type}: {failure.message}"
        error = kind(text, failure)
    error.failure = failure  # type: ignore[attr-defined]  # any exception may carry it
    if not failure.retryable:
        error.retryable = False  # type: ignore[attr-defined]
    if failure.status is not None and not hasattr(error, "status_code"):
        error.status_code = failure.status  # type: ignore[attr-defined]
    if failure.cause is not None:
        error.__cause__ = exception_from(failure.cause)
    return error


def _same_class(failure: Failure) -> BaseException | None:
    module = builtins if failure.module == "builtins" else sys.modules.get(failure.module)
    kind = getattr(module, failure.type, None)
    if not isinstance(kind, type) or not issubclass(kind, Exception) or issubclass(kind, CallError):
        return None
    try:
        error: Exception = kind() if failure.message == failure.type else kind(*_said(kind, failure.message))
        if str(error) not in ("", failure.message):
            error.args = (failure.message,)  # its `__init__` made a sentence of what is one already
    except Exception:  # noqa: BLE001 (a class that cannot be built from one string is replaced by ours)
        return None
    return error


def _said(kind: type[Exception], message: str) -> tuple[object, ...]:
    """The arguments that make an exception say `message`; a KeyError shows its key as Python writes it."""
    if issubclass(kind, KeyError):
        with contextlib.suppress(ValueError, SyntaxError):
            return (ast.literal_eval(message),)
    return (message,)


def _cause(error: BaseException, *, depth: int) -> Failure | None:
    """What led to an exception: a dependency's failure, or an earlier exception of the same code."""
    found = getattr(error, "failure", None)
    if isinstance(found, Failure):
        return found
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if isinstance(error, BaseExceptionGroup):
        earlier = error.exceptions[0]  # the others are counted in its message
    if earlier is None or depth >= _MOST_CAUSES:
        return None
    remote = getattr(earlier, "failure", None)
    if isinstance(remote, Failure):
        return remote
    below = _cause(earlier, depth=depth + 1)
    frames = _user_frames(earlier.__traceback__)
    if error.__cause__ is None and not frames:
        return below  # a library's own business
    return Failure(
        type=type(earlier).__name__,
        module=type(earlier).__module__,
        message=_message(earlier),
        frames=frames,
        cause=below,
    )


def _message(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        faults = [f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors()]
        return f"{error.title} does not fit. {'; '.join(faults)}"
    return str(error) or type(error).__name__


def _user_frames(trace: TracebackType | None) -> list[Frame]:
    frames = []
    for frame, line in traceback.walk_tb(trace):
        file = frame.f_code.co_filename
        if is_user_file(file):
            code = linecache.getline(file, line).strip()
            frames.append(Frame(file=_short(file), line=line, name=frame.f_code.co_name, code=code))
    return frames


def is_user_file(file: str) -> bool:
    """Whether a source file is an author's: neither ours, but for the chains that come along, nor a library's."""
    if file.startswith(_OWN_FOLDER):
        return file.startswith(_SHIPPED_CHAINS)
    return not file.startswith(("<", *_LIBRARY_FOLDERS)) and not _INSTALLED & set(Path(file).parts)


def _short(file: str) -> str:
    parts = Path(file).parts
    return str(Path(*parts[-3:])) if len(parts) > 3 else file  # noqa: PLR2004 (folder, package, file)
