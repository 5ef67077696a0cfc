"""What a chainlet knows about where it runs, and what it can say while it works.

The functions here act on the call that is under way in this task or thread. Outside a run they
do nothing, so a chainlet behaves the same in a unit test.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, ParamSpec, Protocol, TypeVar

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from chainlets.config import RPCOptions
from chainlets.errors import MissingDependencyError
from chainlets.hearing import Said, listeners

P = ParamSpec("P")
T = TypeVar("T")

LogLevel = Literal["debug", "info", "warning", "error"]
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_log = logging.getLogger("chainlets.call")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The named environment a chain is deployed in."""

    name: str


@dataclass(frozen=True, kw_only=True)
class DeployedServiceDescriptor:
    """A chainlet that is served elsewhere.

    Attributes:
        name: its class.
        display_name: as people call it.
        options: how it is called.
        predict_url: where, in full.
        internal_url: where inside the other network; used if `predict_url` is missing.
    """

    name: str
    display_name: str = ""
    options: RPCOptions = field(default_factory=RPCOptions)
    predict_url: str | None = None
    internal_url: Any = None


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
        chainlet_to_service: addresses of services elsewhere, by chainlet name; empty unless given to `run_local`.
    """

    secrets: Secrets = field(default_factory=lambda: Secrets({}))
    data_dir: Path | None = None
    environment: Environment | None = None
    chainlet_to_service: Mapping[str, DeployedServiceDescriptor] = field(default_factory=dict)

    def get_service_descriptor(self, chainlet_name: str) -> DeployedServiceDescriptor:
        """Where a service elsewhere is reached.

        Raises:
            MissingDependencyError: none of that name was given.
        """
        if chainlet_name not in self.chainlet_to_service:
            known = ", ".join(f"`{name}`" for name in self.chainlet_to_service) or "none"
            msg = f"There is no service `{chainlet_name}`; known: {known}. Pass it: `run_local(chainlet_to_service={{…}})`."
            raise MissingDependencyError(msg)
        return self.chainlet_to_service[chainlet_name]

    def get_baseten_api_key(self) -> str:
        """The secret `baseten_chain_api_key`, for calls to services on Baseten.

        Raises:
            MissingDependencyError: it was not declared or not provided.
        """
        return self.secrets["baseten_chain_api_key"]


@dataclass(frozen=True, kw_only=True)
class CallInfo:
    """Which call this is.

    Attributes:
        run_id: the run it belongs to; `invocation_id` is the call's own.
        attempt: 1 for the first try.
        worker: the process it runs in.
    """

    run_id: str
    chain: str
    chainlet: str
    invocation_id: str
    attempt: int
    worker: str


class Call(Protocol):
    """The call under way, as the runtime sees it."""

    @property
    def info(self) -> CallInfo:
        """Which call it is."""

    def log(self, level: str, message: str, fields: dict[str, Any]) -> None:
        """Keep a line with the call."""

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
    """Show a partial result to whoever watches the run, at once.

    Raises:
        ValueError: it holds something that cannot be written as JSON.
    """
    data: dict[str, Any] = to_jsonable_python(partial)
    call = _speaker("partial", data)
    if call is not None:
        call.emit(data)


def progress(done: float, total: float, message: str = "") -> None:
    """Say how far the work is.

    Args:
        done: how much is done, in the unit of `total`.
        total: how much there is to do.
        message: what is being done, in a word or two.
    """
    call = _speaker("progress", {"done": done, "total": total, "message": message})
    if call is not None:
        call.progress(done, total, message)


def warn(message: str) -> None:
    """Tell the person who started the run something they should know, in a sentence."""
    call = _speaker("warning", {"message": message})
    if call is not None:
        call.warn(message)


def log(message: str, *, level: LogLevel = "info", **fields: Any) -> None:
    """Keep a line with this call, to be read beside it in the run; it goes to the worker's log too.

    Args:
        message: a sentence.
        level: how much it matters.
        fields: JSON values that belong to it, by name.
    """
    data = to_jsonable_python(fields, fallback=str)
    call = _speaker("log", {"level": level, "message": message, "fields": data})
    if call is not None:
        call.log(level, message, data)
    else:
        _log.log(_LEVELS[level], "%s", message)


def _speaker(kind: str, data: Mapping[str, Any]) -> Call | None:
    """The call under way, after whoever listens in this process has heard what it says."""
    call = current_call.get()
    if listeners:
        said = Said(kind=kind, chainlet=call.info.chainlet if call is not None else None, data=data)
        for listener in listeners:
            listener(said)
    return call


def info() -> CallInfo | None:
    """Which call this is; None outside a run."""
    call = current_call.get()
    return call.info if call is not None else None


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
