"""What a chainlet holds in place of a dependency: calls to it become invocations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Protocol

from chainlets.describe import ChainletDescriptor, Dependency, describe
from chainlets.errors import ChainsRuntimeError
from chainlets.failure import exception_from
from chainlets.graph import Chain
from chainlets.runtime.execution import Execution, current_execution
from chainlets.runtime.journal import call_id, input_hash
from chainlets.runtime.loops import UserLoops
from chainlets.runtime.store import NewCall, Outcome, State


class Caller(Protocol):
    """Makes calls for a chainlet and knows when they are done."""

    loops: UserLoops

    def open(self, *, parent: Execution, call: NewCall, limit: LimitKey, most: int) -> Future[Outcome]:
        """Start a call; its future gives the final outcome."""

    def abandon(self, *, parent: Execution, call: NewCall) -> None:
        """Cancel a call that nobody waits for any more."""


LimitKey = tuple[str, str, str]


def stub_for(caller: Caller, chain: Chain, owner: ChainletDescriptor, dependency: Dependency) -> object:
    """The object that a replica gets for a dependency."""
    target = describe(dependency.chainlet)
    kind = _AsyncStub if target.endpoint.is_async else _SyncStub
    return kind(caller=caller, chain=chain, owner=owner, target=target, dependency=dependency)


class _Stub:
    def __init__(
        self,
        *,
        caller: Caller,
        chain: Chain,
        owner: ChainletDescriptor,
        target: ChainletDescriptor,
        dependency: Dependency,
    ) -> None:
        self._caller = caller
        self._chain = chain
        self._owner = owner
        self._target = target
        self._options = dependency.options

    def __repr__(self) -> str:
        return f"<{self._target.name}, called from {self._owner.name}>"

    def _start(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Execution, NewCall, Future[Outcome]]:
        parent = current_execution.get()
        if parent is None:
            msg = (
                f"`{self._target.name}.run_remote` was called outside a call of `{self._owner.name}`. "
                f"Call dependencies from `run_remote`, not from `__init__` or from a thread of your own."
            )
            raise ChainsRuntimeError(msg)
        data = self._target.endpoint.encode_input(args, kwargs)
        digest = input_hash(data)
        occurrence = parent.occurrence(self._target.name, digest)
        call = NewCall(
            id=call_id(
                parent=parent.claim.fence.invocation_id,
                chainlet=self._target.name,
                digest=digest,
                occurrence=occurrence,
            ),
            chain=self._chain.name,
            chainlet=self._target.name,
            queue=self._target.queue,
            input=data,
            input_hash=digest,
            occurrence=occurrence,
            max_attempts=max(self._options.retries, 1),
            timeout_s=self._options.timeout_sec,
        )
        limit = (self._chain.name, self._owner.name, self._target.name)
        future = self._caller.open(
            parent=parent, call=call, limit=limit, most=self._options.concurrency_limit
        )
        return parent, call, future

    def _value(self, outcome: Outcome) -> Any:
        if outcome.state is State.SUCCEEDED:
            return self._target.endpoint.decode_output(outcome.result)
        if outcome.failure is None:
            msg = f"`{self._target.name}` ended as {outcome.state} and left no reason."
            raise ChainsRuntimeError(msg)
        raise exception_from(outcome.failure)


class _AsyncStub(_Stub):
    def run_remote(self, *args: Any, **kwargs: Any) -> Call:
        parent, call, future = self._start(args, kwargs)
        return Call(
            future=future,
            value=self._value,
            on_wait=parent.waits,
            on_cancel=lambda: self._caller.abandon(parent=parent, call=call),
        )


class _SyncStub(_Stub):
    def run_remote(self, *args: Any, **kwargs: Any) -> Any:
        parent, _, future = self._start(args, kwargs)
        if not future.done():
            parent.waits()
        with self._caller.loops.blocking():
            outcome = parent.block_on(future)
        return self._value(outcome)


class Call(Coroutine[Any, Any, Any]):
    """A call under way. Await it, gather it, make a task of it: it has already begun."""

    def __init__(
        self,
        *,
        future: Future[Outcome],
        value: Callable[[Outcome], Any],
        on_wait: Callable[[], None],
        on_cancel: Callable[[], None],
    ) -> None:
        self._future = future
        self._value = value
        self._on_wait = on_wait
        self._on_cancel = on_cancel
        self._waiting: Coroutine[Any, Any, Any] | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine().__await__()

    def send(self, value: Any) -> Any:
        """Go on waiting."""
        return self._coroutine().send(value)

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        """Raise inside the wait."""
        if val is None and tb is None:
            return self._coroutine().throw(typ)
        return self._coroutine().throw(typ, val, tb)

    def close(self) -> None:
        """Stop waiting; the call itself goes on."""
        if self._waiting is not None:
            self._waiting.close()

    def _coroutine(self) -> Coroutine[Any, Any, Any]:
        if self._waiting is None:
            self._waiting = self._wait()
        return self._waiting

    async def _wait(self) -> Any:
        if not self._future.done():
            self._on_wait()
        try:
            outcome = await asyncio.wrap_future(self._future)
        except asyncio.CancelledError:
            self._on_cancel()
            raise
        return self._value(outcome)
