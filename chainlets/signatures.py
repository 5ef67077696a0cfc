"""Reads the one public method of a chainlet: its arguments, what it returns, and how it answers."""

from __future__ import annotations

import inspect
import types
import typing
import warnings
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, create_model
from pydantic.errors import PydanticSchemaGenerationError

from chainlets.chainlet import ChainletBase, _Marker, is_chainlet
from chainlets.endpoint import Endpoint, Shape
from chainlets.faults import FaultKind, Faults
from chainlets.websocket import WebSocketProtocol

_ASYNC_STREAMS = (AsyncIterator, AsyncGenerator, AsyncIterable)
_SYNC_STREAMS = (Iterator, Generator, Iterable)
_JSON = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings")
_STREAM = "    async def {}(self, text: str) -> AsyncIterator[str]:\n        yield text"
_SOCKET = "    async def {}(self, websocket: chains.WebSocketProtocol) -> None: ..."
_VALUE = "    async def {}(self, text: str, times: int = 2) -> list[str]: ..."


def read_endpoint(cls: type[ChainletBase], faults: Faults) -> Endpoint | None:
    """The endpoint of a class; None if there are faults, which are added."""
    name = cls.endpoint_method
    reader = _Reader(name, faults)
    raw = inspect.getattr_static(cls, name, None)
    if raw is None:
        faults.add(FaultKind.MISSING_API_ERROR, f"there is no method `{name}`.", example=_VALUE.format(name))
        return None
    if isinstance(raw, (staticmethod, classmethod)) or not inspect.isfunction(raw):
        reader.add(FaultKind.TYPE_ERROR, f"`{name}` must be a plain method with `self`.", _VALUE)
        return None
    return reader.read(raw, cls)


