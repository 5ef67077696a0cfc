"""What a chainlet holds in place of a dependency: calls to it become invocations."""

from __future__ import annotations

import asyncio
import hashlib
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Protocol
from uuid import UUID

from chainlets.context import current_call
from chainlets.describe import ChainletDescriptor, Dependency, describe
from chainlets.endpoint import Piece, Shape
from chainlets.errors import ChainsRuntimeError
from chainlets.failure import exception_from
from chainlets.files import FileStore
from chainlets.graph import Chain
from chainlets.runtime import payload
from chainlets.runtime.answer import Answer
from chainlets.runtime.execution import Execution, current_execution
from chainlets.runtime.feeds import Feed
from chainlets.runtime.journal import call_id, input_hash
from chainlets.runtime.loops import UserLoops
from chainlets.runtime.spilling import Sizes, read
from chainlets.runtime.store import NewCall, Outcome, State


class Caller(Protocol):
    """Makes calls for a chainlet and knows when they are done."""

    loops: UserLoops
    sizes: Sizes

    def open(
        self,
        *,
        parent: Execution,
        call: NewCall,
        limit: LimitKey,
        most: int,
        feed: Feed | None,
        large: bytes | None,
    ) -> Answer:
        """Start a call; its answer is the final outcome, and `feed` gets what it streams.

        `large` is the text of an input that is too large for the call's row.
        """

    def abandon(self, *, parent: Execution, call_id: UUID) -> None:
        """Cancel a call that nobody waits for any more."""


LimitKey = tuple[str, str, str]


