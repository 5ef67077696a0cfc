"""Calls of a service elsewhere: how one is made and repeated, and what its answer means."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import from_json

from chainlets.clients import client_of_loop, client_of_threads
from chainlets.config import RPCOptions
from chainlets.errors import CallError
from chainlets.failure import Failure, Frame, exception_from
from chainlets.remote_error import RemoteErrorDetail
from chainlets.retrying import GiveUp, after_failure
from chainlets.slots import Slots

log = logging.getLogger(__name__)

T = TypeVar("T")

_SHOWN_CHARACTERS = 200
_WORTH_RETRYING = (408, 429)  # of the answers that blame the caller
_SERVER_ERROR = 500


@dataclass(frozen=True, kw_only=True)
class Service:
    """One address: how it is called, and what its answers mean."""

    name: str
    url: str = field(repr=False)
    key: SecretStr | None
    options: RPCOptions
    slots: Slots

    @property
    def address(self) -> str:
        """Where it is, without what may be secret in a query."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))

    def post(self, body: bytes, *, timeout_s: float | None) -> dict[str, Any]:
        """The request, as arguments for httpx; `timeout_s` is for each wait for the other side."""
        headers = {"Content-Type": "application/json"}
        if self.key is not None:
            headers["Authorization"] = f"Api-Key {self.key.get_secret_value()}"
        request = {"method": "POST", "url": self.url, "content": body, "headers": headers}
        return {**request, "timeout": timeout_s}

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Raise what goes wrong on the way as errors of ours, which tell no secrets."""
        import httpx

        try:
            yield
        except (TimeoutError, httpx.TimeoutException):
            msg = f"Timeout calling remote Chainlet `{self.name}` ({self.options.timeout_sec} seconds limit)."
            raise TimeoutError(msg) from None
        except httpx.RequestError as error:
            reason = self._without_key(f"{type(error).__name__}: {error}")
            msg = f"The call of `{self.name}` at {self.address} failed on the way. {reason}"
            raise CallError(msg) from None

    def check(self, status: int, content: bytes) -> None:
        """Raise what an answer that is no success stands for."""
        if status // 100 == 2:  # noqa: PLR2004 (2xx)
            return
        retryable = status >= _SERVER_ERROR or status in _WORTH_RETRYING
        text = self._without_key(content.decode(errors="replace"))
        try:
            detail = _ErrorBody.model_validate_json(text).error
        except ValidationError:
            error = CallError(f"`{self.name}` at {self.address} answered {status}: {_shown(text)}")
            error.retryable = retryable
            raise error from None
        raise exception_from(_failure(detail, chainlet=self.name, retryable=retryable))

    def output(self, content: bytes, model: type[BaseModel] | None) -> Any:
        """The answer as a value.

        Raises:
            CallError: it is no JSON, or not what the model describes.
        """
        try:
            return from_json(content) if model is None else model.model_validate_json(content)
        except ValueError as error:
            expected = "JSON" if model is None else f"`{model.__name__}`"
            text = self._without_key(content.decode(errors="replace"))
            msg = f"`{self.name}` at {self.address} answered with what is no {expected}: {_shown(text)}"
            raise CallError(msg) from error

    def pause_after(self, error: Exception, *, failures: int) -> float | None:
        """Seconds until the next attempt; None if there is none."""
        decision = after_failure(
            failures=failures,
            max_attempts=self.options.retries,
            retryable=getattr(error, "retryable", True),
            jitter=random.random(),  # noqa: S311 (spreads load, guards nothing)
        )
        most = max(self.options.retries, 1)
        log.warning("Attempt %d of %d to call `%s` failed: %s", failures, most, self.name, error)
        return None if isinstance(decision, GiveUp) else decision.delay_s

    def _without_key(self, text: str) -> str:
        return text if self.key is None else text.replace(self.key.get_secret_value(), "***")


async def call(service: Service, body: bytes) -> bytes:
    """Post a body, again if need be, and give back the answer.

    Raises:
        TimeoutError: the last attempt took too long.
        CallError: the service cannot be reached, or refuses.
        Exception: what was raised there.
    """
    return await _repeated(service, lambda: _attempt(service, body))


def call_sync(service: Service, body: bytes) -> bytes:
    """As `call`, waiting on this thread."""
    failures = 0
    while True:
        try:
            return _attempt_sync(service, body)
        except Exception as error:
            failures += 1
            pause = service.pause_after(error, failures=failures)
            if pause is None:
                raise
        time.sleep(pause)


async def begin_stream(service: Service, body: bytes) -> AsyncIterator[bytes]:
    """As `call`, until the answer begins; then its pieces as they come, whose reading raises the same."""

    async def begun() -> AsyncIterator[bytes]:
        pieces = _pieces(service, body)
        await anext(pieces)
        return pieces

    return await _repeated(service, begun)


async def _repeated(service: Service, attempt: Callable[[], Awaitable[T]]) -> T:
    failures = 0
    while True:
        try:
            return await attempt()
        except Exception as error:
            failures += 1
            pause = service.pause_after(error, failures=failures)
            if pause is None:
                raise
        await asyncio.sleep(pause)


async def _attempt(service: Service, body: bytes) -> bytes:
    async with service.slots.on_loop():
        with service.told():
            async with asyncio.timeout(service.options.timeout_sec):
                client = await client_of_loop()
                response = await client.request(**service.post(body, timeout_s=None))
    service.check(response.status_code, response.content)
    return response.content


def _attempt_sync(service: Service, body: bytes) -> bytes:
    limit = service.options.timeout_sec
    with service.slots.on_thread(), service.told():
        deadline = time.monotonic() + limit
        with client_of_threads().stream(**service.post(body, timeout_s=limit)) as response:
            content = b"".join(_until(deadline, response.iter_bytes()))
    service.check(response.status_code, content)
    return content


def _until(deadline: float, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if time.monotonic() > deadline:
            raise TimeoutError
        yield piece


async def _pieces(service: Service, body: bytes) -> AsyncGenerator[bytes]:
    """One attempt at a stream: an empty piece once it has begun, then those of the answer."""
    limit = service.options.timeout_sec
    async with service.slots.on_loop():
        with service.told():
            async with asyncio.timeout(limit):
                client = await client_of_loop()
                request = client.build_request(**service.post(body, timeout_s=limit))
                response = await client.send(request, stream=True)
        try:
            if not response.is_success:
                with service.told():
                    content = await response.aread()
                service.check(response.status_code, content)
            yield b""
            with service.told():
                async for piece in response.aiter_bytes():
                    yield piece
        finally:
            await response.aclose()


class _ErrorBody(BaseModel):
    error: RemoteErrorDetail


def _failure(detail: RemoteErrorDetail, *, chainlet: str, retryable: bool) -> Failure:
    return Failure(
        type=detail.exception_cls_name,
        module=detail.exception_module_name or "builtins",
        message=detail.exception_message,
        chainlet=chainlet,
        retryable=retryable,
        frames=[
            Frame(file=frame.filename, line=frame.lineno or 0, name=frame.name, code=frame.line or "")
            for frame in detail.user_stack_trace
        ],
    )


def _shown(text: str) -> str:
    return text.strip()[:_SHOWN_CHARACTERS] or "(nothing)"