class _Reader:
    def __init__(self, name: str, faults: Faults) -> None:
        self._name = name
        self._faults = faults

    def add(self, kind: FaultKind, message: str, example: str = "") -> None:
        self._faults.add(kind, message, method=self._name, example=example.format(self._name))

    def read(self, method: Callable[..., Any], cls: type[ChainletBase]) -> Endpoint | None:
        before = len(self._faults.found)
        parameters = list(inspect.signature(method).parameters.values())
        if not parameters or parameters[0].name != "self":
            self.add(FaultKind.TYPE_ERROR, f"the first argument of `{self._name}` must be `self`.", _VALUE)
            return None
        try:
            hints = typing.get_type_hints(method, include_extras=True)
        except (NameError, TypeError, SyntaxError) as error:
            text = f"an annotation cannot be read: {error}. Import or define at the top of the file what it names."
            self.add(FaultKind.TYPE_ERROR, text)
            return None
        given = hints.pop("return", inspect.Parameter.empty)
        if WebSocketProtocol in hints.values():
            return self._socket(method, parameters[1:], given, cls)
        fields = self._fields(parameters[1:], hints)
        shape, result, pieces = self._result(method, given)
        if len(self._faults.found) > before:
            return None
        return self._typed(cls, method, fields, shape, result, pieces)

    def _fields(self, parameters: list[inspect.Parameter], hints: dict[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for parameter in parameters:
            name = parameter.name
            if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                stars = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else "**"
                text = f"`{stars}{name}` cannot be sent. Name each argument, or take a list or dict: `{name}: list[str]`."
                self.add(FaultKind.TYPE_ERROR, text)
            elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                self.add(FaultKind.TYPE_ERROR, f"`{name}` must have a name for callers. Remove the `/`.")
            elif isinstance(parameter.default, _Marker):
                text = f"`{name}` has a marker as its default. Markers belong into `__init__`; keep what they give in `self`."
                self.add(FaultKind.TYPE_ERROR, text)
            elif name not in hints:
                text = f"the argument `{name}` has no type. Write `{name}: str`, say."
                self.add(FaultKind.TYPE_ERROR, text)
            elif (problem := _unsendable(hints[name])) is not None:
                self.add(FaultKind.IO_TYPE_ERROR, f"the argument `{name}` {problem}")
            else:
                default = ... if parameter.default is inspect.Parameter.empty else parameter.default
                fields[name] = (hints[name], default)
        return fields

    def _result(self, method: Callable[..., Any], given: Any) -> tuple[Shape, Any, tuple[type, ...]]:
        nothing: tuple[Shape, Any, tuple[type, ...]] = (Shape.VALUE, None, ())
        yields_async, yields = inspect.isasyncgenfunction(method), inspect.isgeneratorfunction(method)
        if given is inspect.Parameter.empty:
            example = _STREAM if yields or yields_async else _VALUE
            self.add(FaultKind.TYPE_ERROR, "the type of the result is missing.", example)
            return nothing
        origin = get_origin(given) or given
        if yields or origin in _SYNC_STREAMS:
            self.add(FaultKind.IO_TYPE_ERROR, "streams must be async.", _STREAM)
            return nothing
        if (origin in _ASYNC_STREAMS) != yields_async:
            what = (
                "it yields, and is not annotated as a stream"
                if yields_async
                else "it is annotated as a stream and never yields"
            )
            self.add(FaultKind.IO_TYPE_ERROR, f"{what}.", _STREAM)
            return nothing
        if not yields_async:
            if (problem := _unsendable(given)) is not None:
                self.add(FaultKind.IO_TYPE_ERROR, f"the result {problem}")
            return Shape.VALUE, given, ()
        pieces = _alternatives(get_args(given)[0]) if get_args(given) else ()
        if not pieces or set(pieces) - {str, bytes}:
            text = "a stream is of `str` or `bytes`; for structured items see `chainlets.streaming`."
            self.add(FaultKind.IO_TYPE_ERROR, text, _STREAM)
        return Shape.STREAM, list[Union[pieces or (str,)]], pieces  # type: ignore[misc]  # noqa: UP007 (built from values)

    def _socket(
        self,
        method: Callable[..., Any],
        parameters: list[inspect.Parameter],
        given: Any,
        cls: type[ChainletBase],
    ) -> Endpoint | None:
        if len(parameters) != 1:
            self.add(FaultKind.TYPE_ERROR, "the websocket must be the only argument.", _SOCKET)
        elif not inspect.iscoroutinefunction(method):
            self.add(
                FaultKind.TYPE_ERROR, "a websocket endpoint must be `async def` and yield nothing.", _SOCKET
            )
        elif given not in (None, type(None)):
            self.add(
                FaultKind.IO_TYPE_ERROR, "a websocket endpoint returns None: answer by `send_text`.", _SOCKET
            )
        else:
            return Endpoint(
                method=self._name,
                parameters=(),
                input_model=_model(cls, {}),
                output=TypeAdapter(None),
                is_async=True,
                shape=Shape.WEBSOCKET,
                socket=parameters[0].name,
            )
        return None

    def _typed(
        self,
        cls: type[ChainletBase],
        method: Callable[..., Any],
        fields: dict[str, Any],
        shape: Shape,
        result: Any,
        pieces: tuple[type, ...],
    ) -> Endpoint | None:
        model: type[BaseModel] | None = None
        for name, field in fields.items():
            self._attempt(
                f"the argument `{name}`", lambda name=name, field=field: _schema(cls, {name: field})
            )  # type: ignore[misc]
        output = self._attempt("the result", lambda: _adapter(result))
        if output is None or any(fault.method == self._name for fault in self._faults.found):
            return None
        model = _model(cls, fields)
        return Endpoint(
            method=self._name,
            parameters=tuple(fields),
            input_model=model,
            output=output,
            is_async=inspect.iscoroutinefunction(method) or shape is Shape.STREAM,
            shape=shape,
            piece_types=pieces,
        )

    def _attempt(self, what: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except PydanticSchemaGenerationError as error:
            reason = str(error).splitlines()[0].removeprefix("Unable to generate pydantic-core schema for ")
            text = f"{what} is of a type that cannot be sent: {reason} Use a Pydantic model, a dataclass or plain types."
        except PydanticUserError as error:
            text = f"{what} is of a type that has no JSON form: {str(error).splitlines()[0]} Use a Pydantic model or plain types."
        except ValueError as error:
            text = f"{what} has a default that does not fit its type: {_first(error)}. Change one of them."
        except NameError as error:
            text = f"{what} has a name that cannot be used: {error}. Rename it."
        self.add(FaultKind.IO_TYPE_ERROR, text)
        return None


def _unsendable(hint: Any) -> str | None:
    """Why a type cannot be an argument or a result, where Pydantic alone would not say it well."""
    if get_origin(hint) is Annotated:
        return _unsendable(get_args(hint)[0])
    if hint is Any or hint is object:
        return "may be anything, so nothing can be checked. Say what it is; `pydantic.JsonValue` is any JSON."
    if is_chainlet(hint):
        return (
            f"is the chainlet `{hint.__name__}`, which cannot be sent. Name it as a dependency in `__init__`."
        )
    if (get_origin(hint) or hint) in (*_ASYNC_STREAMS, *_SYNC_STREAMS):
        return "is a stream. Streams can be results only, of `str` or `bytes`; take a `list`."
    if (get_origin(hint) or hint) is Callable:
        return "is a function, which cannot be sent. Send what it needs, and call it here."
    return None


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _model(cls: type[ChainletBase], fields: dict[str, Any]) -> type[BaseModel]:
    config = ConfigDict(extra="forbid", protected_namespaces=(), **_JSON)
    with warnings.catch_warnings():
        # An argument may be called `json` or `copy`: it hides a method that nobody calls.
        warnings.simplefilter("ignore", UserWarning)
        return create_model(f"{cls.__name__}Input", __config__=config, __module__=cls.__module__, **fields)


def _schema(cls: type[ChainletBase], fields: dict[str, Any]) -> None:
    """Build a model of one field, its schema and its default, so that what cannot be sent is noticed now."""
    model = _model(cls, fields)
    model.model_json_schema(mode="validation")
    (name, (_, default)) = next(iter(fields.items()))
    if default is not ...:
        model.model_validate({name: default})


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint, config=_JSON)
    except PydanticUserError as error:
        if error.code != "type-adapter-config-unused":
            raise
        adapter = TypeAdapter(hint)  # a model brings its own configuration
    adapter.json_schema(mode="serialization")
    return adapter


def _first(error: ValueError) -> str:
    lines = str(error).splitlines()
    return " ".join(line.strip() for line in lines[1:3]) or str(error)
