"""What a chainlet's method takes and gives, and how both travel."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from chainlets import binary
from chainlets.errors import ChainsUsageError

JsonValue = Any
Piece = str | bytes


class Shape(StrEnum):
    """How an endpoint answers."""

    VALUE = "value"
    STREAM = "stream"
    WEBSOCKET = "websocket"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A chainlet's one public method.

    Attributes:
        method: its name: `run_remote`, or `predict` of a `ModelBase`.
        parameters: names of the arguments, in order; without the socket of a websocket endpoint.
        input_model: a Pydantic model with one field for each argument.
        output: validates and serialises what is returned; of a stream, the list of its pieces.
        is_async: it is awaited (or iterated); otherwise it runs on a thread.
        shape: one value, a stream of pieces, or a conversation over a websocket.
        piece_types: of a stream, what its pieces may be.
        socket: of a websocket endpoint, the name of the argument that takes the socket.
    """

    method: str
    parameters: tuple[str, ...]
    input_model: type[BaseModel]
    output: TypeAdapter[Any]
    is_async: bool
    shape: Shape = Shape.VALUE
    piece_types: tuple[type, ...] = ()
    socket: str | None = None

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> BaseModel:
        """The arguments of a call, checked, defaults filled in.

        Raises:
            pydantic.ValidationError: an argument does not fit its annotation.
            TypeError: too many arguments, or one given twice.
        """
        if len(args) > len(self.parameters):
            msg = f"{self.method} takes {len(self.parameters)} arguments, and {len(args)} were given."
            raise TypeError(msg)
        given = dict(zip(self.parameters, args, strict=False))
        if twice := given.keys() & kwargs.keys():
            msg = f"{self.method} got the argument {min(twice)!r} twice."
            raise TypeError(msg)
        return self.input_model.model_validate({**given, **kwargs})

    def encode_input(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, JsonValue]:
        """The arguments of a call as a JSON object; raises as `bind`, or ChainsUsageError."""
        data: dict[str, JsonValue] = _as_json(
            lambda: self.bind(args, kwargs).model_dump(mode="json"), what="An argument"
        )
        return data

    def pack_input(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """The arguments of a call as bytes, arrays and byte strings unchanged; raises as `bind`."""
        return binary.pack(self.bind(args, kwargs).model_dump(mode="python"))

    def read_input(self, data: Mapping[str, JsonValue]) -> BaseModel:
        """The arguments as a model, from JSON.

        Raises:
            pydantic.ValidationError: the data does not fit.
        """
        return self.input_model.model_validate_json(to_json(data, inf_nan_mode="constants"))

    def decode_input(self, data: Mapping[str, JsonValue]) -> dict[str, Any]:
        """The arguments to call the method with, by name; raises as `read_input`."""
        return self._arguments(self.read_input(data))

    def unpack_input(self, data: bytes) -> dict[str, Any]:
        """The same from what `pack_input` made."""
        return self._arguments(self.input_model.model_validate(binary.unpack(data)))

    def encode_output(self, value: Any, *, chainlet: str) -> JsonValue:
        """The returned value as JSON.

        Raises:
            ChainsUsageError: it is not of the annotated type.
        """
        checked = self._checked(value, chainlet)
        return _as_json(
            lambda: self.output.dump_python(checked, mode="json"), what=f"The result of `{chainlet}`"
        )

    def pack_output(self, value: Any, *, chainlet: str) -> bytes:
        """The returned value as bytes; raises as `encode_output`."""
        return binary.pack(self.output.dump_python(self._checked(value, chainlet), mode="python"))

    def decode_output(self, data: JsonValue) -> Any:
        """The value a caller gets."""
        return self.output.validate_json(to_json(data, inf_nan_mode="constants"))

    def unpack_output(self, data: bytes) -> Any:
        """The same from what `pack_output` made."""
        return self.output.validate_python(binary.unpack(data))

    def check_piece(self, piece: Any, *, chainlet: str) -> Piece:
        """A piece of a stream, if it is what the annotation says.

        Raises:
            ChainsUsageError: it is something else.
        """
        if isinstance(piece, (str, bytes)) and isinstance(piece, self.piece_types):
            return piece
        names = " or ".join(kind.__name__ for kind in self.piece_types)
        msg = (
            f"`{chainlet}.{self.method}` yielded a {type(piece).__name__}, and is annotated to yield {names}. "
            f"Yield {names}; for structured items use `chainlets.streaming`."
        )
        raise ChainsUsageError(msg)

    def _arguments(self, values: BaseModel) -> dict[str, Any]:
        return {name: getattr(values, name) for name in self.parameters}

    def _checked(self, value: Any, chainlet: str) -> Any:
        try:
            return self.output.validate_python(value)
        except ValidationError as error:
            msg = f"`{chainlet}.{self.method}` returned a {type(value).__name__} that does not fit its annotation. {error}"
            raise ChainsUsageError(msg) from error


def piece_to_json(piece: Piece) -> dict[str, str]:
    """A piece of a stream as it stands in an event."""
    if isinstance(piece, str):
        return {"text": piece}
    return {"base64": base64.b64encode(piece).decode("ascii")}


def piece_from_json(data: Mapping[str, str]) -> Piece:
    """The piece that `piece_to_json` wrote."""
    return data["text"] if "text" in data else base64.b64decode(data["base64"])


def _as_json(dump: Any, *, what: str) -> Any:
    try:
        return dump()
    except (PydanticSerializationError, UnicodeDecodeError) as error:
        msg = (
            f"{what} cannot be written as JSON: {error}. For bytes inside a model of your own set "
            f'`model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")`, or call with `use_binary=True`.'
        )
        raise ChainsUsageError(msg) from error
