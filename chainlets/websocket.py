"""The socket that a websocket chainlet talks to."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


class WebSocketDisconnect(Exception):
    """The other side has gone.

    Sources that catch FastAPI's class of the same name get that class: see `disconnect`.

    Attributes:
        code: the close code, 1000 to 4999.
        reason: what the other side said, often nothing.
    """

    def __init__(self, code: int = 1000, reason: str | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason or ""


@runtime_checkable
class WebSocketProtocol(Protocol):
    """What `run_remote(self, websocket: chains.WebSocketProtocol) -> None` is given.

    `iter_text`, `iter_bytes` and `iter_json` end when the other side goes; everything else then
    raises `WebSocketDisconnect`. `async for … in websocket.iter_text()` and
    `async for … in await websocket.iter_text()` are both right, as are `websocket.is_connected()`
    and `await websocket.is_connected()`.
    """

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers, names in lower case."""

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """End the conversation."""

    def is_connected(self) -> Any:
        """Whether the other side is there, as far as is known."""

    async def receive(self) -> str | bytes:
        """The next message."""

    async def receive_text(self) -> str:
        """The next message, as text."""

    async def receive_bytes(self) -> bytes:
        """The next message, as bytes."""

    async def receive_json(self) -> Any:
        """The next message, parsed."""

    async def send_text(self, data: str) -> None:
        """Send text."""

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes."""

    async def send_json(self, data: Any) -> None:
        """Send a value as JSON text."""

    def iter_text(self) -> Any:
        """All messages to come, as text."""

    def iter_bytes(self) -> Any:
        """All messages to come, as bytes."""

    def iter_json(self) -> Any:
        """All messages to come, parsed."""


def disconnect(code: int, reason: str | None = None) -> Exception:
    """The exception for a socket that was closed: FastAPI's own if a source has imported it."""
    starlette = sys.modules.get("starlette.websockets")
    kind: Any = getattr(starlette, "WebSocketDisconnect", WebSocketDisconnect)
    error: Exception = kind(code, reason)
    return error


def is_disconnect(error: BaseException) -> bool:
    """Whether an exception says that the other side has gone, in either class."""
    return isinstance(error, WebSocketDisconnect) or type(error).__name__ == "WebSocketDisconnect"


class Messages:
    """An async iterator that may also be awaited first, as sources for truss_chains do it."""

    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self._iterator = iterator

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._iterator

    def __await__(self) -> Generator[Any, None, Messages]:
        yield from ()
        return self


class Answer:
    """A yes or no that may also be awaited, as sources for truss_chains do it."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes

    def __bool__(self) -> bool:
        return self._yes

    def __await__(self) -> Generator[Any, None, bool]:
        yield from ()
        return self._yes


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What travels over a socket: a message, or the end with its code and reason."""

    message: str | bytes = ""
    closed: tuple[int, str] | None = None


class Link(Protocol):
    """One end of a conversation; the runtime's goes through the broker, the fake's through a queue."""

    async def send(self, frame: Frame) -> None:
        """Hand a frame to the other end; waits while that one reads too slowly."""

    async def receive(self) -> Frame:
        """The next frame of the other end; its end is a frame too."""


class WebSocket:
    """The socket as an author's code sees it, whatever carries its frames."""

    def __init__(self, link: Link, *, headers: Mapping[str, str]) -> None:
        self._link = link
        self._closed: tuple[int, str] | None = None
        self.headers = dict(headers)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """End the conversation; again is harmless."""
        if self._closed is None:
            self._closed = (code, reason or "")
            await self._link.send(Frame(closed=self._closed))

    def is_connected(self) -> Answer:
        """Whether neither side has ended the conversation, as far as is known here."""
        return Answer(yes=self._closed is None)

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            WebSocketDisconnect: the conversation has ended.
        """
        if self._closed is None:
            frame = await self._link.receive()
            if frame.closed is None:
                return frame.message
            self._closed = frame.closed
        raise disconnect(*self._closed)

    async def receive_text(self) -> str:
        """The next message as text; raises as `receive`."""
        message = await self.receive()
        return message if isinstance(message, str) else message.decode()

    async def receive_bytes(self) -> bytes:
        """The next message as bytes; raises as `receive`."""
        message = await self.receive()
        return message if isinstance(message, bytes) else message.encode()

    async def receive_json(self) -> Any:
        """The next message, parsed; raises as `receive`, and ValueError."""
        return json.loads(await self.receive())

    async def send_text(self, data: str) -> None:
        """Send text; raises as `receive`."""
        await self._send(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes; raises as `receive`."""
        await self._send(data)

    async def send_json(self, data: Any) -> None:
        """Send a value as JSON text; raises as `receive`."""
        await self._send(json.dumps(data, ensure_ascii=False))

    def iter_text(self) -> Messages:
        """All messages to come, as text, until the conversation ends."""
        return Messages(self._all(self.receive_text))

    def iter_bytes(self) -> Messages:
        """All messages to come, as bytes, until the conversation ends."""
        return Messages(self._all(self.receive_bytes))

    def iter_json(self) -> Messages:
        """All messages to come, parsed, until the conversation ends."""
        return Messages(self._all(self.receive_json))

    async def _send(self, message: str | bytes) -> None:
        if self._closed is not None:
            raise disconnect(*self._closed)
        await self._link.send(Frame(message=message))

    async def _all(self, receive: Callable[[], Awaitable[Any]]) -> AsyncIterator[Any]:
        while True:
            try:
                message = await receive()
            except Exception as error:
                if is_disconnect(error):
                    return
                raise
            yield message


@asynccontextmanager
async def closed_after(websocket: WebSocketProtocol) -> AsyncIterator[None]:
    """End the conversation with the block: with code 1000, or 1011 if it fails."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):  # the failure is what counts
            await websocket.close(1011, "The chain failed; the run says why.")
        raise
    await websocket.close()
