"""Waits for news of a run, wherever in the web process somebody follows one."""

import asyncio
import logging
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from channels.layers import get_channel_layer

LOOK_AGAIN = 2.0  # seconds without a bell until the next look
_CANCEL_AGAIN = 0.2  # seconds
_log = logging.getLogger(__name__)


class RunBell:
    """Rings when a run's history has grown; a bell may be lost, so nobody waits longer than `LOOK_AGAIN`."""

    def __init__(self, run_id: UUID) -> None:
        self._run_id = run_id
        self._rung = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The channel layer may swallow a cancellation that meets a message, so once is not enough.
        while self._listening is not None and not self._listening.done():
            self._listening.cancel()
            await asyncio.wait([self._listening], timeout=_CANCEL_AGAIN)

    def clear(self) -> None:
        """Forget what has rung; call it before looking, so that news in between rings anew."""
        self._rung.clear()

    async def wait(self) -> None:
        """Wait for a bell, or long enough to look without one."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), LOOK_AGAIN)

    async def _listen(self) -> None:
        while True:
            try:
                layer: Any = get_channel_layer()
                name = await layer.new_channel()
                await layer.group_add(f"run.{self._run_id}", name)
                try:
                    while True:
                        await layer.receive(name)
                        self._rung.set()
                finally:
                    await layer.group_discard(f"run.{self._run_id}", name)
            except Exception as error:  # noqa: BLE001 (without bells the regular look remains)
                _log.warning("run %s is watched without the broker: %s", self._run_id, error)
                await asyncio.sleep(LOOK_AGAIN)
