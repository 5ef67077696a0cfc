"""How an event travels: the same over REST and over sockets."""

from typing import Any

from webapp.runs.models import Event


def event_json(event: Event) -> dict[str, Any]:
    """`{seq, at, type, invocation, data}`; `at` is UTC to the microsecond."""
    invocation = event.invocation_id
    return {
        "seq": event.seq,
        "at": event.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": event.type,
        "invocation": str(invocation) if invocation else None,
        "data": event.data,
    }
