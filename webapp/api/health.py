"""Whether the process answers, and whether what it needs does."""

import asyncio
import logging
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from redis.asyncio import Redis

TIMEOUT = 3.0  # seconds for each check
# Threads of its own: a database that hangs keeps these, and nobody else waits for them.
_threads = ThreadPoolExecutor(2, thread_name_prefix="readyz")
_log = logging.getLogger(__name__)


async def healthz(_request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


async def readyz(_request: HttpRequest) -> JsonResponse:
    """Ask database and broker, each with a time limit; 503 if one of them does not answer."""
    database, broker = await asyncio.gather(_answers(_ask_database()), _answers(_ask_broker()))
    ready = database and broker
    checks = {"database": _word(database), "broker": _word(broker)}
    return JsonResponse({"status": _word(ready), "checks": checks}, status=200 if ready else 503)


def _word(good: bool) -> str:  # noqa: FBT001
    return "ok" if good else "unavailable"


async def _answers(check: Awaitable[None]) -> bool:
    try:
        await asyncio.wait_for(check, TIMEOUT)
    except Exception as error:  # noqa: BLE001 (whatever it was, the answer is "not ready")
        _log.warning("not ready: %s: %s", type(error).__name__, error)
        return False
    return True


async def _ask_database() -> None:
    await asyncio.get_running_loop().run_in_executor(_threads, _select_one)


def _select_one() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()


async def _ask_broker() -> None:
    client = Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
    try:
        await client.ping()
    finally:
        await client.aclose()
