"""Turns rows into what an operator reads: order, durations, errors as a list. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from webapp.runs.models import Invocation

SIGNS = {
    "queued": "○",
    "running": "▶",
    "succeeded": "✓",
    "failed": "✕",
    "cancelled": "⊘",
    "lost": "!",
    "handed_back": "↩",
}
_MAX_TEXT = 20_000  # characters of JSON on a page
_MAX_CAUSES = 50


@dataclass(frozen=True, kw_only=True)
class Row:
    """One invocation in the table, `depth` calls below the root."""

    invocation: Invocation
    depth: int


def in_call_order(invocations: Sequence[Invocation]) -> list[Row]:
    """Every invocation below its caller, those of one caller in the order given."""
    calls: dict[UUID | None, list[Invocation]] = {}
    known = {invocation.id for invocation in invocations}
    for invocation in invocations:
        caller = invocation.parent_id if invocation.parent_id in known else None
        calls.setdefault(caller, []).append(invocation)
    rows: list[Row] = []
    waiting = [Row(invocation=root, depth=0) for root in reversed(calls.get(None, []))]
    while waiting:
        row = waiting.pop()
        rows.append(row)
        below = calls.get(row.invocation.id, [])
        waiting.extend(Row(invocation=call, depth=row.depth + 1) for call in reversed(below))
    return rows


def took(start: datetime | None, end: datetime | None, *, now: datetime) -> str:
    """How long it took, or has taken so far: `1.4 s`, `2 min 05 s`, `3 h 12 min`."""
    if start is None:
        return "–"
    seconds = max(((end or now) - start).total_seconds(), 0.0)
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def moment(at: datetime | None, *, day: bool = True) -> str:
    """A time in UTC, to the millisecond; with or without its day."""
    if at is None:
        return "–"
    text = at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    return text if day else text.partition(" ")[2]


def error_chain(error: Any) -> list[dict[str, Any]]:
    """The error and its causes, outermost first, whatever shape they were recorded in."""
    chain: list[dict[str, Any]] = []
    while isinstance(error, dict) and len(chain) < _MAX_CAUSES:
        chain.append(error)
        error = error.get("cause")
    return chain


def pretty(value: Any) -> str:
    """JSON for reading; very long values are cut and say so."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    if len(text) <= _MAX_TEXT:
        return text
    return f"{text[:_MAX_TEXT]}\n… {len(text) - _MAX_TEXT} more characters; the interface has them all"
