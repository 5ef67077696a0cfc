"""The seam between the engine and whatever remembers runs.

The engine decides nothing about tables; it asks a `RunStore`. Every method is called inside
`atomic()`, from one thread, and may be repeated if its transaction failed; but for `outcomes` and
`outputs`, which only read, and may be called outside, from any thread, as well.

Values of which several are made for each call are named tuples: a frozen dataclass takes four times
as long to make.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from chainlets.failure import Failure

JsonValue = Any


class State(StrEnum):
    """States of a run and of an invocation."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    def __init__(self, value: str) -> None:
        #: Nothing changes it any more but a resume.
        self.final = value in {"succeeded", "failed", "cancelled"}


class Fence(NamedTuple):
    """A right to write: an invocation, and the attempt that was granted it."""

    invocation_id: UUID
    attempt: int


class Claim(NamedTuple):
    """What a worker gets when it takes an invocation; the root's has no `caller`.

    Attributes:
        input: its arguments; if it is `input_spilled`, the handle of the file that they lie in.
        fresh: nothing that its first attempt calls can have a result before it is made.
    """

    fence: Fence
    run_id: UUID
    caller: UUID | None
    chain: str
    chainlet: str
    input: Mapping[str, JsonValue]
    timeout_s: float | None
    input_spilled: bool = False
    fresh: bool = False


class NewCall(NamedTuple):
    """A call that a chainlet makes, before it is known whether it was made before.

    Attributes:
        fleet_limit: calls of this chainlet that all workers together may have under way, if limited.
        rate_limit: how many attempts all workers together may start in a time, if limited; as `10/s`.
        code: digest of the chainlet's code; empty if it is not known.
        cache_s: seconds for which its result may serve other runs of the same owner, if it may.
        input_spilled: `input` is the handle of the file that it lies in; recording the call records the file.
        rung: its bell is on its way already.
    """

    id: UUID
    chain: str
    chainlet: str
    queue: str
    input: Mapping[str, JsonValue]
    input_hash: str
    occurrence: int
    max_attempts: int
    timeout_s: float | None
    fleet_limit: int | None = None
    rate_limit: str | None = None
    code: str = ""
    cache_s: float | None = None
    input_spilled: bool = False
    rung: bool = False


@dataclass(frozen=True, kw_only=True)
class Output:
    """One piece of what a streaming call has given so far.

    Attributes:
        seq: grows with each piece of the run; what to ask after.
        attempt: which attempt gave it; a later one begins anew at index 0.
        piece: as `endpoint.piece_to_json` writes it.
    """

    seq: int
    attempt: int
    index: int
    piece: Mapping[str, str]


class Outcome(NamedTuple):
    """How far a call is; `result` or `failure` is there once `state` is final.

    Attributes:
        spilled: `result` is the handle of the file that it lies in.
    """

    id: UUID
    state: State
    result: JsonValue = None
    failure: Failure | None = None
    spilled: bool = False


@dataclass(frozen=True, kw_only=True)
class WorkerIdentity:
    """A worker process: unique name, the slot it fills on its machine, what it serves, and how much at a time.

    Attributes:
        warm: names of the tasks whose chainlets are built and took long to build.
    """

    name: str
    slot: str
    host: str
    pid: int
    hardware: str
    queues: tuple[str, ...]
    slots: int = 1
    warm: tuple[str, ...] = ()


class FenceLostError(Exception):
    """The attempt no longer owns its invocation: cut off, cancelled, or finished elsewhere."""


class RunStore(Protocol):
    """What the engine needs remembered. Implemented by the web application."""

    def atomic(self, about: Collection[UUID] = ()) -> AbstractContextManager[None]:
        """One transaction.

        Args:
            about: invocations that its operations work on, as far as known; they are read at once.

        Raises:
            StoreUnavailable: from its exit or from any call inside; nothing was written.
        """

    def claim(self, *, invocation_id: UUID, worker: WorkerIdentity) -> Claim | None:
        """Take a queued invocation; None if there is nothing to take."""

    def open_call(self, *, parent: Fence, call: NewCall) -> Outcome:
        """Record a call once, or say what became of it when an earlier attempt made it.

        Raises:
            FenceLostError: the parent's attempt is over.
        """

    def outcomes(self, *, ids: Collection[UUID], ended: bool = False) -> list[Outcome]:
        """How far these invocations are; only those in a final state if they are to have `ended`."""

    def succeed(self, *, fence: Fence, result: JsonValue, called: bool = True, spilled: bool = False) -> bool:
        """Record a result once, and the file that it lies in if it is `spilled`; False if the fence is lost.

        `called` is False for a first attempt that called nothing: then nothing it called has to be ended.
        """

    def follow(self, *, fence: Fence, worker: WorkerIdentity, turn_s: float) -> Claim | None:
        """Take another call of the same run and chainlet, in the transaction in which the first succeeded.

        Only one for which no bell rings, and that nobody has to count before it may start; None if there is none,
        or if the run has had the slot for long enough.

        Args:
            fence: of the first.
            worker: which has it.
            turn_s: seconds since the slot was taken by a bell.
        """

    def fail(self, *, fence: Fence, failure: Failure, final: bool = False) -> Outcome | None:
        """Record a failed attempt, and queue the next if one is left and it is not `final`; None if the fence is lost."""

    def output(self, *, fence: Fence, index: int, piece: Mapping[str, str]) -> None:
        """Record a piece of a stream and wake the caller, unless the fence is lost."""

    def outputs(self, *, invocation_id: UUID, after: int) -> list[Output]:
        """The pieces that a streaming call has given, with a `seq` above `after`."""

    def hand_back(self, *, fence: Fence) -> bool:
        """Queue an unfinished invocation again without charging the attempt."""

    def wait(self, *, fence: Fence) -> None:
        """Note that the invocation waits for its dependencies and holds no slot."""

    def cancel_call(self, *, parent: Fence, invocation_id: UUID) -> None:
        """Cancel a call whose result its caller no longer wants, and everything below it."""

    def append(self, *, fence: Fence, type: str, data: Mapping[str, JsonValue]) -> None:
        """Add an event to the run's history, unless the fence is lost."""

    def join(self, *, worker: WorkerIdentity) -> None:
        """Make a worker known, and end the leases of a dead one that filled the same slot."""

    def renew(self, *, worker: WorkerIdentity) -> set[UUID]:
        """Extend the worker's leases; the invocations it still holds."""

    def leave(self, *, worker: WorkerIdentity) -> None:
        """Note that a worker has stopped."""
