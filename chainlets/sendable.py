"""Which types arguments and results can have: those that JSON carries and gives back as they were."""

from __future__ import annotations

import inspect
import re
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
from collections.abc import Mapping as AbstractMapping
from dataclasses import is_dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic_core import SchemaError

from chainlets.chainlet import is_chainlet
from chainlets.typed_dict import for_pydantic
from chainlets.websocket import WebSocketProtocol

ASYNC_STREAMS = (AsyncIterator, AsyncGenerator, AsyncIterable)
SYNC_STREAMS = (Iterator, Generator, Iterable)
_JSON = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings")
_PLAIN = (str, int, float)
_NO_KEYS = (bytes, tuple, list, dict, set, frozenset, types.NoneType, BaseModel)
_INSTEAD = {
    "numpy.ndarray": "Use `chainlets.pydantic_numpy.NumpyArrayField`.",
    "torch.Tensor": "Use `chainlets.pydantic_numpy.NumpyArrayField`, with `tensor.cpu().numpy()`.",
}


def problem_with(hint: Any) -> str | None:
    """Why values of a type cannot be sent, as the end of a sentence; where Pydantic says it badly or not at all."""
    if hint is Any or hint is object:
        return "so nothing can be checked. Say what it is; `pydantic.JsonValue` is any JSON."
    return _problem_inside(hint)


def input_model(name: str, module: str, fields: dict[str, Any]) -> type[BaseModel]:
    """A model with a field for each argument: its type and its default, `...` for none."""
    config = ConfigDict(extra="forbid", protected_namespaces=(), **_JSON)
    known: dict[str, Any] = {
        field: (for_pydantic(hint), default) for field, (hint, default) in fields.items()
    }
    with warnings.catch_warnings():
        # An argument may be called `json` or `copy`: it hides a method that nobody calls.
        warnings.simplefilter("ignore", UserWarning)
        return create_model(name, __config__=config, __module__=module, **known)


def adapter(hint: Any) -> TypeAdapter[Any]:
    """Validates and serialises values of a type."""
    # A dataclass refuses a configuration from outside, and takes it inside another type.
    inside: Any = typing.NewType
    return TypeAdapter(inside("Value", for_pydantic(hint)), config=_JSON)


def problem_of(make: Callable[[], object]) -> str | None:
    """What Pydantic has against a type, as the end of a sentence, for somebody who does not know Pydantic."""
    try:
        make()
    except PydanticSchemaGenerationError as error:
        found = re.search(r"schema for (?:<class '(.+?)'>|(.+?))\. Set ", str(error))
        name = (found[1] or found[2]) if found else "it"
        if name in _INSTEAD:
            return f"and `{name}` cannot be sent. {_INSTEAD[name]}"
        return (
            f"and `{name.split('.')[-1]}` cannot be sent. Use a Pydantic model, a dataclass or plain types."
        )
    except PydanticInvalidForJsonSchema:
        return "which has no JSON form. Use a Pydantic model, a dataclass or plain types."
    except PydanticUserError as error:
        if error.code == "class-not-fully-defined" and (found := re.search(r"define `(\w+)`", str(error))):
            return f"which needs `{found[1]}`, and that cannot be found. Import or define it at the top of the file."
        return f"which Pydantic refuses: {str(error).splitlines()[0]}"
    except (TypeError, ValueError, SchemaError) as error:
        return f"which Pydantic does not understand: {str(error).splitlines()[-1].strip()}."
    return None


