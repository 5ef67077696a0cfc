"""The classes authors write, and the markers that say what they depend on."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ClassVar, Protocol, Self, TypeVar, cast, overload

from pydantic import ValidationError

from chainlets import definitions
from chainlets.config import RemoteConfig, RPCOptions
from chainlets.context import DeploymentContext, current_call
from chainlets.errors import ChainsRuntimeError, ChainsUsageError

C = TypeVar("C", bound="ChainletBase")

EXAMPLE = """
    class Hello(chains.ChainletBase):
        def __init__(self, words: Words = chains.depends(Words)) -> None:
            self._words = words

        async def run_remote(self, count: int) -> str:
            return await self._words.run_remote(count)"""


class _Marker:
    """Stands in `__init__` for something the runtime passes when it builds the chainlet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        msg = (
            f"`{name}` was read from the marker {self!r}, which is not the thing itself. Markers are default values "
            f"of `__init__` arguments; the runtime passes the real object there:\n{EXAMPLE}"
        )
        raise ChainsRuntimeError(msg)


class DependencyMarker(_Marker):
    """Made by `depends`.

    Attributes:
        options: how the chainlet is called; the defaults if what was given does not do.
        problem: why it does not do; empty if it does.
    """

    def __init__(self, chainlet: type[ChainletBase], given: dict[str, Any]) -> None:
        self.chainlet = chainlet
        self.options, self.problem = RPCOptions(), ""
        try:
            self.options = RPCOptions(**given)
        except ValidationError as error:
            # Told with the other faults of the class that it stands in, which is not known here.
            wrong = [f"`{fault['loc'][0]}` is {fault['input']!r}: {fault['msg']}" for fault in error.errors()]
            self.problem = f"{'; '.join(wrong)}."

    def __repr__(self) -> str:
        return f"depends({getattr(self.chainlet, '__name__', self.chainlet)})"


class ContextMarker(_Marker):
    """Made by `depends_context`."""

    def __repr__(self) -> str:
        return "depends_context()"


class Assembler(Protocol):
    """Provides what the markers stand for while a chainlet is built."""

    def dependency(self, marker: DependencyMarker) -> object:
        """The object to call in place of `marker.chainlet`."""

    def context(self, owner: type[ChainletBase]) -> DeploymentContext:
        """The context for a chainlet class."""

    def adopt(self, chainlet: ChainletBase) -> None:
        """Hear of a chainlet that the author's own code builds, before its `__init__`."""


assembler: ContextVar[Assembler | None] = ContextVar("chainlets_assembler", default=None)
_assembling: ContextVar[bool] = ContextVar("chainlets_assembling", default=False)


class ChainletBase:
    """Base of every chainlet: a class with one public method, `run_remote`.

    `__init__` runs once for each replica; load models and import heavy packages there. What it
    needs it names by default values: `chains.depends(Other)` and `chains.depends_context()`.
    `is_healthy(self) -> bool`, sync or async, may say that a replica has to be built anew.
    """

    remote_config: ClassVar[RemoteConfig] = RemoteConfig()
    meta_data: ClassVar[dict[str, Any]] = {}
    entrypoint_of: ClassVar[str | None] = None
    endpoint_method: ClassVar[str] = "run_remote"
    name: ClassVar[str] = "ChainletBase"
    display_name: ClassVar[str] = "ChainletBase"

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Let whoever provides for this block know, and refuse to be built by another chainlet's code."""
        active = assembler.get()
        instance = super().__new__(cls)
        if _assembling.get():
            _assembling.set(False)  # what its `__init__` builds is the author's doing again
        elif active is not None or current_call.get() is not None:
            _refuse_inside_chainlets(cls)
            if active is not None:
                active.adopt(instance)
        return instance

    def __init__(self) -> None:
        """Nothing to prepare; a chainlet that needs something has its own."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = cls.__name__
        config: object = cls.remote_config
        cls.display_name = (config.name or cls.__name__) if isinstance(config, RemoteConfig) else cls.__name__
        cls.entrypoint_of = None  # the mark is not inherited
        if "__init__" in cls.__dict__:
            cls.__init__ = _provide_markers(cls, cls.__dict__["__init__"])  # type: ignore[method-assign]
        definitions.note(cls)


class ModelBase(ChainletBase):
    """A chain of one chainlet: its method is `predict`, it calls no others, and it is the entrypoint."""

    endpoint_method: ClassVar[str] = "predict"


class TrussChainlet(ChainletBase):
    """Stands for a name of truss_chains that needs Baseten's cloud; deriving from it is reported as a fault."""


class EngineBuilderLLMChainlet(ChainletBase):
    """Stands for a name of truss_chains that needs Baseten's cloud; deriving from it is reported as a fault."""


#: Bases that no author's chain can be built on here, and what to write instead.
CLOUD_BASES: dict[type[ChainletBase], str] = {
    TrussChainlet: "wrap the deployed model: `chains.StubBase.from_url(url, context)` in a chainlet's `__init__`",
    EngineBuilderLLMChainlet: "call the model server with `chains.StubBase.from_url(url, context)` from a chainlet",
}
BASES: tuple[type[ChainletBase], ...] = (ChainletBase, ModelBase, *CLOUD_BASES)


