"""Three ways to run a chain's source: plainly, through the engine in this process, through real workers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websockets
from pydantic_core import to_jsonable_python

import chainlets as chains
from chainlets import testing
from chainlets.endpoint import Shape
from chainlets.failure import Failure
from chainlets.graph import Chain
from chainlets.runtime.loader import Loader
from tests.harness import API_KEY, Stack


@dataclass(frozen=True)
class Raised:
    """A run that failed: class and message of what the caller gets; where there is one, the tree and its text."""

    type: str
    message: str
    failure: Failure | None = field(default=None, compare=False, repr=False)
    text: str = field(default="", compare=False, repr=False)


class Locally:
    """In this process, by `run_local`."""

    def __init__(self, folder: Path, *, secrets: dict[str, str], strict: bool) -> None:
        self.name = "strict" if strict else "plain"
        self._secrets = secrets
        self._strict = strict
        loaded = Loader(modules=[], folder=folder).current()
        assert loaded.problems == ()
        self.chains = loaded.chains

    def run(self, name: str, /, **given: Any) -> Any:
        """What the chain gives, as JSON; or what it raises."""
        chain = self.chains[name]
        try:
            with chains.run_local(secrets=self._secrets, strict=self._strict):
                output = _call(chain, chain.entrypoint.cls(), given)
        except Exception as error:
            failure: Failure | None = getattr(error, "failure", None)
            return Raised(type(error).__name__, str(error), failure, failure.text() if failure else "")
        return to_jsonable_python(output, bytes_mode="base64")

    @asynccontextmanager
    async def converse(self, name: str, /, **headers: str) -> AsyncIterator[testing.FakeWebSocket]:
        """A conversation with a chain; what it raises is raised at the end."""
        with chains.run_local(secrets=self._secrets, strict=self._strict):
            chainlet = self.chains[name].entrypoint.cls()
            async with testing.conversation(chainlet, headers=headers) as client:
                yield client


class Workers:
    """Through the API of a running system."""

    name = "workers"

    def __init__(self, stack: Stack, *, begin: Sequence[tuple[str, dict[str, Any]]]) -> None:
        self.stack = stack
        # Begun together, they take less time, and the worker has more to do at once.
        self._begun = [(name, given, stack.start_run(name, **given)) for name, given in begin]

    def run(self, name: str, /, **given: Any) -> Any:
        """What the API shows of the run's output, or of its error."""
        begun = [run_id for *what, run_id in self._begun if what == [name, given]]
        run = self.stack.wait_run(begun[0] if begun else self.stack.start_run(name, **given))
        if run["state"] == "succeeded":
            return run["output"]
        error = run["error"]
        return Raised(error["type"], error["message"], Failure.model_validate(error), error["text"])

    @asynccontextmanager
    async def converse(self, name: str, /, **headers: str) -> AsyncIterator["Client"]:
        """A conversation with a chain."""
        address = f"{self.stack.base_url.replace('http', 'ws', 1)}/ws/chains/{name}"
        headers |= {"Authorization": f"Bearer {API_KEY}"}
        async with websockets.connect(address, additional_headers=headers, proxy=None) as socket:
            yield Client(socket)


class Client:
    """A websocket of the network, with the methods of `testing.FakeWebSocket`."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self.send_text: Callable[[str], Any] = socket.send
        self.send_bytes: Callable[[bytes], Any] = socket.send
        self.close = socket.close

    async def receive(self) -> str | bytes:
        """The next message."""
        try:
            return await asyncio.wait_for(self._socket.recv(), 20)
        except websockets.ConnectionClosed as error:
            closed: Any = error.rcvd
            raise chains.WebSocketDisconnect(closed.code, closed.reason) from error


def _call(chain: Chain, chainlet: chains.ChainletBase, given: dict[str, Any]) -> Any:
    endpoint = chain.entrypoint.endpoint
    arguments = {name: value for name, value in endpoint.decode_input(given).items() if name in given}
    method = getattr(chainlet, endpoint.method)
    if endpoint.shape is Shape.STREAM:
        return asyncio.run(_collected(method(**arguments)))
    if endpoint.is_async:
        return asyncio.run(method(**arguments))
    return method(**arguments)


async def _collected(stream: AsyncIterator[Any]) -> list[Any]:
    return [piece async for piece in stream]
