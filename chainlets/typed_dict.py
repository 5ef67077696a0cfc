"""Lets `typing.TypedDict` be used before Python 3.12, where Pydantic knows only that of `typing_extensions`."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin


def for_pydantic(hint: Any) -> Any:
    """The same type, with each `typing.TypedDict` in it as Pydantic wants it."""
    return hint if sys.version_info >= (3, 12) else _converted(hint, {})


def _converted(hint: Any, done: dict[Any, Any]) -> Any:
    if typing.is_typeddict(hint) and type(hint).__module__ == "typing":
        return _typed_dict(hint, done)
    origin, args = get_origin(hint), get_args(hint)
    if origin is None or origin is Literal or origin is Callable:
        return hint
    if origin is Annotated:
        return Annotated[(_converted(args[0], done), *args[1:])]
    new = tuple(_converted(arg, done) for arg in args)
    if new == args:
        return hint
    if origin in (Union, types.UnionType):
        return Union[new]  # noqa: UP007 (built from values)
    return hint.copy_with(new) if hasattr(hint, "copy_with") else origin[new]


def _typed_dict(cls: Any, done: dict[Any, Any]) -> Any:
    import typing_extensions

    if cls not in done:
        done[cls] = cls  # inside itself it stays as it is, and Pydantic says what to write
        fields: dict[str, Any] = {}
        for name, hint in typing.get_type_hints(cls, include_extras=True).items():
            explicit = get_origin(hint) if get_origin(hint) in (Required, NotRequired) else None
            inner = get_args(hint)[0] if explicit else hint
            presence: Any = explicit or (Required if name in cls.__required_keys__ else NotRequired)
            fields[name] = presence[_converted(inner, done)]
        new: Any = typing_extensions.TypedDict
        made = new(cls.__name__, fields)
        made.__module__, made.__doc__ = cls.__module__, cls.__doc__
        done[cls] = made
    return done[cls]
