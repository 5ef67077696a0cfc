"""Reads a chainlet class: what it takes and gives, what it calls, where it stands in the source.

Faults are collected, not raised one by one, so that an author sees all of them together.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, create_model
from pydantic_core import PydanticSerializationError

from chainlets.chainlet import ChainletBase, ContextMarker, DependencyMarker, is_chainlet, markers_of
from chainlets.config import Compute, RemoteConfig, RPCOptions
from chainlets.errors import ChainsUsageError

JsonValue = Any

_EXAMPLE = "    async def run_remote(self, text: str, times: int = 2) -> list[str]: ..."


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """One chainlet that another calls, and how."""

    argument: str
    chainlet: type[ChainletBase]
    options: RPCOptions


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What `run_remote` takes and gives.

    Attributes:
        parameters: names of the arguments, in order.
        input_model: a Pydantic model with one field for each argument.
        output: validates and serialises what is returned.
        is_async: it is awaited; otherwise it runs on a thread.
    """

    parameters: tuple[str, ...]
    input_model: type[BaseModel]
    output: TypeAdapter[Any]
    is_async: bool

    def encode_input(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, JsonValue]:
        """The arguments of a call as a JSON object, defaults filled in.

        Raises:
            pydantic.ValidationError: an argument does not fit its annotation.
            TypeError: too many arguments, or one given twice.
        """
        if len(args) > len(self.parameters):
            msg = f"run_remote takes {len(self.parameters)} arguments, and {len(args)} were given."
            raise TypeError(msg)
        given = dict(zip(self.parameters, args, strict=False))
        if twice := given.keys() & kwargs.keys():
            msg = f"run_remote got the argument {min(twice)!r} twice."
            raise TypeError(msg)
        return self.input_model.model_validate({**given, **kwargs}).model_dump(mode="json")

    def decode_input(self, data: Mapping[str, JsonValue]) -> dict[str, Any]:
        """The arguments to call `run_remote` with, by name.

        Raises:
            pydantic.ValidationError: the data does not fit.
        """
        values = self.input_model.model_validate(data)
        return {name: getattr(values, name) for name in self.parameters}

    def encode_output(self, value: Any, *, chainlet: str) -> JsonValue:
        """The returned value as JSON.

        Raises:
            ChainsUsageError: it is not of the annotated type.
        """
        try:
            return self.output.dump_python(self.output.validate_python(value), mode="json")
        except (ValueError, PydanticSerializationError) as error:
            msg = f"`{chainlet}.run_remote` returned a {type(value).__name__} that does not fit its annotation. {error}"
            raise ChainsUsageError(msg) from error

    def decode_output(self, data: JsonValue) -> Any:
        """The value a caller gets."""
        return self.output.validate_python(data)


@dataclass(frozen=True, kw_only=True)
class ChainletDescriptor:
    """Everything the engine knows about a chainlet class."""

    cls: type[ChainletBase]
    name: str
    description: str
    compute: Compute
    dependencies: tuple[Dependency, ...]
    endpoint: Endpoint

    @property
    def queue(self) -> str:
        """The hardware tag its calls are sent to."""
        return self.compute.queue


def describe(cls: type[ChainletBase]) -> ChainletDescriptor:
    """Read a chainlet class, once.

    Raises:
        ChainsUsageError: it breaks rules; the message lists every one with file and line.
    """
    if cls not in _described:
        _described[cls] = _read(cls)
    return _described[cls]


_described: WeakKeyDictionary[type[ChainletBase], ChainletDescriptor] = WeakKeyDictionary()


def _read(cls: type[ChainletBase]) -> ChainletDescriptor:
    faults: list[str] = []
    endpoint = _endpoint(cls, faults)
    dependencies = _dependencies(cls, faults)
    config: object = cls.remote_config
    if not isinstance(config, RemoteConfig):
        faults.append(
            _fault(cls, "", "INVALID_CONFIG_ERROR", "`remote_config` must be a `chains.RemoteConfig(…)`.")
        )
    if faults or endpoint is None:
        raise ChainsUsageError("\n".join(faults))
    return ChainletDescriptor(
        cls=cls,
        name=cls.__name__,
        description=inspect.getdoc(cls) or "" if cls.__doc__ else "",
        compute=cls.remote_config.compute,
        dependencies=dependencies,
        endpoint=endpoint,
    )


