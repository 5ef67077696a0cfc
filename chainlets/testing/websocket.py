"""A client for websocket chainlets, without a server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from chainlets.chainlet import ChainletBase
from chainlets.testing.links import memory_links
from chainlets.websocket import WebSocket, closed_after, is_disconnect


class FakeWebSocket(WebSocket):
    """The client's side of a conversation; it sends and reads as the chainlet's side does.

        client = testing.FakeWebSocket()
        await client.send_text("hello")
        await client.close()
        await Echo().run_remote(client.chainlet_side)
        assert client.unread() == ["hello"]

    Both sides may be used from different threads. Where a chainlet and its client take turns, see
    `conversation`.

    Args:
        headers: of the client's request, names in lower case.
        most_unread: messages that may lie unread before a sender has to wait.

    Attributes:
        chainlet_side: the socket to call `run_remote` with.
    """

    def __init__(self, *, headers: Mapping[str, str] | None = None, most_unread: int = 256) -> None:
        self._own, self._other = memory_links(most_unread=most_unread)
        super().__init__(self._own, headers=headers or {})
        self.chainlet_side = WebSocket(self._other, headers=self.headers)

    @property
    def ended(self) -> tuple[int, str] | None:
        """Code and reason with which the chainlet's side has ended, or has heard the end; None while it goes on."""
        return self.chainlet_side._closed  # noqa: SLF001 (its twin)

    def unread(self) -> list[str | bytes]:
        """What the chainlet has said and nobody read yet; also after the end."""
        frames = self._own.waiting()
        self._closed = next((frame.closed for frame in frames if frame.closed), self._closed)
        return [frame.message for frame in frames if frame.closed is None]

    def vanish(self) -> None:
        """Be gone without a word, as when the network fails: the chainlet reads an end with code 1006."""
        self._own.leave()

    async def serve(self, chainlet: ChainletBase) -> None:
        """Run a chainlet with its side, and end that as a worker does.

        Raises:
            BaseException: what the chainlet raised, but for the news that the client has gone.
        """
        method: Any = getattr(chainlet, chainlet.endpoint_method)
        try:
            async with closed_after(self.chainlet_side):
                try:
                    await method(self.chainlet_side)
                except Exception as error:
                    if not is_disconnect(error):
                        raise
        finally:
            self._other.leave()


@asynccontextmanager
async def conversation(
    chainlet: ChainletBase, *, headers: Mapping[str, str] | None = None
) -> AsyncIterator[FakeWebSocket]:
    """Run a websocket chainlet for the length of the block, and talk to it.

        async with testing.conversation(Echo()) as client:
            await client.send_text("hello")
            assert await client.receive_text() == "hello"

    As in a worker, the client hears an end with code 1000 when the chainlet returns, and 1011 when
    it fails; and a chainlet whose client has gone has nothing to complain about. The end of the
    block closes the client's side and waits for the chainlet.

    Args:
        chainlet: one whose `run_remote` takes a websocket.
        headers: of the client's request, names in lower case.

    Raises:
        BaseException: what the chainlet raised, at the end of the block.
    """
    client = FakeWebSocket(headers=headers)
    running = asyncio.create_task(client.serve(chainlet))
    try:
        yield client
        await client.close()
        await running
    finally:
        await _settle(running)


async def _settle(running: asyncio.Task[None]) -> None:
    """After a block that broke off: a chainlet that has failed is the reason to be told."""
    if running.done():
        running.result()
        return
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
