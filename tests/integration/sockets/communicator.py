"""A websocket client that talks to an ASGI application without a network."""

from typing import Any
from urllib.parse import unquote

from asgiref.testing import ApplicationCommunicator


class Socket(ApplicationCommunicator):
    """One connection."""

    def __init__(self, application: Any, address: str, *, headers: list[tuple[bytes, bytes]]) -> None:
        path, _, query = address.partition("?")
        scope = {
            "type": "websocket",
            "path": unquote(path),
            "query_string": query.encode(),
            "headers": headers,
        }
        super().__init__(application, scope)

    async def connect(self, timeout: float = 5) -> bool:
        """Whether the handshake was accepted."""
        await self.send_input({"type": "websocket.connect"})
        message = await self.receive_output(timeout)
        return bool(message["type"] == "websocket.accept")

    async def text(self, timeout: float = 5) -> str:
        """The next message's text."""
        message = await self.receive_output(timeout)
        assert message["type"] == "websocket.send", message
        return str(message["text"])

    async def say(self, text: str) -> None:
        """Send a message to the server."""
        await self.send_input({"type": "websocket.receive", "text": text})

    async def leave(self) -> None:
        """Go away, and wait until the application has noticed."""
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(5)
