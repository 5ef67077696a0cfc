"""What the store in memory is made of: rows, lines of history, and transactions that can be undone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chainlets.failure import Failure
from chainlets.runtime.store import NewCall, Output, State


@dataclass(kw_only=True)
class Row:
    """An invocation."""

    call: NewCall
    run_id: UUID
    parent: UUID | None
    caller_round: int
    state: State = State.QUEUED
    attempt: int = 0
    failures: int = 0
    round: int = 0
    worker: str = ""
    available_at: float = 0.0
    result: Any = None
    spilled: bool = False
    failure: Failure | None = None
    outputs: list[Output] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of history; its number is its place in the list."""

    type: str
    invocation: UUID | None
    data: Mapping[str, Any]


class Transaction:
    """What has to be put back if a transaction breaks, and told if it does not.

    Attributes:
        after: what to tell, in order.
        added: rows that were not there before.
    """

    def __init__(self, rows: dict[UUID, Row], events: list[Event]) -> None:
        self.after: list[Callable[[], None]] = []
        self.added: list[UUID] = []
        self._rows = rows
        self._events = events
        self._history = len(events)
        self._before: dict[UUID, tuple[Row, Row, int]] = {}

    def note(self, row: Row) -> None:
        """Remember a row as it is now."""
        if row.call.id not in self._before:
            self._before[row.call.id] = row, copy.copy(row), len(row.outputs)

    def undo(self) -> None:
        """Put everything back."""
        del self._events[self._history :]
        for row, before, outputs in self._before.values():
            vars(row).update(vars(before))
            del row.outputs[outputs:]
        for id in self.added:
            del self._rows[id]


def kind_of(call: NewCall) -> tuple[str, str]:
    """Which chainlet a call is of; limits count all calls of one kind."""
    return call.chain, call.chainlet
