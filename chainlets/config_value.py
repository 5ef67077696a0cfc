"""What all configuration values have in common: frozen, keyword-only, checked, and cheap to define.

They read like dataclasses and are checked by Pydantic. The Pydantic model of a class is built when
its first value is given something, because defining all of them at once would double the cost of
`import chainlets`, and most chains use few.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

_Extra = Literal["forbid", "ignore"]


@dataclass_transform(kw_only_default=True, frozen_default=True)
class ConfigValue:
    """A frozen, keyword-only value; a subclass lists its fields with their types and defaults.

    Types may name Pydantic's `Field` without importing it, where the module postpones the evaluation
    of annotations. A field that is a `Sequence` takes a list, a tuple or a set, and keeps a tuple.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _strict: ClassVar[bool]
    _extra: ClassVar[_Extra]

    def __init_subclass__(cls, *, strict: bool = False, extra: _Extra = "forbid") -> None:
        """Say how values are checked.

        Args:
            strict: a text is not taken for a number.
            extra: what becomes of unknown keys.
        """
        super().__init_subclass__()
        own = [name for name in inspect.get_annotations(cls) if not name.startswith("_")]
        cls._fields = tuple(dict.fromkeys((*cls._fields, *own)))
        cls._strict = strict
        cls._extra = extra

    def __init__(self, **given: Any) -> None:
        """Check what is given; every other field has its default.

        Raises:
            pydantic.ValidationError (a ValueError): a key is unknown or missing, or a value does not do.
            ChainsUsageError: values do not go together; the message says what to write.
        """
        cls = type(self)
        if given or not all(hasattr(cls, name) for name in cls._fields):
            checked = _model(cls).model_validate(given)
            # Straight into the dict, since __setattr__ is closed.
            self.__dict__.update({name: getattr(checked, name) for name in checked.model_fields_set})

    @classmethod
    def _refuse(cls, given: Mapping[str, Any]) -> None:
        """Raise a ValueError for what no type can say. It is asked before types are checked."""

    def model_dump(self, *, mode: Literal["python", "json"] = "python") -> dict[str, Any]:
        """All fields and what lies in them as a dict; in mode "json" only of what JSON knows."""
        plain = {name: _plain(value) for name, value in self._values().items()}
        if mode == "python":
            return plain
        from pydantic_core import to_jsonable_python

        dumped: dict[str, Any] = to_jsonable_python(plain, fallback=str)
        return dumped

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fields}

    def _shown(self) -> dict[str, Any]:
        """What `repr` shows: the fields that differ from their defaults."""
        return {
            name: value for name, value in self._values().items() if value != getattr(type(self), name, ...)
        }

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._shown().items())
        return f"{type(self).__name__}({shown})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ConfigValue) and type(self) is type(other) and self._values() == other._values()
        )

    def __hash__(self) -> int:
        return hash((type(self), *self._values().values()))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(_frozen(self, name))

    def __delattr__(self, name: str) -> None:
        raise AttributeError(_frozen(self, name))


_models: dict[type[ConfigValue], type[BaseModel]] = {}


def _model(cls: type[ConfigValue]) -> type[BaseModel]:
    """The Pydantic model that checks what a value of this class is given."""
    if cls not in _models:
        from pydantic import BeforeValidator, ConfigDict, Field, create_model, model_validator

        fields: dict[str, Any] = {}
        hints = get_type_hints(cls, localns={"Field": Field}, include_extras=True)
        for name in cls._fields:
            hint = hints[name]
            if _is_sequence(hint):
                hint = Annotated[hint, BeforeValidator(_as_tuple)]
            # Only what is given is taken from the model, so it need not know the real defaults.
            fields[name] = (hint, None if hasattr(cls, name) else ...)
        settings = ConfigDict(strict=cls._strict, extra=cls._extra, arbitrary_types_allowed=True)
        checks: dict[str, Any] = {"refuse": model_validator(mode="before")(_refusing(cls))}
        _models[cls] = create_model(cls.__name__, __config__=settings, __validators__=checks, **fields)
    return _models[cls]


def _refusing(cls: type[ConfigValue]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def refuse(given: dict[str, Any]) -> dict[str, Any]:
        cls._refuse(given)
        return given

    return refuse


def _is_sequence(hint: Any) -> bool:
    return any(get_origin(part) is Sequence for part in (hint, *get_args(hint)))


def _as_tuple(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return tuple(sorted(value))
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, ConfigValue):
        return value.model_dump()
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return dict(value) if isinstance(value, Mapping) else value


def _frozen(value: ConfigValue, name: str) -> str:
    cls = type(value).__name__
    return f"`{cls}.{name}` cannot be changed, because values are frozen. Make a new `{cls}(…)`."