def shown(hint: Any) -> str:
    """A type as its author wrote it, more or less: without the modules that names come from."""
    if get_origin(hint) is Annotated:
        return f"Annotated[{shown(get_args(hint)[0])}, …]"
    text = re.sub(r"(?<!['\"\w.<])(?:(?:\w+|<locals>)\.)+(?=\w)", "", inspect.formatannotation(hint))
    return re.sub(r"<(\w+\.\w+): .*?>", r"\1", text)  # a member of an enum


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The members of a union; of any other type, itself alone."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _problem_inside(hint: Any) -> str | None:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _problem_inside(args[0])
    if origin is Literal:
        return _problem_with_literal(args)
    plain = origin or hint
    if plain is Callable:
        return "and a function cannot be sent. Send what it needs, and call it here."
    if plain in (*ASYNC_STREAMS, *SYNC_STREAMS):
        return "and a stream can only be a result, of `str` or `bytes`. Use a `list`."
    if (problem := _problem_with_class(plain)) is not None:
        return problem
    parts = alternatives(hint)
    problem = _problem_with_union(parts) if len(parts) > 1 else None
    if problem is None and isinstance(plain, type) and issubclass(plain, AbstractMapping) and args:
        problem = _problem_with_key(args[0])
    return problem or next(filter(None, map(_problem_inside, args)), None)


def _problem_with_class(cls: Any) -> str | None:
    if not isinstance(cls, type):
        return None
    if is_chainlet(cls):
        return "and a chainlet cannot be sent. Name it as a dependency in `__init__`."
    if cls is WebSocketProtocol:
        return "and a websocket is the only argument, or none. Write `websocket: chains.WebSocketProtocol`."
    if cls is BaseModel:
        return "which has no fields, so those of what is given would be lost. Name a model of your own."
    if issubclass(cls, Enum):
        for member in cls:
            if not isinstance(member.value, _PLAIN):
                text = f"and `{cls.__name__}.{member.name}` has a value that JSON does not give back: {member.value!r}."
                return f"{text} Give it a text or a number."
    return None


def _problem_with_literal(values: tuple[Any, ...]) -> str | None:
    for value in values:
        if isinstance(value, Enum) and not isinstance(value, _PLAIN):
            name = type(value).__name__
            return f"and JSON does not give a member of `{name}` back. Derive `{name}` from `StrEnum`, or write `{name}`."
    return None


def _problem_with_key(hint: Any) -> str | None:
    for part in alternatives(hint):
        if not _can_be_key(part):
            return (
                f"and JSON has only texts as keys, so no `{shown(part)}`. Use `str` keys, or a list of pairs."
            )
    return None


def _can_be_key(hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return all(isinstance(value, str) for value in get_args(hint))
    cls = get_origin(hint) or hint
    if not isinstance(cls, type):
        return True
    if issubclass(cls, Enum) and not issubclass(cls, _PLAIN):
        return all(isinstance(member.value, str) for member in cls)
    return not issubclass(cls, _NO_KEYS) and not is_dataclass(cls)


def _problem_with_union(parts: tuple[Any, ...]) -> str | None:
    forms: list[tuple[Any, Any]] = []
    for part in parts:
        form = _form(part)
        for other, taken in forms if form is not None else []:
            if form == taken and not (_is_plain(part) and _is_plain(other)):
                text = f"and JSON writes `{shown(other)}` and `{shown(part)}` alike, so one comes back as the other."
                return f'{text} Take one of them, or models that differ in a field, such as `kind: Literal["a"]`.'
        forms.append((part, form))
    return None


def _form(hint: Any) -> Any:
    """How JSON writes values of a type, apart from what it does not give back; None if that is no trouble."""
    if get_origin(hint) is Literal:
        return None  # few values, which are told from anything else
    try:
        schema = adapter(hint).json_schema(mode="serialization", by_alias=False)
    except (PydanticUserError, TypeError, ValueError, SchemaError):
        return None
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return {name: _untitled(field) for name, field in schema["properties"].items()}
    if kind == "array":
        return schema.get("items"), schema.get("prefixItems")
    return kind if kind in ("string", "integer", "number") else None


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def _is_plain(hint: Any) -> bool:
    """Whether one value stands for another that JSON writes alike: the text of an enum of texts, say."""
    if get_origin(hint) is Annotated:
        return _is_plain(get_args(hint)[0])
    return isinstance(hint, type) and issubclass(hint, _PLAIN)
