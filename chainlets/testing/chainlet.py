"""A stand-in for a chainlet that another one calls."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from chainlets.chainlet import ChainletBase
from chainlets.describe import describe
from chainlets.endpoint import Endpoint, Piece, Shape
from chainlets.errors import ChainsUsageError
from chainlets.testing.answers import answer_to, pieces_of, settled

Flavour = Literal["async", "sync", "stream"]

if TYPE_CHECKING:
    _Stand = Any  # a type checker lets it pass for any chainlet
else:
    _Stand = object


@dataclass(frozen=True, kw_only=True)
class FakeCall:
    """A call that was made.

    Attributes:
        args: by position, as they were given; `kwargs` are those by name.
        arguments: all by name, checked and with defaults, if the fake knows what it is `like`;
            otherwise the same as `kwargs`.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    arguments: dict[str, Any]


class FakeChainlet(_Stand):  # type: ignore[misc]  # see `_Stand`
    """Passed to a chainlet in place of a dependency; remembers how it is called.

    It answers every call with the same result, with what a function makes of the arguments, or by
    raising an exception. A list holds such answers for one call after the other; a result that is
    a list stands in a list itself. What streams is given as a list of pieces, the last of which
    may be an exception; lists of pieces in a list are for one call after the other.

    Args:
        answer: a result, a function (async, if it likes), an exception or its class, or a list of these.
        like: the chainlet it stands in for, whose way of being called, arguments and result it then
            has; or only the way: "async" is awaited, "sync" is not, "stream" is iterated.

    Attributes:
        calls: one entry for each call so far, in order.

    Raises:
        ChainsUsageError: `like` cannot be called by another chainlet.
    """

    def __init__(self, answer: Any = None, *, like: type[ChainletBase] | Flavour = "async") -> None:
        self.calls: list[FakeCall] = []
        self._answer = answer
        self._lock = threading.Lock()
        self._endpoint: Endpoint | None = None
        if isinstance(like, str):
            self._name, self._flavour = "a chainlet", like
        else:
            self._name, self._endpoint = f"`{like.__name__}`", describe(like).endpoint
            self._flavour = _flavour(self._endpoint, like.__name__)

    def __repr__(self) -> str:
        return f"<fake of {self._name}, called {len(self.calls)} times>"

    def run_remote(self, *args: Any, **kwargs: Any) -> Any:
        """Record the call, and answer in the way of the real one.

        Raises:
            pydantic.ValidationError: an argument does not fit what it is `like`; nothing is recorded.
            TypeError: so do too many arguments.
            AssertionError: there were more calls than answers.
        """
        call = FakeCall(args=args, kwargs=kwargs, arguments=self._bound(args, kwargs))
        with self._lock:
            number = len(self.calls)
            self.calls.append(call)
        streams = self._flavour == "stream"
        answer = answer_to(self._answer, number=number, streams=streams, who=f"The fake of {self._name}")
        ways: dict[str, Callable[[FakeCall, Any], Any]] = {
            "async": self._awaited,
            "sync": self._at_once,
            "stream": self._streamed,
        }
        return ways[self._flavour](call, answer)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if self._endpoint is None:
            return dict(kwargs)
        values = self._endpoint.bind(args, kwargs)
        return {name: getattr(values, name) for name in self._endpoint.parameters}

    async def _awaited(self, call: FakeCall, answer: Any) -> Any:
        value = settled(answer, *call.args, **call.kwargs)
        return self._checked(await value if inspect.isawaitable(value) else value)

    def _at_once(self, call: FakeCall, answer: Any) -> Any:
        return self._checked(settled(answer, *call.args, **call.kwargs))

    async def _streamed(self, call: FakeCall, answer: Any) -> AsyncIterator[Piece]:
        found = settled(answer, *call.args, **call.kwargs)
        found = await found if inspect.isawaitable(found) else found
        if hasattr(found, "__aiter__"):
            async for piece in found:
                yield self._checked_piece(piece)
        else:
            for piece in pieces_of(found):
                yield self._checked_piece(piece)

    def _checked(self, value: Any) -> Any:
        if self._endpoint is None:
            return value
        try:
            return self._endpoint.output.validate_python(value)
        except ValidationError as error:
            msg = (
                f"The fake of {self._name} was told to answer with a {type(value).__name__}, which the real one never "
                f"returns. Give it what `{self._endpoint.method}` is annotated with. {error}"
            )
            raise ChainsUsageError(msg) from error

    def _checked_piece(self, piece: Any) -> Piece:
        if self._endpoint is None:
            return piece  # type: ignore[no-any-return]
        return self._endpoint.check_piece(piece, chainlet=f"fake of {self._name}")


def _flavour(endpoint: Endpoint, name: str) -> Flavour:
    if endpoint.shape is Shape.WEBSOCKET:
        msg = f"`{name}` takes a websocket, so no chainlet calls it. Test it with `testing.conversation({name}())`."
        raise ChainsUsageError(msg)
    if endpoint.shape is Shape.STREAM:
        return "stream"
    return "async" if endpoint.is_async else "sync"
