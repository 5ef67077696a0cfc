"""Services elsewhere: what a chainlet calls by HTTP, as if it were a dependency."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import logging
import random
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import from_json, to_json

from chainlets.config import RPCOptions
from chainlets.context import DeploymentContext
from chainlets.errors import CallError, ChainsRuntimeError, ChainsUsageError
from chainlets.failure import Failure, Frame, exception_from
from chainlets.retrying import GiveUp, after_failure

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

T = TypeVar("T")
Output = TypeVar("Output", bound=BaseModel)

_KEY_SECRET = "baseten_chain_api_key"  # noqa: S105 (the name of a secret, as in truss_chains)
_SHOWN_CHARACTERS = 200
_CLOSING_S = 1.0
_WORTH_RETRYING = (408, 429)  # of the answers that blame the caller
_SERVER_ERROR = 500


class StubBase:
    """A service elsewhere. Subclass it with the `run_remote` that your chainlets call.

        class LLM(chains.StubBase):
            async def run_remote(self, prompt: str) -> str:
                return await self.predict_async({"prompt": prompt})

        class Poem(chains.ChainletBase):
            def __init__(self, context: chains.DeploymentContext = chains.depends_context()) -> None:
                self._llm = LLM.from_url("https://models.example/predict", context)

    Such a call is no invocation: it is not recorded, and is made again when its run is resumed. So
    put what costs money into a chainlet of its own.
    """

    __service: _Service | None = None

    @classmethod
    def from_url(
        cls,
        predict_url: str,
        context_or_api_key: DeploymentContext | str | None = None,
        options: RPCOptions | None = None,
        **arguments: Any,
    ) -> Self:
        """The stub for an address; nothing is sent yet.

        Args:
            predict_url: where inputs are posted to.
            context_or_api_key: the key that is sent along, or a context that has it as the secret
                `baseten_chain_api_key`; without either none is sent.
            options: how it is called; `timeout_sec` counts once a call has its turn, for a stream
                until it begins and then again for each piece.
            arguments: for the `__init__` of a subclass that has one.

        Raises:
            ChainsUsageError: it is no address, or a key that no header can carry.
        """
        options = options or RPCOptions()
        service = _Service(
            name=cls.__name__,
            url=_checked_address(predict_url, cls.__name__),
            key=_key_from(context_or_api_key, cls.__name__),
            options=options,
            slots=_Slots(options.concurrency_limit),
        )
        _client_settings()  # what takes long is done while the replica is built, not in its first call
        stub = cls(**arguments)
        stub.__service = service
        return stub

    def __repr__(self) -> str:
        at = self.__service.address if self.__service is not None else "no address"
        return f"<{type(self).__name__} at {at}>"

    @overload
    def predict_sync(self, inputs: BaseModel | Mapping[str, Any], output_model: type[Output]) -> Output: ...
    @overload
    def predict_sync(self, inputs: BaseModel | Mapping[str, Any], output_model: None = None) -> Any: ...
    def predict_sync(
        self, inputs: BaseModel | Mapping[str, Any], output_model: type[BaseModel] | None = None
    ) -> Any:
        """Post `inputs` and wait on this thread; see `predict_async`."""
        service, body = self.__known(), _body(inputs)
        content = _repeated_sync(service, lambda: _attempt_sync(service, body))
        return service.output(content, output_model)

    @overload
    async def predict_async(
        self, inputs: BaseModel | Mapping[str, Any], output_model: type[Output]
    ) -> Output: ...
    @overload
    async def predict_async(
        self, inputs: BaseModel | Mapping[str, Any], output_model: None = None
    ) -> Any: ...
    async def predict_async(
        self, inputs: BaseModel | Mapping[str, Any], output_model: type[BaseModel] | None = None
    ) -> Any:
        """Post `inputs` as JSON and give back the answer.

        Args:
            inputs: a model, or an object by the names of the service's arguments.
            output_model: what the answer is; without one it comes as plain JSON values.

        Raises:
            TimeoutError: the last attempt took longer than `timeout_sec`.
            CallError: it cannot be reached, refuses, or answers with something else.
            Exception: what was raised there, of the same class if that is loaded here.
        """
        service, body = self.__known(), _body(inputs)
        content = await _repeated(service, lambda: _attempt(service, body))
        return service.output(content, output_model)

    async def predict_async_stream(self, inputs: BaseModel | Mapping[str, Any]) -> AsyncIterator[bytes]:
        """Post `inputs` as JSON and give back the pieces of the answer as they come.

        It is tried again only until it has begun. Raises what `predict_async` raises, there or
        between two pieces.
        """
        service, body = self.__known(), _body(inputs)

        async def begun() -> AsyncIterator[bytes]:
            pieces = _pieces(service, body)
            await anext(pieces)
            return pieces

        return await _repeated(service, begun)

    def __known(self) -> _Service:
        if self.__service is None:
            name = type(self).__name__
            msg = f"`{name}` was made without an address. Write `{name}.from_url(predict_url, context)`."
            raise ChainsRuntimeError(msg)
        return self.__service


class _Slots:
    """A bound on the calls under way, for threads and event loops alike."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._free = most
        self._queue: deque[Future[None]] = deque()

    @contextlib.contextmanager
    def on_thread(self) -> Iterator[None]:
        """Wait for a slot, and hold it inside the block."""
        # Were this thread's loop to wait here, calls that it has under way could never free theirs.
        patient = asyncio._get_running_loop() is None  # noqa: SLF001 (get_running_loop raises instead)
        turn = self._ask(patient=patient)
        try:
            turn.result()
            yield
        finally:
            self._give_back(turn)

    @contextlib.asynccontextmanager
    async def on_loop(self) -> AsyncIterator[None]:
        """Wait for a slot, and hold it inside the block."""
        turn = self._ask(patient=True)
        try:
            if not turn.done():
                await asyncio.wrap_future(turn)
            yield
        finally:
            self._give_back(turn)

    def _ask(self, *, patient: bool) -> Future[None]:
        turn: Future[None] = Future()
        with self._lock:
            if self._free > 0 or not patient:
                self._free -= 1
                turn.set_result(None)
            else:
                self._queue.append(turn)
        return turn

    def _give_back(self, turn: Future[None]) -> None:
        if turn.cancel():
            return  # it never had a slot
        with self._lock:
            self._free += 1
            while self._queue and self._free > 0:
                following = self._queue.popleft()
                if following.set_running_or_notify_cancel():
                    self._free -= 1
                    following.set_result(None)


