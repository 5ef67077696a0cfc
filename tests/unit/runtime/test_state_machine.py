"""The store in memory does what the rulebook says, whatever comes in whatever order."""

import uuid
from collections.abc import Callable

from chainlets.runtime.memory import MemoryRunStore
from chainlets.runtime.store import NewCall
from tests.unit.runtime.house import Seen
from tests.unit.runtime.machine import prove


class MemoryHouse:
    """One process that does not die: it has no leases, and nobody cancels or resumes its runs."""

    whole = False
    lease = silence = 10_000

    def __init__(self) -> None:
        self.now = 0
        self.bells, self.mail = [], []
        self.alarms: list[tuple[float, Callable[[], None]]] = []
        self.store = MemoryRunStore(
            ring=lambda row: self.bells.append(row.call.id),
            wake=self.mail.append,
            clock=lambda: self.now / 1000,
            later=lambda delay, ring: self.alarms.append((self.now + delay * 1000, ring)),
        )

    def at(self, now):
        self.now = now
        due = [ring for at, ring in self.alarms if at <= now]
        self.alarms = [alarm for alarm in self.alarms if alarm[0] > now]
        for ring in due:
            ring()

    def start_run(self):
        root = NewCall(
            id=uuid.uuid4(),
            chain="hello",
            chainlet="Hello",
            queue="cpu",
            input={},
            input_hash="",
            occurrence=0,
            max_attempts=1,
            timeout_s=None,
        )
        return self.store.start_run(root), root.id

    def calls(self):
        return {
            id: Seen(
                parent=row.parent,
                state=row.state.value,
                attempt=row.attempt,
                worker=row.worker,
                held=row.state.value == "running" and bool(row.worker),
            )
            for id, row in self.store.rows.items()
        }

    def history(self):
        found = {row.run_id: [] for row in self.store.rows.values()}
        for event in self.store.events:
            events = found[self.store.rows[event.invocation].run_id]
            events.append((len(events) + 1, event.type, event.invocation, event.data))
        return found

    def check(self, rules):
        for id, call in rules.calls.items():
            assert (self.store.rows[id].failures, self.store.rows[id].round) == (call.failures, call.round)

    def end(self):
        pass


def test_the_store_in_memory_does_what_the_rulebook_says():
    prove(MemoryHouse, examples=150, steps=50)
