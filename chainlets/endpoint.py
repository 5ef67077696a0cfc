"""What a chainlet's method takes and gives, and how both travel."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from chainlets import binary
from chainlets.errors import ChainsUsageError

T = TypeVar("T")

JsonValue = Any
Piece = str | bytes


class Written(NamedTuple):
    """A value as JSON, and the same as text."""

    value: JsonValue
    text: bytes


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
        data: dict[str, JsonValue] = self.write_input(args, kwargs).value
        return data

    def write_input(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Written:
        """As `encode_input`, with its text."""
        return _as_json(self._dumped(args, kwargs, "json"), what="An argument")

    def pack_input(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """The arguments of a call as bytes, arrays and byte strings unchanged; raises as `encode_input`."""
        return _as_bytes(self._dumped(args, kwargs, "python"), what="An argument")

    def read_input(self, data: Mapping[str, JsonValue]) -> BaseModel:
        """The arguments as a model, from JSON.

        Raises:
            pydantic.ValidationError: the data does not fit.
        """
        return self._read(data, strict=None)

    def decode_input(self, data: Mapping[str, JsonValue]) -> dict[str, Any]:
        """The arguments to call the method with, by name, from what `encode_input` made; raises as `read_input`."""
        return self._arguments(self._read(data, strict=False))

    def input_from(self, text: bytes) -> dict[str, Any]:
        """The same from the text that `write_input` gave."""
        return self._arguments(self._read_text(text, strict=False))

    def unpack_input(self, data: bytes) -> dict[str, Any]:
        """The same from what `pack_input` made."""
        tree = binary.unpack(data)
        return self._arguments(
            self.input_model.model_validate(tree, strict=False, by_alias=True, by_name=True)
        )

    def encode_output(self, value: Any, *, chainlet: str) -> JsonValue:
        """The returned value as JSON.

        Raises:
            ChainsUsageError: it is not of the annotated type.
        """
        return self.write_output(value, chainlet=chainlet).value

    def write_output(self, value: Any, *, chainlet: str) -> Written:
        """As `encode_output`, with its text."""
        checked = self._checked(value, chainlet)
        dumped = self.output.dump_python
        return _as_json(lambda: dumped(checked, mode="json", by_alias=False), what=_result_of(chainlet))

    def pack_output(self, value: Any, *, chainlet: str) -> bytes:
        """The returned value as bytes; raises as `encode_output`."""
        checked = self._checked(value, chainlet)
        return _as_bytes(lambda: self.output.dump_python(checked, by_alias=False), what=_result_of(chainlet))

    def decode_output(self, data: JsonValue) -> Any:
        """The value a caller gets."""
        return self.output_from(to_json(data, inf_nan_mode="constants"))

    def output_from(self, text: bytes) -> Any:
        """The same from the text that `write_output` gave."""
        return self.output.validate_json(text, strict=False, by_alias=True, by_name=True)

    def unpack_output(self, data: bytes) -> Any:
        """The same from what `pack_output` made."""
        tree = binary.unpack(data)
        return self.output.validate_python(tree, strict=False, by_alias=True, by_name=True)

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

    def _read(self, data: Mapping[str, JsonValue], *, strict: bool | None) -> BaseModel:
        return self._read_text(to_json(data, inf_nan_mode="constants"), strict=strict)

    def _read_text(self, text: bytes, *, strict: bool | None) -> BaseModel:
        # What comes from another chainlet was checked there, strictly if its model says so. By now a
        # tuple is a list and an infinite number a text, so that it is read without being strict.
        return self.input_model.model_validate_json(text, strict=strict, by_alias=True, by_name=True)

    def _dumped(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], mode: Literal["json", "python"]
    ) -> Callable[[], dict[str, Any]]:
        values = self.bind(args, kwargs)
        # Called on the class, because an argument may be called `model_dump`. By field names, because
        # an alias to write by is not always one to read by; without what is computed from fields.
        return lambda: BaseModel.model_dump(values, mode=mode, by_alias=False, round_trip=True)

    def _arguments(self, values: BaseModel) -> dict[str, Any]:
        return {name: values.__dict__[name] for name in self.parameters}

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
    return {"base64": base64.urlsafe_b64encode(piece).decode("ascii")}


def piece_from_json(data: Mapping[str, str]) -> Piece:
    """The piece that `piece_to_json` wrote."""
    return data["text"] if "text" in data else base64.urlsafe_b64decode(data["base64"])


def _result_of(chainlet: str) -> str:
    return f"The result of `{chainlet}`"


def _as_json(dump: Callable[[], JsonValue], *, what: str) -> Written:
    def plain() -> Written:
        value = dump()
        text = to_json(value, inf_nan_mode="constants")
        if b"NaN" in text or b"Infinity" in text:
            # JSON has no such numbers and databases refuse them; Pydantic reads their names as numbers.
            text = to_json(value, inf_nan_mode="strings")
            value = from_json(text)
        return Written(value, text)

    return _written(plain, what=what, how="as JSON")


def _as_bytes(dump: Callable[[], object], *, what: str) -> bytes:
    return _written(lambda: binary.pack(dump()), what=what, how="as bytes")


def _written(write: Callable[[], T], *, what: str, how: str) -> T:
    try:
        return write()
    except (PydanticSerializationError, UnicodeError) as error:
        text = f"{what} cannot be written {how}: {error}."
        if "surrogate" in str(error):
            text = f'{text} It has half a character; make texts with `.decode(errors="replace")`.'
        elif how == "as JSON":
            text = (
                f"{text} For bytes inside a model of your own set `model_config = "
                'ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")`, or call with `use_binary=True`.'
            )
        raise ChainsUsageError(text) from error
