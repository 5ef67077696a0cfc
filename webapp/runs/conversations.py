"""Websockets of chains: each opens a run, and its frames go between the client and a worker."""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any, Final
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth.models import User
from redis.exceptions import RedisError

from chainlets.endpoint import Shape
from chainlets.runtime.sockets import link, opening
from chainlets.websocket import Frame
from webapp.catalog.services import current_catalog
from webapp.runs.consumers import NOT_LOGGED_IN
from webapp.runs.errors import LimitReached, SystemBusy
from webapp.runs.models import OPEN, Invocation, Run, State
from webapp.runs.services import cancel_run, start_run
from webapp.runs.viewers import Scope, origin_allowed, recognise

NO_SUCH_CHAIN: Final = 4404
NOT_NOW: Final = 4429
TRY_LATER: Final = 1013
FAILED: Final = 1011
TOO_LARGE: Final = 1009

_REASON_LIMIT = 123  # bytes, by the protocol
MESSAGE_LIMIT = 1024 * 1024  # bytes of one message
LOOK_EVERY = 1.0  # seconds between two looks at the run and at the client's rights
LAST_FRAMES = 1.0  # seconds that what a worker said last may take after its run has ended
_PRIVATE = frozenset({"authorization", "cookie", "sec-websocket-key"})


class ChainConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One conversation with a chain whose entrypoint takes a websocket."""

    channel_layer_alias = ""

    async def connect(self) -> None:
        """Let in whoever may start runs, start one, and begin to carry frames."""
        self._exit = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._link: Any = None
        if not origin_allowed(self.scope):
            await self.close()
            return
        await self.accept()
        started = await database_sync_to_async(_start)(self.scope, self.scope["url_route"]["kwargs"]["name"])
        if isinstance(started[0], int):
            await self.close(started[0], _short(started[1]))
            return
        run_id, root_id = started
        try:
            end = link(url=settings.REDIS_URL, conversation=root_id, side="client")
            self._link = await self._exit.enter_async_context(end)
            await self._link.send(opening(_headers(self.scope)))
        except RedisError:
            await self.close(TRY_LATER, "The broker is away. Try again in a moment.")
            return
        self._tasks = [
            asyncio.create_task(self._carry()),
            asyncio.create_task(self._end_with_the_run(run_id)),
        ]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Pass a message on; a worker that reads slowly slows the client down."""
        message = text_data if text_data is not None else bytes_data or b""
        if len(message) > MESSAGE_LIMIT:
            await self.close(TOO_LARGE, f"A message may have {MESSAGE_LIMIT} bytes.")
            return
        if self._link is not None:
            with suppress(RedisError):
                await self._link.send(Frame(message=message))

    async def disconnect(self, code: int) -> None:
        """Tell the worker that the client has gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._link is not None:
            with suppress(RedisError):
                await self._link.send(Frame(closed=(code or 1000, "")))
        await self._exit.aclose()

    async def _carry(self) -> None:
        """Send the client what the worker says, until that ends the conversation."""
        while (frame := await self._link.receive()).closed is None:
            if isinstance(frame.message, str):
                await self.send(text_data=frame.message)
            else:
                await self.send(bytes_data=frame.message)
        code, reason = frame.closed
        await self.close(code if code not in (1005, 1006) else FAILED, reason)

    async def _end_with_the_run(self, run_id: UUID) -> None:
        """Close the socket when the run has ended, or when the client may no longer be here."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            code, reason = await database_sync_to_async(_look)(self.scope, run_id)
            if code is not None:
                await asyncio.sleep(LAST_FRAMES)
                await self.close(code, reason)
                return


def _start(scope: Scope, name: str) -> tuple[UUID, UUID] | tuple[int, str]:
    """A new run of the chain and its root invocation, or the close code that says why not, and a reason."""
    viewer = recognise(scope)
    if viewer is None:
        return NOT_LOGGED_IN, ""
    loaded = current_catalog().chains.get(name)
    if loaded is None or loaded.entrypoint.endpoint.shape is not Shape.WEBSOCKET:
        return NO_SUCH_CHAIN, ""
    user = User.objects.get(pk=viewer.user_id)
    try:
        run = start_run(user=user, key=viewer.key, chain=name, input={}).run
    except LimitReached as error:
        return NOT_NOW, error.detail
    except SystemBusy as error:
        return TRY_LATER, error.detail
    return run.id, Invocation.objects.values_list("id", flat=True).get(run=run, parent=None)


def _look(scope: Scope, run_id: UUID) -> tuple[int | None, str]:
    run = Run.objects.filter(id=run_id).first()
    if run is None:
        return FAILED, "The run was deleted."
    if recognise(scope) is None:
        if run.state in OPEN:
            cancel_run(run=run, by="its client is logged out")
        return NOT_LOGGED_IN, ""
    if run.state in OPEN:
        return None, ""
    return (
        (1000, "")
        if run.state == State.SUCCEEDED
        else (FAILED, f"The run {run.state}; /runs/{run.id} says why.")
    )


def _short(reason: str) -> str:
    """As many sentences as the close of a websocket has room for."""
    while len(reason.encode()) > _REASON_LIMIT:
        reason = reason.rpartition(". ")[0] + "." if ". " in reason else reason[: _REASON_LIMIT // 4]
    return reason


def _headers(scope: Scope) -> dict[str, str]:
    """The request's headers without what is nobody's business but ours."""
    found = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
    return {name: value for name, value in found.items() if name not in _PRIVATE}
