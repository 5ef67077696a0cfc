"""Turns rows into what an operator reads: order, durations, errors and logs as text. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from chainlets.failure import Failure
from webapp.runs.models import Event, Invocation, Unserved, WhyUnserved

SIGNS = {
    "queued": "○",
    "running": "▶",
    "succeeded": "✓",
    "failed": "✕",
    "cancelled": "⊘",
    "lost": "!",
    "handed_back": "↩",
}
BECAME = {
    WhyUnserved.NO_WORKER: "no worker serves it",
    WhyUnserved.WORKER_STOPPED: "its last worker was stopped",
    WhyUnserved.WORKER_LOST: "its last worker gives no sign of life",
}
_MAX_TEXT = 20_000  # characters of JSON on a page
NOTES = ("log", "invocation.blocked")  # types of events that are told beside their call


@dataclass(frozen=True, kw_only=True)
class Row:
    """One invocation in the table, `depth` calls below the root."""

    invocation: Invocation
    depth: int


@dataclass(frozen=True, kw_only=True)
class Note:
    """A line that a call left in the history: of its log, or that it blocked its event loop."""

    at: str
    level: str
    text: str
    fields: str


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


def waits_for(wait: Unserved) -> str:
    """What waits on a queue without a worker, and why: "3 calls have waited for gpu.a100 since …: no worker serves it"."""
    calls = "1 call has" if wait.count == 1 else f"{wait.count} calls have"
    return f"{calls} waited for {wait.queue} since {moment(wait.since)}: {BECAME[WhyUnserved(wait.reason)]}."


def start_command(queue: str) -> str:
    """What to type on a machine that can serve a queue."""
    return f"python manage.py worker --queues {queue}"


def error_text(error: Any) -> str:
    """A recorded failure as a person reads it, from the entrypoint down to the root cause.

    What was recorded in some other form is given as JSON.
    """
    try:
        return Failure.model_validate(error).text()
    except ValidationError:
        return pretty(error)


def note(event: Event) -> Note:
    """What an event of one of the types in `NOTES` says."""
    data, at = event.data, moment(event.at, day=False)
    if event.type == "log":
        fields = " ".join(f"{name}={value}" for name, value in data["fields"].items())
        return Note(at=at, level=data["level"], text=data["message"], fields=fields)
    place = f"{PurePath(data['file']).name}:{data['line']}"
    text = (
        f"Blocked the event loop for {data['seconds']:.1f} s at {place}: `{data['code']}`. "
        "Use `await chains.offload(…)` there."
    )
    return Note(at=at, level="warning", text=text, fields="")


def pretty(value: Any) -> str:
    """JSON for reading; very long values are cut and say so."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    if len(text) <= _MAX_TEXT:
        return text
    return f"{text[:_MAX_TEXT]}\n… {len(text) - _MAX_TEXT} more characters; the interface has them all"