@dataclass(frozen=True, kw_only=True)
class _Service:
    """One address: how it is called, and what its answers mean."""

    name: str
    url: str = field(repr=False)
    key: SecretStr | None
    options: RPCOptions
    slots: _Slots

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
        raise exception_from(detail.failure(chainlet=self.name, retryable=retryable))

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


class _Line(BaseModel):
    filename: str
    lineno: int | None = None
    name: str
    line: str | None = None


class _ErrorDetail(BaseModel):
    exception_cls_name: str
    exception_module_name: str | None = None
    exception_message: str
    user_stack_trace: list[_Line] = []

    def failure(self, *, chainlet: str, retryable: bool) -> Failure:
        return Failure(
            type=self.exception_cls_name,
            module=self.exception_module_name or "builtins",
            message=self.exception_message,
            chainlet=chainlet,
            retryable=retryable,
            frames=[
                Frame(file=line.filename, line=line.lineno or 0, name=line.name, code=line.line or "")
                for line in self.user_stack_trace
            ],
        )


class _ErrorBody(BaseModel):
    error: _ErrorDetail


async def _repeated(service: _Service, attempt: Callable[[], Awaitable[T]]) -> T:
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


def _repeated_sync(service: _Service, attempt: Callable[[], T]) -> T:
    failures = 0
    while True:
        try:
            return attempt()
        except Exception as error:
            failures += 1
            pause = service.pause_after(error, failures=failures)
            if pause is None:
                raise
        time.sleep(pause)


