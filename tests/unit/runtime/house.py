"""What the state machine needs of a store of runs, and what holds of it whatever the rulebook says."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from chainlets.runtime.store import RunStore
from tests.unit.runtime.rulebook import ENDS, Rulebook


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An invocation as the store shows it; `held` if a worker and a lease stand in it."""

    parent: UUID | None
    state: str
    attempt: int
    worker: str
    held: bool


class House(Protocol):
    """A store, and whatever else acts on its rows.

    Attributes:
        lease, silence: as in `Rulebook`, in milliseconds.
        whole: it has leases, workers, and people who cancel and resume.
        bells, mail: what workers were told, ids of invocations.
    """

    lease: int
    silence: int
    whole: bool
    store: RunStore
    bells: list[UUID]
    mail: list[UUID]

    def at(self, now: int) -> None:
        """Set the clock, in milliseconds."""

    def start_run(self) -> tuple[UUID, UUID]:
        """Accept a run; its id and its root's."""

    def calls(self) -> dict[UUID, Seen]:
        """All invocations."""

    def history(self) -> dict[UUID, list[tuple[int, str, UUID | None, Mapping[str, Any]]]]:
        """The events of each run, in order: number, type, invocation, data."""

    def check(self, rules: Rulebook) -> None:
        """Whatever else has to agree."""

    def sweep(self) -> None: ...

    def die(self, worker: str) -> None: ...

    def cancel_run(self, run: UUID) -> bool: ...

    def resume_run(self, run: UUID) -> bool: ...

    def end(self) -> None:
        """Remove what was made."""


def check_laws(calls: Mapping[UUID, Seen], history: Mapping[UUID, list[Any]]) -> None:
    """What holds whatever the rulebook says."""
    types: Counter[tuple[UUID | None, str]] = Counter()
    for events in history.values():
        assert [seq for seq, *_ in events] == list(range(1, len(events) + 1))
        types.update((id, type) for _, type, id, _ in events)
    for id, call in calls.items():
        assert types[id, "invocation.started"] == call.attempt
        assert types[id, "invocation.succeeded"] <= 1
        assert call.held == (call.state == "running")
        if call.state in ENDS:
            assert not [1 for other in calls.values() if other.parent == id and other.state not in ENDS]
