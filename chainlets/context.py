"""What a chainlet knows about where it runs, and what it can say while it works.

The functions here act on the call that is under way in this task or thread. Outside a run they
do nothing, so a chainlet behaves the same in a unit test.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from pydantic import BaseModel

from chainlets.errors import MissingDependencyError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The named environment a chain is deployed in."""

    name: str


class Secrets(Mapping[str, str]):
    """The secrets a chainlet declared, by key; a key that it did not declare cannot be read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> str:
        try:
            return self._values[key]
        except KeyError:
            msg = f"The secret {key!r} is not provided. Add it to `Assets(secret_keys=[…])` and to the settings."
            raise MissingDependencyError(msg) from None

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __repr__(self) -> str:
        return f"Secrets({', '.join(f'{key}=***' for key in self._values)})"


@dataclass(frozen=True, kw_only=True)
class DeploymentContext:
    """What `depends_context()` gives.

    Attributes:
        secrets: the declared keys only.
        data_dir: a folder that outlives calls, for downloaded data; None where there is none.
        environment: None unless the chain is deployed under a name.
        chainlet_to_service: addresses of services elsewhere; empty unless given to `run_local`.
    """

    secrets: Secrets = field(default_factory=lambda: Secrets({}))
    data_dir: Path | None = None
    environment: Environment | None = None
    chainlet_to_service: Mapping[str, Any] = field(default_factory=dict)


class Call(Protocol):
    """The call under way, as the runtime sees it."""

    def emit(self, data: dict[str, Any]) -> None:
        """Publish a partial result."""

    def progress(self, done: float, total: float, message: str) -> None:
        """Publish how far the call is."""

    def warn(self, message: str) -> None:
        """Publish a sentence for the person who started the run."""

    def cancelled(self) -> bool:
        """Whether the result is no longer wanted."""

    def scratch_dir(self) -> Path:
        """A private folder, removed after the call."""


current_call: ContextVar[Call | None] = ContextVar("chainlets_current_call", default=None)


def emit(partial: BaseModel | dict[str, Any]) -> None:
    """Show a partial result to whoever watches the run, at once."""
    call = current_call.get()
    if call is not None:
        call.emit(partial.model_dump(mode="json") if isinstance(partial, BaseModel) else partial)


def progress(done: float, total: float, message: str = "") -> None:
    """Say how far the work is.

    Args:
        done: how much is done, in the unit of `total`.
        total: how much there is to do.
        message: what is being done, in a word or two.
    """
    call = current_call.get()
    if call is not None:
        call.progress(done, total, message)


def warn(message: str) -> None:
    """Tell the person who started the run something they should know, in a sentence."""
    call = current_call.get()
    if call is not None:
        call.warn(message)


def cancelled() -> bool:
    """Whether the result of this call is no longer wanted; ask now and then in long loops."""
    call = current_call.get()
    return call is not None and call.cancelled()


def scratch_dir() -> Path:
    """A private temporary folder of this call, beside the file store, removed after the call.

    Outside a run it is removed when the process ends.
    """
    call = current_call.get()
    return call.scratch_dir() if call is not None else temporary_folder()


def temporary_folder() -> Path:
    """A new folder that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="chainlets-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


async def offload(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking code on a thread, so that the event loop goes on; context variables are kept."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(None, lambda: context.run(fn, *args, **kwargs))
