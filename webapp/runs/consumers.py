"""The live view of one run over a websocket.

Everything sent is read from the database, in order, from the `seq` the client names. A message on
the run's channel group only says "look again", and a look every two seconds makes up for lost ones.
"""

import asyncio
import json
import logging
from typing import Any, Final, cast
from urllib.parse import parse_qs
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from webapp.runs.follow import LOOK_AGAIN, RunBell
from webapp.runs.services import events_after
from webapp.runs.viewers import Scope, may_see, origin_allowed, recognise
from webapp.runs.wire import event_json

NOT_LOGGED_IN: Final = 4401
NO_SUCH_RUN: Final = 4404
TOO_SLOW: Final = 1013
TOO_TALKATIVE: Final = 1008

PAUSE = 0.1  # seconds between two looks at most, so that bursts go out together
SEND_LIMIT = 15.0  # seconds a client may take for one message
BATCH = 500  # events read at once
MESSAGES_LIMIT = 100  # a client has nothing to say; this many may be a mistake
_MAX_DIGITS = 18  # of a number that every database can compare
_log = logging.getLogger(__name__)


class Unknown(AsyncWebsocketConsumer):  # type: ignore[misc]
    """There is no such socket."""

    channel_layer_alias = ""

    async def connect(self) -> None:
        """Refuse the handshake."""
        await self.close(NO_SUCH_RUN)


class RunConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Sends a run's events, history first."""

    # Channels would end the socket when the broker goes away; ours then lives on by looking.
    channel_layer_alias = ""

    async def connect(self) -> None:
        """Let in whoever may see the run, and begin."""
        self._tasks: list[asyncio.Task[None]] = []
        self._heard = 0
        if not origin_allowed(self.scope):
            await self.close()
            return
        # Only an accepted socket can tell a browser why it is closed.
        await self.accept()
        run_id = _uuid(self.scope["url_route"]["kwargs"]["run_id"])
        refusal = await self._refusal(run_id)
        if refusal is not None or run_id is None:
            await self.close(refusal)
            return
        self._tasks = [asyncio.create_task(self._tell(run_id))]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:  # noqa: ARG002
        """Ignore what the client says; a flood of it ends the socket."""
        self._heard += 1
        if self._heard > MESSAGES_LIMIT:
            await self.close(TOO_TALKATIVE)

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        """Stop looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _refusal(self, run_id: UUID | None) -> int | None:
        """The close code for a client that may not, or may no longer, see the run."""
        return cast("int | None", await database_sync_to_async(_refusal)(self.scope, run_id))

    async def _tell(self, run_id: UUID) -> None:
        """Send what is new, then wait for the bell, until the client goes."""
        try:
            seq = _after(self.scope)
            refusal: int | None = None
            async with RunBell(run_id) as bell:
                while refusal is None:
                    checked = asyncio.get_running_loop().time()
                    # A busy run must not keep a revoked key's socket open, so rights go by the clock.
                    while asyncio.get_running_loop().time() < checked + LOOK_AGAIN:
                        bell.clear()
                        seq = await self._send_after(run_id, seq)
                        await asyncio.sleep(PAUSE)
                        await bell.wait()
                    refusal = await self._refusal(run_id)
            await self.close(refusal)
        except TimeoutError:  # a message found no room for SEND_LIMIT seconds
            await self.close(TOO_SLOW)
        except Exception:  # noqa: BLE001 (whatever it was, the client hears of it and comes back)
            _log.exception("the socket of run %s ends", run_id)
            await self.close(1011)

    async def _send_after(self, run_id: UUID, seq: int) -> int:
        """Send all events after `seq`; the last one's number."""
        while True:
            messages = await database_sync_to_async(_messages)(run_id, seq)
            for number, text in messages:
                await asyncio.wait_for(self.send(text_data=text), SEND_LIMIT)
                seq = number
            if len(messages) < BATCH:
                return seq


def _refusal(scope: Scope, run_id: UUID | None) -> int | None:
    viewer = recognise(scope)
    if viewer is None:
        return NOT_LOGGED_IN
    return None if run_id is not None and may_see(viewer, run_id) else NO_SUCH_RUN


def _messages(run_id: UUID, seq: int) -> list[tuple[int, str]]:
    events = events_after(run_id=run_id, after=seq, limit=BATCH)
    return [(event.seq, json.dumps(event_json(event), ensure_ascii=False)) for event in events]


def _after(scope: Any) -> int:
    value = parse_qs(scope["query_string"].decode("latin-1")).get("after", ["0"])[-1]
    return int(value) if value.isascii() and value.isdigit() and len(value) < _MAX_DIGITS else 0


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
