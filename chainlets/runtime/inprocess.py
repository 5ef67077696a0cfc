"""Strict local runs: the engine itself, in this process, on a store in memory.

Every call is serialised, timed, retried and limited as in a worker, because the same code does it.
Only hardware, durability and other machines are missing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from chainlets.chainlet import ChainletBase, DependencyMarker
from chainlets.context import DeployedServiceDescriptor, DeploymentContext, temporary_folder
from chainlets.describe import ChainletDescriptor, Dependency
from chainlets.endpoint import Piece, Shape
from chainlets.files import current_file_store
from chainlets.graph import Chain, chain_from
from chainlets.runtime.answer import Answer
from chainlets.runtime.assembling import context_for, provide
from chainlets.runtime.engine import Engine, Surroundings
from chainlets.runtime.execution import current_execution
from chainlets.runtime.feeds import Feed
from chainlets.runtime.journal import input_hash
from chainlets.runtime.memory import MemoryRunStore
from chainlets.runtime.memory_rows import Row
from chainlets.runtime.store import NewCall, Outcome, WorkerIdentity
from chainlets.runtime.stub import Call, end_feed, read_feed, value_of
from chainlets.websocket import WebSocketProtocol, closed_after

_GRACE_S = 1.0  # for what still runs when the block ends


class StrictRuntime:
    """What `run_local(strict=True)` passes for markers, and the engine behind it."""

    def __init__(
        self,
        *,
        secrets: Mapping[str, str],
        data_dir: Path | None,
        services: Mapping[str, DeployedServiceDescriptor],
    ) -> None:
        self._secrets, self._services = dict(secrets), services
        self._data_dir = data_dir or temporary_folder()
        self._files = current_file_store()
        self._chains: dict[str, Chain] = {}
        self._owner: tuple[Chain, ChainletDescriptor] | None = None
        self._provided = self._data_dir
        self._sockets: dict[UUID, WebSocketProtocol] = {}
        self._store = MemoryRunStore(ring=self._ring)
        name = f"local@{socket.gethostname()}-{os.getpid()}"
        self._engine = Engine(
            identity=WorkerIdentity(
                name=name, slot="local", host=socket.gethostname(), pid=os.getpid(), hardware="cpu", queues=()
            ),
            surroundings=Surroundings(
                store=self._store,
                find=self._find,
                files=lambda _run, _call: self._files,
                scratch=temporary_folder(),
                data_dir=self._data_dir,
                mailbox=self._mailbox,
                sockets=self._socket,
                secrets=self._secrets,
                services=services,
                on_tick=lambda: None,
                batch=1,
            ),
        )

    def start(self) -> None:
        """Begin."""
        self._engine.start()

    def stop(self) -> None:
        """End; what still runs is cut off."""
        self._engine.stop(_GRACE_S)
        self._store.ring = lambda _: None  # what still waits for its next attempt gets none
        self._engine.end()

    def adopt(self, chainlet: ChainletBase) -> None:
        """Serve runs of a chainlet that the author builds, and make its method start them."""
        chain = chain_from(type(chainlet))
        self._chains[chain.name] = chain
        self._owner = (chain, chain.entrypoint)
        self._provided = provide(chain, chain.entrypoint, data_dir=self._data_dir, secrets=self._secrets)
        self._engine.adopt(chain, chain.entrypoint, chainlet)
        setattr(chainlet, chain.entrypoint.endpoint.method, self._root(chain, chainlet))

    def dependency(self, marker: DependencyMarker) -> object:
        """A stub whose calls go through the engine."""
        assert self._owner is not None
        chain, owner = self._owner
        dependency = Dependency(argument="", chainlet=marker.chainlet, options=marker.options)
        return self._engine.stub(chain, owner, dependency)

    def context(self, owner: type[ChainletBase]) -> DeploymentContext:
        """The context of the chainlet that the author builds."""
        return context_for(
            owner,
            secrets=self._secrets,
            data_dir=self._provided,
            services=self._services,
            chain=owner.__name__,
        )

    def _root(self, chain: Chain, chainlet: ChainletBase) -> Callable[..., Any]:
        endpoint = chain.entrypoint.endpoint
        own: Callable[..., Any] = getattr(type(chainlet), endpoint.method).__get__(chainlet)

        def start(args: tuple[Any, ...], kwargs: dict[str, Any], feed: Feed | None = None) -> Answer:
            call = _root_call(chain, endpoint.encode_input(args, kwargs))
            done = self._engine.watch(call.id, feed)
            self._store.start_run(call)
            return done

        def value(outcome: Outcome) -> Any:
            return value_of(chain.entrypoint, outcome, files=self._files)

        def run(*args: Any, **kwargs: Any) -> Any:
            answer = start(args, kwargs)
            return _RootCall(answer, value) if endpoint.is_async else value(answer.wait())

        def stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Piece, None]:
            feed = Feed(chain.entrypoint.name)
            answer = start(args, kwargs, feed)
            answer.listen(lambda: end_feed(feed, answer, value))
            limit = float(chain.entrypoint.cls.remote_config.options.streaming_read_timeout)
            return read_feed(feed, timeout_s=limit, on_wait=lambda: None, on_close=lambda: None)

        async def converse(websocket: WebSocketProtocol) -> None:
            call = _root_call(chain, {})
            self._sockets[call.id] = websocket
            done = self._engine.watch(call.id, None)
            self._store.start_run(call)
            value(await done.landed())

        ways: dict[Shape, Callable[..., Any]] = {
            Shape.VALUE: run,
            Shape.STREAM: stream,
            Shape.WEBSOCKET: converse,
        }
        begin = ways[endpoint.shape]

        def method(*args: Any, **kwargs: Any) -> Any:
            # A chainlet that calls itself does so plainly, as in a worker.
            return begin(*args, **kwargs) if current_execution.get() is None else own(*args, **kwargs)

        return method

    def _find(self, chain: str, chainlet: str) -> tuple[Chain, ChainletDescriptor] | None:
        found = self._chains.get(chain)
        return (found, found.chainlets[chainlet]) if found and chainlet in found.chainlets else None

    def _ring(self, row: Row) -> None:
        self._engine.serve(
            chain=row.call.chain,
            chainlet=row.call.chainlet,
            invocation_id=row.call.id,
            on_wait=lambda: None,
            on_done=lambda: None,
        )

    def _mailbox(self, _: str, deliver: Callable[[Collection[UUID]], None]) -> _Direct:
        self._store.wake = lambda invocation_id: deliver({invocation_id})
        return _Direct()

    @asynccontextmanager
    async def _socket(self, invocation_id: UUID) -> AsyncIterator[WebSocketProtocol]:
        websocket = self._sockets.pop(invocation_id)
        async with closed_after(websocket):
            yield websocket


class _RootCall(Call):
    __slots__ = ("_of",)

    def __init__(self, answer: Answer, value: Callable[[Outcome], Any]) -> None:
        super().__init__(answer)
        self._of = value

    def _value(self, outcome: Outcome) -> Any:
        return self._of(outcome)


class _Direct:
    """No mailbox is needed where the store tells the engine itself."""

    def start(self) -> None:
        """Nothing to begin."""

    def stop(self) -> None:
        """Nothing to end."""


def _root_call(chain: Chain, data: dict[str, Any]) -> NewCall:
    entrypoint = chain.entrypoint
    return NewCall(
        id=uuid4(),
        chain=chain.name,
        chainlet=entrypoint.name,
        queue=entrypoint.queue,
        input=data,
        input_hash=input_hash(data),
        occurrence=0,
        max_attempts=1,
        timeout_s=None,
    )