async def _attempt(service: _Service, body: bytes) -> bytes:
    async with service.slots.on_loop():
        with service.told():
            async with asyncio.timeout(service.options.timeout_sec):
                client = await _client_here()
                response = await client.request(**service.post(body, timeout_s=None))
    service.check(response.status_code, response.content)
    return response.content


def _attempt_sync(service: _Service, body: bytes) -> bytes:
    limit = service.options.timeout_sec
    with service.slots.on_thread(), service.told():
        deadline = time.monotonic() + limit
        with _client().stream(**service.post(body, timeout_s=limit)) as response:
            content = b"".join(_until(deadline, response.iter_bytes()))
    service.check(response.status_code, content)
    return content


def _until(deadline: float, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if time.monotonic() > deadline:
            raise TimeoutError
        yield piece


async def _pieces(service: _Service, body: bytes) -> AsyncGenerator[bytes]:
    """One attempt at a stream: an empty piece once it has begun, then those of the answer."""
    limit = service.options.timeout_sec
    async with service.slots.on_loop():
        with service.told():
            async with asyncio.timeout(limit):
                client = await _client_here()
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


@functools.cache
def _client() -> httpx.Client:
    """The client of all threads, closed when the process ends."""
    import httpx

    client = httpx.Client(**_client_settings())
    atexit.register(client.close)
    return client


_clients: dict[asyncio.AbstractEventLoop, tuple[AsyncGenerator[httpx.AsyncClient], httpx.AsyncClient]] = {}


async def _client_here() -> httpx.AsyncClient:
    """The client of the running loop, closed when the loop or the process ends."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        for ended in [other for other in list(_clients) if other.is_closed()]:
            _clients.pop(ended, None)
        # asyncio ends what async generators hold before it closes a loop; it tells nobody else.
        held = _held_client(loop)
        _clients[loop] = held, await anext(held)
    return _clients[loop][1]


async def _held_client(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[httpx.AsyncClient]:
    import httpx

    client = httpx.AsyncClient(**_client_settings())
    try:
        yield client
    finally:
        _clients.pop(loop, None)
        await client.aclose()


@atexit.register
def _close_all() -> None:
    for loop, (held, _) in list(_clients.items()):
        if loop.is_running():
            with contextlib.suppress(Exception):
                asyncio.run_coroutine_threadsafe(held.aclose(), loop).result(_CLOSING_S)


@functools.cache
def _client_settings() -> dict[str, Any]:
    import httpx

    return {
        "verify": httpx.create_ssl_context(),
        # Each service's `concurrency_limit` is the bound.
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=100),
        # Stubs with different keys share a client: nothing that one is given may go along with another's.
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=())),
    }


def _body(inputs: BaseModel | Mapping[str, Any]) -> bytes:
    if isinstance(inputs, BaseModel):
        return inputs.model_dump_json().encode()
    return to_json(inputs, by_alias=False)


def _checked_address(url: str, name: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        fits = fits and "@" not in parts.netloc
    except ValueError:
        fits = False
    if not fits:
        msg = (
            f"`{name}.from_url` needs an address such as 'https://host/predict', without user or password; "
            f"the key is its second argument."
        )
        raise ChainsUsageError(msg)
    return url


def _key_from(given: DeploymentContext | str | None, name: str) -> SecretStr | None:
    if given is not None and not isinstance(given, str):
        declared = _KEY_SECRET in given.secrets
        given = given.secrets[_KEY_SECRET] if declared else None
    key = (given or "").strip()
    if not key.isascii() or not key.isprintable():
        msg = f"The key for `{name}` has characters that no header can carry. Was it copied in one line?"
        raise ChainsUsageError(msg)
    return SecretStr(key) if key else None


def _shown(text: str) -> str:
    return text.strip()[:_SHOWN_CHARACTERS] or "(nothing)"