def stub_for(caller: Caller, chain: Chain, owner: ChainletDescriptor, dependency: Dependency) -> object:
    """The object that a replica gets for a dependency."""
    target = describe(dependency.chainlet)
    kind: type[_Stub] = _AsyncStub if target.endpoint.is_async else _SyncStub
    if target.endpoint.shape is Shape.STREAM:
        kind = _StreamStub
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
        options = target.cls.remote_config.options
        self._read_timeout_s = float(options.streaming_read_timeout)
        self._fleet_limit = options.fleet_concurrency_limit
        self._rate_limit = options.fleet_rate_limit
        self._cache_s = options.cache_s
        self._code = chain.codes.get(target.name, "")
        self._limit = (chain.name, owner.name, target.name)

    def __repr__(self) -> str:
        return f"<{self._target.name}, called from {self._owner.name}>"

    def _start(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], feed: Feed | None = None
    ) -> tuple[Execution, UUID, Answer]:
        parent = current_execution.get()
        if parent is None or current_call.get() is None:
            msg = (
                f"`{self._target.name}.run_remote` was called outside a call of `{self._owner.name}`. Call dependencies "
                f"from `run_remote`, not from `__init__` or a batched method. On a thread of your own, run them in the "
                f"call's context: `pool.submit(contextvars.copy_context().run, dependency.run_remote, …)`."
            )
            raise ChainsRuntimeError(msg)
        data, digest, large = self._arguments(parent, args, kwargs)
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
            fleet_limit=self._fleet_limit,
            rate_limit=self._rate_limit,
            code=self._code,
            cache_s=self._cache_s,
        )
        answer = self._caller.open(
            parent=parent,
            call=call,
            limit=self._limit,
            most=self._options.concurrency_limit,
            feed=feed,
            large=large,
        )
        return parent, call.id, answer

    def _arguments(
        self, parent: Execution, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[dict[str, Any], str, bytes | None]:
        """What the row says of the input, the hash that the journal knows the call by, and what is too large for a row."""
        endpoint = self._target.endpoint
        if not self._options.use_binary:
            data, text = endpoint.write_input(args, kwargs)
            if self._caller.sizes.large(text, what=f"The input of `{self._target.name}`"):
                return {}, input_hash(data), text
            return data, input_hash(data), None
        packed = endpoint.pack_input(args, kwargs)
        name = f"input of {self._target.name}"
        data = payload.to_file(packed, files=parent.files, folder=parent.scratch_dir(), name=name)
        return data, hashlib.sha256(packed).hexdigest(), None

    def value(self, parent: Execution, outcome: Outcome) -> Any:
        """What the caller gets of a call that has ended; raises what it failed with."""
        packed = self._options.use_binary and self._target.endpoint.shape is Shape.VALUE
        run = parent.claim.run_id
        return value_of(self._target, outcome, files=parent.files, run=run, packed=packed)


def value_of(
    target: ChainletDescriptor,
    outcome: Outcome,
    *,
    files: FileStore,
    run: UUID | None = None,
    packed: bool = False,
) -> Any:
    """What a caller gets of a call that has ended.

    Args:
        target: what was called.
        outcome: how it ended.
        files: where results lie that do not stand in their row.
        run: whose call it was, for people.
        packed: it was a `use_binary` call. What the result itself looks like is not asked, for an
            author's value may look like anything.

    Raises:
        ChainsRuntimeError: the file that the result lay in is gone.
        BaseException: what it failed with.
    """
    endpoint = target.endpoint
    if outcome.state is not State.SUCCEEDED:
        raise _error_of(target, outcome)
    if outcome.spilled:
        what = f"The result of `{target.name}`"
        return endpoint.output_from(read(outcome.result, files=files, what=what, call=outcome.id, run=run))
    if packed:
        return endpoint.unpack_output(payload.from_file(outcome.result, files=files))
    return endpoint.decode_output(outcome.result)


def end_feed(feed: Feed, answer: Answer, value: Callable[[Outcome], Any]) -> None:
    """Let the reader of a stream know how the call ended; `value` gives its pieces, or raises what it failed with."""
    try:
        feed.end(value(answer.outcome()))
    except BaseException as failed:  # noqa: BLE001 (whatever the call failed with, its reader gets it)
        feed.fail(failed)


async def read_feed(
    feed: Feed, *, timeout_s: float, on_wait: Callable[[], None], on_close: Callable[[], None]
) -> AsyncGenerator[Piece, None]:
    """The pieces of a stream, as they come.

    Args:
        feed: where they come in.
        timeout_s: seconds that may pass between two.
        on_wait: called whenever none is there yet.
        on_close: called when nobody reads on, at the end or before.
    """
    try:
        while True:
            if feed.idle:
                on_wait()
            try:
                piece = await feed.next(timeout_s)
            except StopAsyncIteration:
                return
            yield piece
    finally:
        on_close()


def _error_of(target: ChainletDescriptor, outcome: Outcome) -> BaseException:
    if outcome.failure is None:
        return ChainsRuntimeError(f"`{target.name}` ended as {outcome.state} and left no reason.")
    return exception_from(outcome.failure)


class _AsyncStub(_Stub):
    def run_remote(self, *args: Any, **kwargs: Any) -> Call:
        return _StubCall(self, *self._start(args, kwargs))

    def abandon(self, parent: Execution, call_id: UUID) -> None:
        """Nobody waits for a call any more."""
        self._caller.abandon(parent=parent, call_id=call_id)


class _SyncStub(_Stub):
    def run_remote(self, *args: Any, **kwargs: Any) -> Any:
        parent, _, answer = self._start(args, kwargs)
        if not answer.done:
            parent.waits()
        with self._caller.loops.blocking():
            outcome = parent.block_on(answer)
        return self.value(parent, outcome)


class _StreamStub(_Stub):
    def run_remote(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Piece, None]:
        feed = Feed(self._target.name)
        parent, call_id, answer = self._start(args, kwargs, feed)
        answer.listen(lambda: end_feed(feed, answer, lambda outcome: self.value(parent, outcome)))

        def close() -> None:
            if not answer.done:
                self._caller.abandon(parent=parent, call_id=call_id)

        return read_feed(feed, timeout_s=self._read_timeout_s, on_wait=parent.waits, on_close=close)


class Call(Coroutine[Any, Any, Any]):
    """A call under way. Await it, gather it, make a task of it: it has already begun."""

    __slots__ = ("__weakref__", "_answer", "_waiting")

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._waiting: Coroutine[Any, Any, Any] | None = None

    @abstractmethod
    def _value(self, outcome: Outcome) -> Any:
        """What whoever awaits it gets; raises what the call failed with."""

    def _on_wait(self) -> None:
        """It is awaited, and the answer is not there yet."""

    def _on_cancel(self) -> None:
        """Whoever awaited it was cancelled."""

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
        if not self._answer.done:
            self._on_wait()
        try:
            outcome = await self._answer.landed()
        except asyncio.CancelledError:
            self._on_cancel()
            raise
        return self._value(outcome)


class _StubCall(Call):
    __slots__ = ("_id", "_parent", "_stub")

    def __init__(self, stub: _AsyncStub, parent: Execution, id: UUID, answer: Answer) -> None:
        super().__init__(answer)
        self._stub, self._parent, self._id = stub, parent, id

    def _value(self, outcome: Outcome) -> Any:
        return self._stub.value(self._parent, outcome)

    def _on_wait(self) -> None:
        self._parent.waits()

    def _on_cancel(self) -> None:
        self._stub.abandon(self._parent, self._id)
