"""Reads the input of a chain from the command line, and says by field what does not fit."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from chainlets.commands.refused import Refused
from chainlets.graph import Chain

_LONGEST = 60  # characters of a value that a sentence quotes


def read_json(text: str | None) -> Any:
    """What `--input` gives: JSON itself, `@FILE`, or `-` for stdin; an empty object without it.

    Raises:
        Refused: it is no JSON, or the file cannot be read.
    """
    if text is None:
        return {}
    if text == "-":
        where, text = "stdin", sys.stdin.read()
    elif text.startswith("@"):
        where = text[1:]
        try:
            text = Path(where).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"`{where}`, the file for `--input`, cannot be read: {_reason(error)}.") from error
    else:
        where = "`--input`"
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Refused(
            f"{where} is no JSON: {error.msg} at {place}. Put names and texts into double quotes."
        ) from error


def arguments_of(chain: Chain, data: Any) -> dict[str, Any]:
    """The values to call the entrypoint with, by argument.

    Raises:
        Refused: they do not fit; a sentence for each field.
    """
    endpoint = chain.entrypoint.endpoint
    takes = _signature(chain)
    if not isinstance(data, dict):
        raise Refused(
            f"The input is {_quoted(data)}, and must be a JSON object with a value for each argument.\n{takes}"
        )
    try:
        return endpoint.decode_input(data)
    except ValidationError as error:
        lines = [f"  {_sentence(fault, endpoint.parameters)}" for fault in error.errors(include_url=False)]
        raise Refused("\n".join([f"The input does not fit `{chain.name}`:", *lines, takes])) from error
    except OSError as error:
        # A file is looked up while the input is read.
        raise Refused(
            f"The input names a file that cannot be read: `{error.filename}`: {_reason(error)}."
        ) from error


def _sentence(fault: ErrorDetails, names: Sequence[str]) -> str:
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"`{field}` is missing."
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, names, n=1)
        return f"`{field}` is not known here." + (f" Did you mean `{near[0]}`?" if near else "")
    said = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return (
        f"`{field}` {said}, and is {_quoted(fault['input'])}."
        if said != fault["msg"]
        else f"`{field}`: {said}."
    )


def _signature(chain: Chain) -> str:
    """Which arguments the entrypoint takes, of which types."""
    schema = chain.input_schema
    fields: Mapping[str, Any] = schema.get("properties", {})
    needed = schema.get("required", [])
    told = [
        f"`{name}` ({_type(field)}{'' if name in needed else ', optional'})" for name, field in fields.items()
    ]
    method = f"`{chain.entrypoint.name}.{chain.entrypoint.endpoint.method}`"
    return f"{method} takes {', '.join(told)}." if told else f"{method} takes no arguments."


def _type(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "file":
        return "the path of a file"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    kind = str(schema.get("type", "any JSON"))
    return f"array of {_type(schema['items'])}" if kind == "array" and "items" in schema else kind


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str((isinstance(error, OSError) and error.strerror) or error)
