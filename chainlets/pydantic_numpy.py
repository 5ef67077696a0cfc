"""A field for NumPy arrays in Pydantic models."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializationInfo,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import CoreSchema, core_schema

_WIRE = core_schema.typed_dict_schema(
    {
        "data_b64": core_schema.typed_dict_field(core_schema.str_schema()),
        "shape": core_schema.typed_dict_field(core_schema.list_schema(core_schema.int_schema(ge=0))),
        "dtype": core_schema.typed_dict_field(core_schema.str_schema()),
    },
    extra_behavior="forbid",
)


class NumpyArrayField:
    """An array as a field of a model, or as an argument or result of `run_remote`.

    It takes an array, another field, or what JSON has: `data_b64` (the elements in C order, as
    base64), `shape` and `dtype`. JSON is a third larger than the array; `model_dump()` gives the array
    itself. What is read from JSON is writable and lies in C order. Arrays of Python objects and of
    records are refused.

    Attributes:
        array: the array.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        """Wrap an array; it is not copied.

        Raises:
            ValueError: it is no array, or has elements that cannot be sent.
        """
        if not isinstance(array, np.ndarray):
            raise ValueError(  # noqa: TRY004 (Pydantic names the field only for ValueErrors)
                f"This takes a NumPy array and got a {type(array).__name__}. Write `np.asarray(…)` around it."
            )
        self.array: NDArray[Any] = array
        _check(array.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.array.shape}, dtype={self.array.dtype})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, NumpyArrayField)
            and self.array.dtype == other.array.dtype
            and np.array_equal(self.array, other.array)
        )

    # Arrays can be changed, so they are no keys.
    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def _from_wire(cls, wire: dict[str, Any]) -> Self:
        return cls(_decode(**wire))

    @classmethod
    def _from_python(cls, value: Any, from_wire: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, cls):
            return value
        return from_wire(value) if isinstance(value, Mapping) else cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        wire = core_schema.no_info_after_validator_function(cls._from_wire, _WIRE)
        return core_schema.json_or_python_schema(
            json_schema=wire,
            python_schema=core_schema.no_info_wrap_validator_function(cls._from_python, wire),
            serialization=core_schema.plain_serializer_function_ser_schema(_encode, info_arg=True),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # Written out, so that what is sent and what is taken are described by the same words.
        return {
            "type": "object",
            "title": "NumPy array",
            "properties": {
                "data_b64": {
                    "type": "string",
                    "contentEncoding": "base64",
                    "description": "the elements, in C order",
                },
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "dtype": {"type": "string", "description": "as NumPy writes it, such as float32"},
            },
            "required": ["data_b64", "shape", "dtype"],
            "additionalProperties": False,
        }


def _encode(field: NumpyArrayField, info: SerializationInfo) -> Any:
    if not info.mode_is_json():
        return field.array
    data = base64.b64encode(field.array.tobytes()).decode()
    return {"data_b64": data, "shape": list(field.array.shape), "dtype": str(field.array.dtype)}


def _decode(*, data_b64: str, shape: list[int], dtype: str) -> NDArray[Any]:
    try:
        elements = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        raise ValueError(
            f"`dtype` is {dtype!r}, which NumPy does not know. Write such as 'float32'."
        ) from None
    _check(elements)
    data = base64.b64decode(data_b64, validate=True)
    if len(data) != math.prod(shape) * elements.itemsize:
        raise ValueError(
            f"`data_b64` has {len(data)} bytes, and an array of shape {tuple(shape)} and dtype {dtype} needs "
            f"{math.prod(shape) * elements.itemsize}."
        )
    # Over a bytearray, not over the bytes: an array takes from its buffer whether it is writable.
    return np.ndarray(tuple(shape), elements, buffer=bytearray(data))


def _check(dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise ValueError(
            f"An array of dtype {dtype} has Python objects, which cannot be sent. Convert it: `array.astype(…)`."
        )
    if dtype.fields is not None or dtype.subdtype is not None or dtype.itemsize == 0:
        raise ValueError(f"An array of dtype {dtype} cannot be sent. Send one array for each of its columns.")