def depends(
    chainlet_cls: type[C],
    retries: int = 1,
    timeout_sec: float = 600.0,
    use_binary: bool = False,  # noqa: FBT001, FBT002 (signature of truss_chains)
    concurrency_limit: int = 300,
) -> C:
    """Say, as the default value of an `__init__` argument, that this chainlet calls another.

    A dependency whose `run_remote` is async is called with `await`; the call starts when it is
    made, so several may be gathered. A plain one is called without, and blocks until it is done.

    Args:
        chainlet_cls: the class to call.
        retries: attempts in all; 0 and 1 both mean one. Between them is a growing pause.
        timeout_sec: seconds an attempt may take once a worker has started it.
        use_binary: send arguments and result as bytes in a file, not as JSON in a row: right for arrays.
        concurrency_limit: calls that one process has under way at a time; more wait.
    """
    given = {
        "retries": retries,
        "timeout_sec": timeout_sec,
        "use_binary": use_binary,
        "concurrency_limit": concurrency_limit,
    }
    return cast("C", DependencyMarker(chainlet_cls, given))


def depends_context() -> DeploymentContext:
    """Ask, as the default value of an `__init__` argument, for the `DeploymentContext`."""
    return cast("DeploymentContext", ContextMarker())


@overload
def mark_entrypoint(cls_or_chain_name: type[C]) -> type[C]: ...
@overload
def mark_entrypoint(cls_or_chain_name: str) -> Callable[[type[C]], type[C]]: ...
def mark_entrypoint(cls_or_chain_name: type[C] | str) -> type[C] | Callable[[type[C]], type[C]]:
    """Mark the chainlet that a run of the chain calls first, with or without naming the chain.

    Raises:
        ChainsUsageError: what is marked is not a chainlet.
    """
    if isinstance(cls_or_chain_name, str):
        return lambda cls: _mark(cls, cls_or_chain_name)
    return _mark(cls_or_chain_name, "")


def _mark(cls: type[C], chain_name: str) -> type[C]:
    if not is_chainlet(cls):
        msg = f"`{cls!r}` is no chainlet, so it cannot be an entrypoint. Mark a class derived from `ChainletBase`."
        raise ChainsUsageError(msg)
    cls.entrypoint_of = chain_name
    return cls


def markers_of(cls: type[ChainletBase]) -> dict[str, DependencyMarker | ContextMarker]:
    """The markers among the arguments of a chainlet's `__init__`, by argument name."""
    parameters = inspect.signature(cls.__init__).parameters
    found = {name: parameter.default for name, parameter in parameters.items()}
    return {
        name: default
        for name, default in found.items()
        if isinstance(default, (DependencyMarker, ContextMarker))
    }


def is_chainlet(value: object) -> bool:
    """Whether a value is a chainlet class."""
    return isinstance(value, type) and issubclass(value, ChainletBase)


def build(cls: type[C], provider: Assembler) -> C:
    """Build a chainlet as the runtime does it: every marker stands for what `provider` gives."""
    active, inside = assembler.set(provider), _assembling.set(True)
    try:
        return cls()
    finally:
        _assembling.reset(inside)
        assembler.reset(active)


def _provide_markers(cls: type[ChainletBase], init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)

    @functools.wraps(init)
    def provided(self: ChainletBase, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        for name, parameter in signature.parameters.items():
            given = bound.arguments.get(name, parameter.default)
            if isinstance(given, _Marker):
                bound.arguments[name] = _resolve(cls, given)
        init(*bound.args, **bound.kwargs)

    return provided


def _resolve(cls: type[ChainletBase], marker: _Marker) -> object:
    active = assembler.get()
    if active is None:
        msg = (
            f"`{cls.__name__}` cannot be built here, because nobody provides {marker!r}. Build it inside "
            f"`with chains.run_local():`, or pass every dependency yourself."
        )
        raise ChainsRuntimeError(msg)
    if isinstance(marker, DependencyMarker):
        return active.dependency(marker)
    return active.context(cls)


def _refuse_inside_chainlets(cls: type[Any]) -> None:
    """Say so if a chainlet is built by another one's code, instead of being a dependency of it."""
    frame = site = sys._getframe(2)  # noqa: SLF001 (whoever calls the class)
    while frame is not None:
        owner = frame.f_locals.get("self")
        inside = frame.f_code.co_name in ("__init__", getattr(owner, "endpoint_method", ""))
        if inside and isinstance(owner, ChainletBase):
            code = inspect.getframeinfo(site).code_context or ["?"]
            msg = (
                f"{site.f_code.co_filename}:{site.f_lineno}: `{type(owner).__name__}.{frame.f_code.co_name}` builds the "
                f"chainlet `{cls.__name__}` itself, in `{code[0].strip()}`. It would not run on hardware of its own. "
                f"Name it as a dependency:\n{EXAMPLE}"
            )
            raise ChainsRuntimeError(msg)
        frame = frame.f_back  # type: ignore[assignment]  # ends with None
