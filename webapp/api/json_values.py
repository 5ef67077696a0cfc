"""JSON that every database we support can keep."""

import math
from typing import Any

from webapp.errors import WebappError

MAX_DEPTH = 60


class Unstorable(WebappError):
    """The input holds a value that cannot be stored."""

    status = 422
    code = "invalid"


def check_storable(value: Any, *, path: str = "input", depth: int = 0) -> None:
    """Refuse what parses as JSON and still cannot be kept.

    Raises:
        Unstorable: NUL or half a character in a text, a number beyond all bounds, or too many layers.
    """
    if depth > MAX_DEPTH:
        _refuse(path, f"is nested more than {MAX_DEPTH} layers deep.")
    match value:
        case str():
            _check_text(value, path)
        case float() if not math.isfinite(value):
            _refuse(path, "is a number too large to be kept.")
        case dict():
            for key, entry in value.items():
                _check_text(key, path)
                check_storable(entry, path=f"{path}.{key}"[:200], depth=depth + 1)
        case list():
            for index, entry in enumerate(value):
                check_storable(entry, path=f"{path}.{index}"[:200], depth=depth + 1)


def _check_text(text: str, path: str) -> None:
    if "\x00" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        _refuse(path, "holds a character that is no text. Remove it.")


def _refuse(path: str, reason: str) -> None:
    shown = path.encode(errors="replace").decode().replace("\x00", "")
    raise Unstorable(f"{shown} {reason}", errors={shown: [reason]})