def _endpoint(cls: type[ChainletBase], faults: list[str]) -> Endpoint | None:
    method = getattr(cls, "run_remote", None)
    if method is None:
        faults.append(
            _fault(
                cls,
                "",
                "MISSING_API_ERROR",
                f"there is no method `run_remote`. Write one, such as:\n{_EXAMPLE}",
            )
        )
        return None
    if not inspect.isfunction(method):
        faults.append(
            _fault(
                cls, "run_remote", "TYPE_ERROR", f"`run_remote` must be a plain method, such as:\n{_EXAMPLE}"
            )
        )
        return None
    if inspect.isasyncgenfunction(method) or inspect.isgeneratorfunction(method):
        faults.append(
            _fault(
                cls,
                "run_remote",
                "IO_TYPE_ERROR",
                "streams are not supported yet. Return a list, or use `chains.emit`.",
            )
        )
        return None
    return _typed_endpoint(cls, method, faults)


def _typed_endpoint(
    cls: type[ChainletBase], method: Callable[..., Any], faults: list[str]
) -> Endpoint | None:
    before = len(faults)
    try:
        hints = typing.get_type_hints(method, include_extras=True)
    except NameError as error:
        faults.append(
            _fault(cls, "run_remote", "TYPE_ERROR", f"an annotation names something unknown: {error}.")
        )
        return None
    fields: dict[str, Any] = {}
    for name, parameter in list(inspect.signature(method).parameters.items())[1:]:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            faults.append(
                _fault(
                    cls,
                    "run_remote",
                    "TYPE_ERROR",
                    f"`*{name}` cannot be sent. Name each argument, or take a list.",
                )
            )
        elif name not in hints:
            faults.append(
                _fault(
                    cls,
                    "run_remote",
                    "TYPE_ERROR",
                    f"the argument `{name}` has no type. Write `{name}: str`, say.",
                )
            )
        else:
            required = parameter.default is inspect.Parameter.empty
            fields[name] = (hints[name], ... if required else parameter.default)
    if "return" not in hints:
        faults.append(
            _fault(cls, "run_remote", "TYPE_ERROR", f"the type of the result is missing. Write:\n{_EXAMPLE}")
        )
    if len(faults) > before:
        return None
    try:
        model = create_model(f"{cls.__name__}Input", __config__=ConfigDict(extra="forbid"), **fields)
        return Endpoint(
            parameters=tuple(fields),
            input_model=model,
            output=TypeAdapter(hints["return"]),
            is_async=inspect.iscoroutinefunction(method),
        )
    except PydanticUserError as error:
        text = str(error).splitlines()[0]
        faults.append(_fault(cls, "run_remote", "IO_TYPE_ERROR", f"a type cannot be sent as JSON: {text}"))
        return None


def _dependencies(cls: type[ChainletBase], faults: list[str]) -> tuple[Dependency, ...]:
    found = []
    markers = markers_of(cls)
    for name, parameter in list(inspect.signature(cls.__init__).parameters.items())[1:]:
        marker = markers.get(name)
        if isinstance(marker, DependencyMarker):
            if is_chainlet(marker.chainlet):
                found.append(Dependency(argument=name, chainlet=marker.chainlet, options=marker.options))
            else:
                text = f"`depends` takes a chainlet class, and `{name}` gives it `{marker.chainlet!r}`."
                faults.append(_fault(cls, "__init__", "TYPE_ERROR", text))
        elif not isinstance(marker, ContextMarker) and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            text = (
                f"the argument `{name}` is neither a dependency nor the context. Write "
                f"`{name}: Other = chains.depends(Other)`, or set it as a class variable."
            )
            faults.append(_fault(cls, "__init__", "TYPE_ERROR", text))
    return tuple(found)


def _fault(cls: type[ChainletBase], method: str, kind: str, message: str) -> str:
    source = getattr(cls, method, cls) if method else cls
    source = inspect.unwrap(source) if callable(source) else source
    try:
        line = inspect.getsourcelines(source)[1]
        path = Path(inspect.getsourcefile(source) or "?").name
    except (OSError, TypeError):
        line, path = 0, "?"
    return f"{path}:{line} ({cls.__name__}.{method}) [kind: {kind}]: {message}"
