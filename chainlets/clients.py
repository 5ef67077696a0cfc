"""The HTTP clients of this process: one for all threads, and one for each event loop."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
from collections.abc import AsyncGenerator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

_CLOSING_S = 1.0

_by_loop: dict[asyncio.AbstractEventLoop, tuple[AsyncGenerator[httpx.AsyncClient], httpx.AsyncClient]] = {}


@functools.cache
def client_settings() -> dict[str, Any]:
    """What every client is made with; takes long the first time, so ask for it before there is a hurry."""
    import httpx

    return {
        "verify": httpx.create_ssl_context(),
        # Each service's `concurrency_limit` is the bound.
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=100),
        # Stubs with different keys share a client: nothing that one is given may go along with another's.
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=())),
    }


@functools.cache
def client_of_threads() -> httpx.Client:
    """The client of all threads, closed when the process ends."""
    import httpx

    client = httpx.Client(**client_settings())
    atexit.register(client.close)
    return client


async def client_of_loop() -> httpx.AsyncClient:
    """The client of the running loop, closed when the loop or the process ends."""
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        for ended in [other for other in list(_by_loop) if other.is_closed()]:
            _by_loop.pop(ended, None)
        # asyncio ends what async generators hold before it closes a loop; it tells nobody else.
        held = _held_client(loop)
        _by_loop[loop] = held, await anext(held)
    return _by_loop[loop][1]


async def _held_client(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[httpx.AsyncClient]:
    import httpx

    client = httpx.AsyncClient(**client_settings())
    try:
        yield client
    finally:
        _by_loop.pop(loop, None)
        await client.aclose()


@atexit.register
def _close_all() -> None:
    for loop, (held, _) in list(_by_loop.items()):
        if loop.is_running():
            with contextlib.suppress(Exception):
                asyncio.run_coroutine_threadsafe(held.aclose(), loop).result(_CLOSING_S)
