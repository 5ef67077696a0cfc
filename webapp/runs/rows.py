"""Runs and invocations as a transaction holds them: plain values that know what was changed of them.

Inputs, results and errors are JSON texts here: most of what happens to a row never looks into them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from webapp.runs.models import State

# `json.dumps` would make an encoder for each value.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(kw_only=True, slots=True)
class RunRow:
    """A run, its row taken for this transaction.

    Attributes:
        chain: the name of its chain.
        written_seq: the last number of its history that the database knows.
        bells: by queue, how many of its queued calls have a bell out, and whether others are held back.
    """

    id: UUID
    chain_id: int
    chain: str
    state: State
    owner_id: int
    reuse: str
    priority: str
    bells: dict[str, tuple[int, bool]]
    last_seq: int
    written_seq: int
    warnings: list[str]
    started_at: datetime | None
    changed: dict[str, Any] = field(default_factory=dict)
    rang: bool = False

    def change(self, **values: Any) -> None:
        """Set columns."""
        for name, value in values.items():
            if name in _KNOWN_OF_RUNS:
                setattr(self, name, value)
        self.changed.update(values)

    def set_bells(self, queue: str, out: int, *, held: bool) -> None:
        """Note how many bells it has out on a queue, and whether calls are held back."""
        self.bells[queue] = (out, held)
        self.rang = True


@dataclass(kw_only=True, slots=True)
class CallRow:
    """An invocation.

    Attributes:
        input: JSON text; read only while it is queued, for whoever claims it.
        result: JSON text; read only once it succeeded.
        spilled: as in `Invocation`.
        error: JSON text; read only once it failed or was cancelled.
        caller_worker: the worker that holds its caller.
        new: it is not in the database yet.
    """

    id: UUID
    run: RunRow
    parent_id: UUID | None
    chainlet: str
    queue: str
    state: State = State.QUEUED
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    waiting: bool = False
    round: int = 0
    caller_round: int = 0
    max_attempts: int = 1
    timeout_s: float | None = None
    fleet_limit: int | None = None
    rate_limit: str | None = None
    worker: str = ""
    lease_expires_at: datetime | None = None
    available_at: datetime | None = None
    rung_at: datetime | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    input_hash: str = ""
    occurrence: int = 0
    code: str = ""
    cache_s: float | None = None
    spilled: int = 0
    input: str | None = None
    result: str | None = None
    error: str | None = None
    caller_worker: str = ""
    new: bool = False
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def run_id(self) -> UUID:
        """Its run's id."""
        return self.run.id

    def change(self, **values: Any) -> None:
        """Set columns."""
        for name, value in values.items():
            if name in _KNOWN_OF_CALLS:
                setattr(self, name, value)
        self.changed.update(values)


@dataclass(kw_only=True, slots=True)
class PaceRow:
    """When attempts of a chainlet with a rate limit have started lately, held for this transaction.

    Attributes:
        now: seconds by the database's clock, when it was taken.
        waits_until: the last time that a call was put off to.
    """

    id: int
    starts: Sequence[Sequence[float]]
    now: float
    waits_until: float
    changed: bool = False


@dataclass(kw_only=True, slots=True)
class AttemptRow:
    """A try of an invocation that begins or ends in this transaction."""

    invocation_id: UUID
    number: int
    state: str
    worker: str = ""
    hardware: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    new: bool = False


def as_text(value: Any) -> str:
    """JSON as it stands in a column."""
    return _encode(value)


def as_line(data: Mapping[str, Any]) -> str:
    """JSON of a line of a run's history: browsers read it, so what is no number for them is null."""
    try:
        return orjson.dumps(data).decode()
    except orjson.JSONEncodeError:  # a number too large for it, or a key that is no text
        return _encode(data)


def from_text(text: str | None) -> Any:
    """The value that a column's text stands for; None for an empty column."""
    return None if text is None else json.loads(text)


# Other columns are only written, never read here.
_KNOWN_OF_RUNS = frozenset(RunRow.__slots__)
_KNOWN_OF_CALLS = frozenset(CallRow.__slots__)
