"""What the admin's pages show of a run besides its plain fields: states, errors, calls, logs."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from webapp.files.errors import readable_size
from webapp.runs.models import Attempt, Event, Invocation, Run
from webapp.runs.reading import NOTES, SIGNS, Note, error_text, in_call_order, moment, note, pretty, took
from webapp.runs.values import Stored

_MOST_CALLS = 2000
_MOST_NOTES = 2000


def state_mark(state: str) -> SafeString:
    """A state as word, sign and colour."""
    word = state.replace("_", " ")
    return format_html(
        '<span class="state state-{}"><b aria-hidden="true">{}</b> {}</span>', state, SIGNS[state], word
    )


def error_html(error: Any) -> SafeString | str:
    """A recorded failure with all its causes; a dash if there is none."""
    return format_html('<pre class="run-error">{}</pre>', error_text(error)) if error else "–"


def value_html(stored: Stored) -> SafeString:
    """A value as JSON; of one that lies in a file, its size and where to get it."""
    if not stored.spilled:
        return format_html("<pre>{}</pre>", pretty(stored.json))
    if (missing := stored.missing()) is not None:
        return format_html("<p>{}</p>", missing)
    address = reverse("admin:files_file_content", args=[stored.json["id"]])
    return format_html('<a href="{}">{} of JSON</a>', address, readable_size(stored.json["size"]))


def notes_html(invocation: Invocation) -> SafeString:
    """The log of one call, and where it blocked its loop."""
    found = Event.objects.filter(run_id=invocation.run_id, invocation_id=invocation.id, type__in=NOTES)
    notes = [note(event) for event in found[: _MOST_NOTES + 1]]
    shown = {"notes": notes[:_MOST_NOTES], "more": len(notes) > _MOST_NOTES}
    return render_to_string("admin/runs/run/notes.html", shown)


def calls_html(run: Run) -> SafeString:
    """All calls of a run, nested as they were made, each with its attempts and its log."""
    now = timezone.now()
    invocations = list(run.invocations.prefetch_related("attempts")[: _MOST_CALLS + 1])
    notes = _notes_by_call(run)
    rows = [
        {
            "invocation": row.invocation,
            "indent": min(row.depth, 8),
            "state": state_mark(row.invocation.state),
            "created": moment(row.invocation.created_at, day=False),
            "took": took(row.invocation.started_at, row.invocation.ended_at, now=now),
            "attempts": [
                {
                    "attempt": attempt,
                    "state": state_mark(attempt.state),
                    "started": moment(attempt.started_at, day=False),
                    "took": took(attempt.started_at, attempt.ended_at, now=now),
                    "error": error_html(attempt.error) if attempt.error else None,
                    "summary": _summary(attempt),
                }
                for attempt in row.invocation.attempts.all()
            ],
            "notes": notes[row.invocation.id],
        }
        for row in in_call_order(invocations[:_MOST_CALLS])
    ]
    shown = {"rows": rows, "run": run, "more": len(invocations) > _MOST_CALLS}
    return render_to_string("admin/runs/run/invocations.html", shown)


def _summary(attempt: Attempt) -> str:
    """The first line of an attempt's error."""
    error = attempt.error if isinstance(attempt.error, dict) else {}
    return f"{error.get('type', 'Error')}: {error.get('message', '')}".partition("\n")[0]


def _notes_by_call(run: Run) -> dict[UUID | None, list[Note]]:
    found: dict[UUID | None, list[Note]] = defaultdict(list)
    for event in run.events.filter(type__in=NOTES)[:_MOST_NOTES]:
        found[event.invocation_id].append(note(event))
    return found
