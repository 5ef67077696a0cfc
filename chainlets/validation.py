"""The rules for the source of a chainlet: each finds its faults and says how it is written right."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import Any

from chainlets import definitions
from chainlets.chainlet import (
    BASES,
    CLOUD_BASES,
    EXAMPLE,
    ChainletBase,
    ContextMarker,
    DependencyMarker,
    ModelBase,
    is_chainlet,
    markers_of,
)
from chainlets.config import RemoteConfig
from chainlets.context import DeploymentContext
from chainlets.endpoint import Endpoint, Shape
from chainlets.faults import Fault, FaultKind, Faults
from chainlets.sendable import alternatives, shown
from chainlets.signatures import read_endpoint

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_LETTERS = "may have only a-z, A-Z, digits, `_` and `-`."
_DEPENDS = EXAMPLE.strip("\n")
_OPTIONS = "    {name}: {target} = chains.depends({target}, retries=3, timeout_sec=60.0)"
_HEALTH = "    async def is_healthy(self) -> bool: ..."
_CONTEXT = "    def __init__(self, context: chains.DeploymentContext = chains.depends_context()) -> None: ..."
_CONFIG = '    remote_config = chains.RemoteConfig(compute=chains.Compute(cpu_count=2, memory="4Gi"))'


def faults_of(cls: type[ChainletBase]) -> list[Fault]:
    """Everything that is wrong with one class, apart from what it depends on."""
    return check(cls)[1]


def check(cls: type[ChainletBase]) -> tuple[Endpoint | None, list[Fault]]:
    """Read a class: its endpoint, unless that is wrong, and its faults."""
    definitions.forget(cls)
    faults = Faults(cls)
    if (base := next((base for base in CLOUD_BASES if issubclass(cls, base)), None)) is not None:
        text = (
            f"`{base.__name__}` needs Baseten's cloud and cannot be built here. Instead, {CLOUD_BASES[base]}."
        )
        faults.add(FaultKind.TYPE_ERROR, text)
        return None, faults.found
    endpoint = read_endpoint(cls, faults)
    _check_init(cls, faults)
    _check_body(cls, faults)
    _check_health(cls, faults)
    _check_config(cls, endpoint, faults)
    return endpoint, faults.found


def _check_init(cls: type[ChainletBase], faults: Faults) -> None:
    def add(text: str, example: str = "") -> None:
        faults.add(FaultKind.TYPE_ERROR, text, method="__init__", example=example)

    markers = markers_of(cls)
    init = inspect.unwrap(cls.__init__)
    hints = _hints(init)
    if inspect.iscoroutinefunction(init):
        add(
            "`__init__` cannot be `async def`, because nobody awaits it. Do in `run_remote` what needs `await`."
        )
    for name, parameter in list(inspect.signature(init).parameters.items())[1:]:
        marker: object = markers.get(name)
        hint: Any = hints.get(name)
        if isinstance(marker, DependencyMarker):
            _check_dependency(cls, name, marker, hint, faults)
        elif isinstance(marker, ContextMarker):
            if hint not in (None, Any, object) and DeploymentContext not in alternatives(hint):
                add(f"`{name}` gets the context and is annotated `{shown(hint)}`.", _CONTEXT)
        elif hint is DeploymentContext:
            add(f"the context `{name}` has no marker, so nobody passes it.", _CONTEXT)
        elif parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            other = hint.__name__ if is_chainlet(hint) else "Other"
            add(
                f"the argument `{name}` is neither a dependency nor the context. Write "
                f"`{name}: {other} = chains.depends({other})`, or set it as a class variable."
            )
    if sum(isinstance(marker, ContextMarker) for marker in markers.values()) > 1:
        add("the context is asked for twice.", _CONTEXT)
    if issubclass(cls, ModelBase) and any(isinstance(m, DependencyMarker) for m in markers.values()):
        text = "a `ModelBase` is a chain of its own and calls no others. Derive from `chains.ChainletBase` to call some."
        add(text, _DEPENDS)


def _check_body(cls: type[ChainletBase], faults: Faults) -> None:
    """Markers mean something in `__init__` only."""
    for base in cls.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, (DependencyMarker, ContextMarker)):
                text = f"`{name} = {value!r}` stands in the class body, where nobody replaces it by the real thing."
                faults.add(FaultKind.TYPE_ERROR, text, attribute=name, example=_DEPENDS)


def _check_dependency(
    cls: type[ChainletBase], name: str, marker: DependencyMarker, hint: Any, faults: Faults
) -> None:
    def add(text: str, example: str = "", kind: FaultKind = FaultKind.TYPE_ERROR) -> None:
        faults.add(kind, text, method="__init__", example=example)

    target: Any = marker.chainlet
    if not is_chainlet(target) or target in BASES:
        given = f"the class `{target.__name__}`" if isinstance(target, type) else f"`{target!r}`"
        if isinstance(target, ChainletBase):
            given = f"an object of the class `{type(target).__name__}`"
        add(
            f"`depends` takes a chainlet class, and `{name}` gives it {given}.",
            _DEPENDS,
        )
        return
    if marker.problem:
        text = f"in `{name} = chains.depends({target.__name__}, …)`, {marker.problem}"
        add(text, _OPTIONS.format(name=name, target=target.__name__), FaultKind.INVALID_CONFIG_ERROR)
    if issubclass(target, ModelBase):
        add(
            f"`{target.__name__}` is a `ModelBase`, which is always an entrypoint. Derive it from `chains.ChainletBase`."
        )
    if target is cls:
        add(f"`{cls.__name__}` depends on itself. Put what both need into a chainlet of its own.")
    if isinstance(hint, type) and not _fits(target, hint):
        add(
            f"`{name}` is annotated `{hint.__name__}` and gets a `{target.__name__}`. "
            f"Write `{name}: {target.__name__} = chains.depends({target.__name__})`."
        )


def _fits(target: type[ChainletBase], hint: type[Any]) -> bool:
    return getattr(hint, "_is_protocol", False) or issubclass(target, hint)


def _check_health(cls: type[ChainletBase], faults: Faults) -> None:
    method = getattr(cls, "is_healthy", None)
    if method is None:
        return

    def add(text: str) -> None:
        faults.add(FaultKind.TYPE_ERROR, text, method="is_healthy", example=_HEALTH)

    if not inspect.isfunction(method):
        add("`is_healthy` must be a plain method.")
        return
    if len(inspect.signature(method).parameters) != 1:
        add("`is_healthy` takes no arguments.")
    if _hints(method).get("return", bool) is not bool:
        add("`is_healthy` answers with a bool.")


def _check_config(cls: type[ChainletBase], endpoint: Endpoint | None, faults: Faults) -> None:
    def add(text: str, example: str = "") -> None:
        faults.add(FaultKind.INVALID_CONFIG_ERROR, text, attribute="remote_config", example=example)

    if cls.entrypoint_of and not _NAME.fullmatch(cls.entrypoint_of):
        text = f'the chain\'s name {cls.entrypoint_of!r} {_LETTERS} Write `@chains.mark_entrypoint("my-chain")`, say.'
        faults.add(FaultKind.INVALID_CONFIG_ERROR, text)
    config: object = cls.remote_config
    if not isinstance(config, RemoteConfig):
        add(f"`remote_config` is a {type(config).__name__} and must be a `chains.RemoteConfig(…)`.", _CONFIG)
        return
    if not _NAME.fullmatch(cls.display_name):
        add(f'the name {cls.display_name!r} {_LETTERS} Write `RemoteConfig(name="my-chainlet")`, say.')
    transport = type(config.options.transport).__name__
    is_socket = endpoint is not None and endpoint.shape is Shape.WEBSOCKET
    if endpoint is not None and (transport == "WebsocketOptions") > is_socket:
        add(
            f"`transport` is `WebsocketOptions`, and `{endpoint.method}` takes no websocket. Leave `transport` out, or "
            "take `websocket: chains.WebSocketProtocol` as the only argument."
        )
    if is_socket and transport in ("HTTPOptions", "GRPCOptions"):
        add(f"`transport` is `{transport}`, and the endpoint takes a websocket. Leave `transport` out.")


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, AttributeError, TypeError, SyntaxError):
        return {}  # what `__init__` gets is said by its markers, so names missing at run time do no harm
