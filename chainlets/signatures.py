"""Reads the one public method of a chainlet: its arguments, what it returns, and how it answers."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from chainlets.chainlet import BASES, ChainletBase, _Marker
from chainlets.endpoint import Endpoint, Shape
from chainlets.faults import FaultKind, Faults
from chainlets.sendable import (
    ASYNC_STREAMS,
    SYNC_STREAMS,
    adapter,
    alternatives,
    input_model,
    problem_of,
    problem_with,
    shown,
)
from chainlets.websocket import WebSocketProtocol

_STREAM = "    async def {}(self, text: str) -> AsyncIterator[str]:\n        yield text"
_SOCKET = "    async def {}(self, websocket: chains.WebSocketProtocol) -> None: ..."
_VALUE = "    async def {}(self, text: str, times: int = 2) -> list[str]: ..."
_EMPTY = inspect.Parameter.empty
_UNREADABLE = object()


def read_endpoint(cls: type[ChainletBase], faults: Faults) -> Endpoint | None:
    """The endpoint of a class; None if there are faults, which are added."""
    name = cls.endpoint_method
    raw = inspect.getattr_static(cls, name, None)
    if raw is None:
        text = f"there is no method `{name}`.{_misnamed(cls, name)}"
        faults.add(FaultKind.MISSING_API_ERROR, text, example=_VALUE.format(name))
        return None
    if not inspect.isfunction(raw):
        text = f"`{name}` is a {type(raw).__name__} and must be a plain method with `self`."
        faults.add(FaultKind.TYPE_ERROR, text, method=name, example=_VALUE.format(name))
        return None
    return _Reader(cls, raw, faults).read()


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """How a method answers; `hint` is the type of the value, or of the list of all pieces."""

    shape: Shape
    hint: Any
    pieces: tuple[type, ...] = ()


class _Reader:
    """Reads one method; every rule that it breaks is added, not only the first."""

    def __init__(self, cls: type[ChainletBase], method: Callable[..., Any], faults: Faults) -> None:
        self._cls = cls
        self._method = method
        self._name = cls.endpoint_method
        self._faults = faults

    def read(self) -> Endpoint | None:
        before = len(self._faults.found)
        parameters = self._without_self(list(inspect.signature(self._method).parameters.values()))
        hints = self._hints()
        given = hints.pop("return", _EMPTY)
        if WebSocketProtocol in hints.values():
            self._check_socket(parameters, given)
            return self._socket(parameters) if len(self._faults.found) == before else None
        fields, answer = self._fields(parameters, hints), self._answer(given)
        if answer is None or len(self._faults.found) > before:
            return None
        return self._typed(fields, answer)

    def _add(self, kind: FaultKind, message: str, example: str = "") -> None:
        self._faults.add(kind, message, method=self._name, example=example.format(self._name))

    def _without_self(self, parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
        if parameters and parameters[0].name == "self":
            return parameters[1:]
        self._add(FaultKind.TYPE_ERROR, f"the first argument of `{self._name}` must be `self`.", _VALUE)
        # One without a type is `self` under another name; one with a type means that `self` was forgotten.
        return parameters[1:] if parameters and parameters[0].annotation is _EMPTY else parameters

    def _hints(self) -> dict[str, Any]:
        inner = inspect.unwrap(self._method)
        hints: dict[str, Any] = {}
        for name, annotation in inspect.get_annotations(inner).items():
            one = types.SimpleNamespace(__annotations__={name: annotation})
            try:
                hints |= typing.get_type_hints(one, globalns=inner.__globals__, include_extras=True)
            except (NameError, AttributeError, TypeError, SyntaxError) as error:
                hints[name] = _UNREADABLE
                what = "the result" if name == "return" else f"the argument `{name}`"
                text = f"the annotation of {what}, `{annotation}`, cannot be read: {error}. Define or import what it names"
                self._add(
                    FaultKind.TYPE_ERROR, f"{text} at the top of the file, not under `if TYPE_CHECKING:`."
                )
        return hints

    def _fields(self, parameters: list[inspect.Parameter], hints: dict[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for parameter in parameters:
            name, hint, default = parameter.name, hints.get(parameter.name, _EMPTY), parameter.default
            if (problem := _problem_with_parameter(parameter, hint)) is not None:
                self._add(FaultKind.TYPE_ERROR, problem)
            elif hint is not _UNREADABLE:
                self._check_argument(name, hint, default)
                fields[name] = (hint, ... if default is _EMPTY else default)
        return fields

    def _check_argument(self, name: str, hint: Any, default: Any) -> None:
        def make() -> None:
            model = input_model("Input", self._cls.__module__, {name: (hint, ...)})
            model.model_json_schema(mode="validation")

        what = f"the argument `{name}`"
        if not self._is_sendable(what, hint, make) or default is _EMPTY:
            return
        try:
            adapter(hint).validate_python(default)
        except (ValidationError, TypeError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            why = f"{what} is annotated `{shown(hint)}`, and its default is {default!r}: {reason}."
            instead = "Change one of them."
            if default is None:
                instead = f"Write `{name}: {shown(hint)} | None = None`."
            self._add(FaultKind.IO_TYPE_ERROR, f"{why} {instead}")

    def _is_sendable(self, what: str, hint: Any, make: Callable[[], object]) -> bool:
        problem = problem_with(hint) or problem_of(make)
        if problem is not None:
            self._add(FaultKind.IO_TYPE_ERROR, f"{what} is annotated `{shown(hint)}`, {problem}")
        return problem is None

    def _answer(self, given: Any) -> _Answer | None:
        if given is _UNREADABLE:
            return None
        method = self._method
        yields_async, yields = inspect.isasyncgenfunction(method), inspect.isgeneratorfunction(method)
        origin = get_origin(given) or given
        if given is _EMPTY:
            example = _STREAM if yields or yields_async else _VALUE
            self._add(FaultKind.TYPE_ERROR, "the type of the result is missing.", example)
        elif yields or origin in SYNC_STREAMS:
            self._add(
                FaultKind.IO_TYPE_ERROR,
                "a stream must be `async def`, annotated as `AsyncIterator`.",
                _STREAM,
            )
        elif yields_async and origin not in ASYNC_STREAMS:
            text = f"`{self._name}` yields, and is annotated `{shown(given)}`, which is no stream."
            self._add(FaultKind.IO_TYPE_ERROR, text, _STREAM)
        elif origin in ASYNC_STREAMS and not yields_async:
            text = f"`{self._name}` is annotated `{shown(given)}`, a stream, and never yields."
            self._add(FaultKind.IO_TYPE_ERROR, text, _STREAM)
        elif yields_async:
            return self._stream(given)
        else:
            self._is_sendable("the result", given, lambda: _output(given))
            return _Answer(shape=Shape.VALUE, hint=given)
        return None

    def _stream(self, given: Any) -> _Answer | None:
        pieces = alternatives(get_args(given)[0]) if get_args(given) else ()
        if pieces and not set(pieces) - {str, bytes}:
            return _Answer(shape=Shape.STREAM, hint=list[Union[pieces]], pieces=pieces)  # type: ignore[valid-type]  # noqa: UP007 (built from values)
        text = f"`{self._name}` is annotated `{shown(given)}`, and a stream is of `str` or `bytes`; for structured items see `chainlets.streaming`."
        self._add(FaultKind.IO_TYPE_ERROR, text, _STREAM)
        return None

    def _check_socket(self, parameters: list[inspect.Parameter], given: Any) -> None:
        if len(parameters) != 1:
            self._add(FaultKind.TYPE_ERROR, "the websocket must be the only argument.", _SOCKET)
        if not inspect.iscoroutinefunction(self._method):
            text = "a websocket endpoint must be `async def`, and yield nothing."
            self._add(FaultKind.TYPE_ERROR, text, _SOCKET)
        if given not in (None, type(None)):
            text = "a websocket endpoint is annotated `-> None`: it answers by `send_text` and the like."
            self._add(FaultKind.IO_TYPE_ERROR, text, _SOCKET)

    def _socket(self, parameters: list[inspect.Parameter]) -> Endpoint:
        return Endpoint(
            method=self._name,
            parameters=(),
            input_model=input_model(f"{self._cls.__name__}Input", self._cls.__module__, {}),
            output=TypeAdapter(None),
            is_async=True,
            shape=Shape.WEBSOCKET,
            socket=parameters[0].name if parameters else None,
        )

    def _typed(self, fields: dict[str, Any], answer: _Answer) -> Endpoint:
        return Endpoint(
            method=self._name,
            parameters=tuple(fields),
            input_model=input_model(f"{self._cls.__name__}Input", self._cls.__module__, fields),
            output=adapter(answer.hint),
            is_async=inspect.iscoroutinefunction(self._method) or answer.shape is Shape.STREAM,
            shape=answer.shape,
            piece_types=answer.pieces,
        )


def _problem_with_parameter(parameter: inspect.Parameter, hint: Any) -> str | None:
    """What is wrong with an argument, whatever its type is."""
    name, kind = parameter.name, parameter.kind
    if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        stars, instead = (
            ("*", "list[str]") if kind is inspect.Parameter.VAR_POSITIONAL else ("**", "dict[str, str]")
        )
        return f"`{stars}{name}` cannot be sent. Name each argument, or write `{name}: {instead}`."
    if kind is inspect.Parameter.POSITIONAL_ONLY:
        return f"`{name}` must have a name for callers. Remove the `/`."
    if isinstance(parameter.default, _Marker):
        return f"`{name}` has a marker as its default. Markers belong into `__init__`; keep what they give in `self`."
    if name.startswith("_") or name == "model_config":
        return f"an argument cannot be called `{name}`. Call it `{name.strip('_') or 'value'}_value`, say."
    if hint is _EMPTY:
        return f"the argument `{name}` has no type. Write `{name}: str`, say."
    return None


def _output(hint: Any) -> None:
    adapter(hint).json_schema(mode="serialization")


def _misnamed(cls: type[ChainletBase], name: str) -> str:
    """The class's own public methods: one of them may be meant."""
    own = [
        other
        for base in cls.__mro__[: cls.__mro__.index(ChainletBase)]
        for other, value in vars(base).items()
        if base not in BASES
        and inspect.isfunction(value)
        and not other.startswith("_")
        and other != "is_healthy"
    ]
    return f" There is `{own[0]}`; call it `{name}` if it is meant." if own else ""
