"""What a fake answers, as its author wrote it down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chainlets.endpoint import Piece


def answer_to(answer: Any, *, number: int, streams: bool, who: str) -> Any:
    """What belongs to one call: of a list the entry whose turn it is, otherwise always the same.

    Args:
        answer: a value, an exception, a function, or a list of those, one for each call.
        number: which call it is, from 0.
        streams: an answer is a list of pieces, so only a list that holds lists has turns.
        who: the fake, as a message names it.

    Raises:
        AssertionError: there were more calls than answers.
    """
    if not isinstance(answer, list):
        return answer
    if streams and not any(isinstance(entry, (list, tuple)) for entry in answer):
        return answer
    if number < len(answer):
        return answer[number]
    msg = (
        f"{who} has answers for {len(answer)} calls, and this is call {number + 1}. Add an answer to the list, or "
        f"give a function. A list that is the result itself stands in a list: `[[…]]`."
    )
    raise AssertionError(msg)


def settled(answer: Any, *args: Any, **kwargs: Any) -> Any:
    """The answer itself: a function is called, an exception is raised.

    Raises:
        BaseException: what the answer is, or what the function raises.
    """
    raise_if_error(answer)
    return answer(*args, **kwargs) if callable(answer) else answer


def raise_if_error(value: Any) -> None:
    """Raise a value that is an exception, or the class of one."""
    if isinstance(value, BaseException):
        raise value.with_traceback(None)
    if isinstance(value, type) and issubclass(value, BaseException):
        raise value


def pieces_of(answer: Any) -> Iterator[Piece]:
    """The pieces of a streamed answer; an exception among them is raised in its place."""
    for piece in [answer] if isinstance(answer, (str, bytes)) else answer:
        raise_if_error(piece)
        yield piece
