"""Request bodies that reach a view while they arrive.

Django's own ASGI handler writes a whole body to disk before any view sees it: no size limit would
hold, and a stranger could fill the disk before being asked for a key. Here an upload is handed
over piece by piece, and every other body is small or refused.
"""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler

from webapp.api.problems import bare_response

UPLOAD_PATH = "/api/files"
IDLE_LIMIT = 60.0  # seconds without a byte until an upload is given up

_log = logging.getLogger(__name__)

Message = Mapping[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class LiveBody(io.RawIOBase):
    """A body that is read in a worker thread while the event loop receives it."""

    def __init__(self, receive: Receive) -> None:
        """Take the request's channel; to be made on the event loop."""
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._rest = memoryview(b"")
        self._more = True
        self.ended = asyncio.Event()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what is there, wait for more if nothing is; 0 at the end.

        Raises:
            OSError: the client has gone or sends nothing any more.
        """
        while not self._rest and self._more:
            self._rest = memoryview(self._next_piece())
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def _next_piece(self) -> bytes:
        waiting = asyncio.run_coroutine_threadsafe(self._piece(), self._loop)
        try:
            return waiting.result(IDLE_LIMIT)
        except TimeoutError as error:
            waiting.cancel()
            message = "the upload has stopped"
            raise OSError(message) from error

    async def _piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._more = False
            note = "the client has gone"
            raise OSError(note)
        self._more = bool(message.get("more_body", False))
        if not self._more:
            self.ended.set()
        return bytes(message.get("body", b""))


class StreamingHandler(ASGIHandler):
    """Django's handler with live bodies for uploads and a size limit for all others."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if _is_upload(scope):
            body = LiveBody(receive)
            await super().handle(scope, _LiveReceive(body, receive), send)
            return
        limited = _LimitedReceive(receive, limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        try:
            await super().handle(scope, limited, send)
        except _TooLarge:
            await self.send_response(bare_response(status=413, code="too_large"), send)
        except ResponseBroken as error:
            # The status is long sent. An answer without its end is the one thing left that tells a
            # client that something is missing.
            _log.info("%s %s is cut off: %s", scope["method"], scope["path"], error)

    async def read_body(self, receive: Receive) -> Any:
        """The body: live for uploads, else complete."""
        if isinstance(receive, _LiveReceive):
            return io.BufferedReader(receive.body, buffer_size=1 << 16)
        return await super().read_body(receive)

    async def listen_for_disconnect(self, receive: Receive) -> None:
        """Wait until the client goes; while a live body is being read, its reader notices."""
        if isinstance(receive, _LiveReceive):
            await receive.body.ended.wait()
        await super().listen_for_disconnect(receive)


class ResponseBroken(Exception):
    """What a response streams has ended before its end."""


class _TooLarge(Exception):
    """A body that is not an upload is longer than it may be."""


class _LiveReceive:
    """The channel of an upload, with its body at hand."""

    def __init__(self, body: LiveBody, receive: Receive) -> None:
        self.body = body
        self._receive = receive

    async def __call__(self) -> Message:
        return await self._receive()


class _LimitedReceive:
    """The channel of another request; counts what comes."""

    def __init__(self, receive: Receive, *, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _TooLarge
        return message


def _is_upload(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"].rstrip("/") == UPLOAD_PATH)
