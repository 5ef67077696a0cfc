"""What one transaction works on: read together, decided on in memory, written together.

Whoever changes anything of a run holds the run's row for the length of the transaction, so what is
read here stays true until it is written. Everything that `transitions` decides happens on these
values; no statement is sent for a single call where one for all calls will do.
"""

import functools
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import transaction

from chainlets.runtime.tasks import Bell
from webapp.catalog.models import Chain
from webapp.runs import clock, columns
from webapp.runs.doorbell import Mail, Message, News, doorbell
from webapp.runs.models import OPEN, Attempt, AttemptState, Event, Invocation, Pace, Run, State
from webapp.runs.rows import AttemptRow, CallRow, PaceRow, RunRow, as_line, as_text, from_text

_CORE = (
    "id", "run", "parent_id", "chainlet", "queue", "state", "attempt", "failures", "deaths", "waiting",
    "round", "caller_round", "max_attempts", "timeout_s", "fleet_limit", "rate_limit", "worker", "lease_expires_at",
    "available_at", "rung_at", "started_at", "spilled",
)  # fmt: skip
_TEXTS = (
    "CASE WHEN self.state = 'queued' THEN CAST(self.input AS text) END",
    "CASE WHEN self.state = 'succeeded' THEN CAST(self.result AS text) END",
    "CASE WHEN self.state IN ('failed', 'cancelled') THEN CAST(self.error AS text) END",
    "(SELECT caller.worker FROM runs_invocation AS caller WHERE caller.id = self.parent_id)",
)
# Written out, so that SQLite sees that the index of these calls serves.
_HELD_BACK = (
    "run_id = {ids} AND queue = {given} AND state = 'queued' AND rung_at IS NULL AND chainlet = {given} "
    "ORDER BY available_at LIMIT {given}"
)
_NOTHING: Mapping[str, Any] = {}
_MOMENTS = 1000  # more than a transaction has operations
_RUN = (
    "id", "chain_id", "owner_id", "state", "reuse", "priority", "last_seq", "warnings", "started_at", "bells",
)  # fmt: skip
_NEW_CALL = (
    "id", "run", "parent", "chainlet", "queue", "state", "attempt", "failures", "deaths", "waiting", "round",
    "caller_round", "max_attempts", "timeout_s", "fleet_limit", "rate_limit", "worker", "lease_expires_at", "available_at",
    "rung_at", "created_at", "started_at", "ended_at", "input", "input_hash", "occurrence", "code", "cache_s", "result",
    "error", "spilled",
)  # fmt: skip
_NEW_ATTEMPT = ("invocation", "number", "worker", "hardware", "state", "started_at", "ended_at", "error")
_NEW_EVENT = ("run", "seq", "at", "type", "invocation_id", "data")


class Workset:
    """The rows of one transaction.

    Attributes:
        now: the transaction's time, by the database's clock.
        paces: of chainlets with a rate limit, by chain and name; see `pacing`.
        turns: what nobody else counts meanwhile; see `turns`.
    """

    def __init__(self) -> None:
        self.now: datetime = clock.now()
        self._link = columns.Link()
        self._moments = 0
        # By the ids' numbers: that of an id itself is hashed and compared by slow code.
        self._calls: dict[int, CallRow | None] = {}
        self._runs: dict[int, RunRow | None] = {}
        self._children: dict[UUID, list[UUID]] = {}
        self._attempts: dict[tuple[UUID, int], AttemptRow] = {}
        self._events: list[tuple[UUID, int, datetime, str, UUID | None, str]] = []
        self._messages: list[Message] = []
        self._held_back: dict[tuple[int, str, str], deque[CallRow]] = {}
        self.paces: dict[tuple[int, str], PaceRow] = {}
        self.turns: set[int] = set()

    def moment(self) -> datetime:
        """A time a little before the transaction's, later with each call: it keeps calls in the order they were made."""
        self._moments += 1
        return self.now + timedelta(microseconds=self._moments - _MOMENTS)

    def load(self, ids: Iterable[UUID]) -> None:
        """Read invocations and take their runs; those that are not there are known as missing."""
        wanted = {id.int: id for id in ids if id.int not in self._calls}
        if not wanted:
            return
        found = list(wanted.values())
        self._hold(found, where="id IN (SELECT run_id FROM runs_invocation WHERE id IN {ids})")
        # Only now, with the runs taken, is what stands in the rows the last word.
        self._calls.update(dict.fromkeys(wanted))
        for row in self._link.select(Invocation, _CORE, found, texts=_TEXTS):
            self._calls[row[0].int] = self._call_row(row)

    def take_runs(self, ids: Collection[UUID]) -> None:
        """Hold these runs until the end; in the order of their ids, so that no two transactions wait for each other."""
        wanted = [id for id in ids if id.int not in self._runs]
        self._runs.update(dict.fromkeys(id.int for id in wanted))
        self._hold(wanted, where="id IN {ids}")

    def _hold(self, ids: Collection[UUID], *, where: str) -> None:
        for row in self._link.select(Run, _RUN, ids, where=where, lock=True):
            id, chain_id, owner_id, state, reuse, priority, last_seq, warnings, started_at, bells = row
            if self._runs.get(id.int) is None:
                self._runs[id.int] = RunRow(
                    id=id,
                    chain_id=chain_id,
                    chain=_chain_name(chain_id, self._link.database),
                    state=State(state),
                    owner_id=owner_id,
                    reuse=reuse,
                    priority=priority,
                    bells={queue: (out, held) for queue, (out, held) in from_text(bells).items()},
                    last_seq=last_seq,
                    written_seq=last_seq,
                    warnings=from_text(warnings),
                    started_at=started_at,
                )

    def _call_row(self, read: list[Any]) -> CallRow:
        *core, input, result, error, caller_worker = read
        values = dict(zip(_CORE, core, strict=True))
        run = self._runs[values["run"].int]
        assert run is not None, "it was taken before"
        values["run"], values["state"] = run, State(values["state"])
        return CallRow(**values, input=input, result=result, error=error, caller_worker=caller_worker or "")

    def call(self, id: UUID) -> CallRow | None:
        """An invocation; None if there is none."""
        if id.int not in self._calls:
            self.load([id])
        return self._calls[id.int]

    def queued(self) -> list[CallRow]:
        """Invocations that are here and wait to be taken."""
        return [row for row in self._calls.values() if row is not None and row.state == State.QUEUED]

    def held_like(self, row: CallRow) -> CallRow | None:
        """The oldest call of the same run, queue and chainlet that waits without a bell, as far as the database knows."""
        key = row.run.id.int, row.queue, row.chainlet
        if key not in self._held_back:
            # As many as could be asked for: each attempt that is here may end in this transaction.
            most = sum(one is not None and one.attempt > 0 for one in self._calls.values())
            read = self._link.select(
                Invocation,
                _CORE,
                [row.run.id],
                texts=_TEXTS,
                where=_HELD_BACK,
                given=(row.queue, row.chainlet, most),
            )
            for one in read:
                if one[0].int not in self._calls:
                    self._calls[one[0].int] = self._call_row(one)
            found = (self._calls[one[0].int] for one in read)
            self._held_back[key] = deque(one for one in found if one is not None)
        held_back = self._held_back[key]
        while held_back:
            first = held_back.popleft()
            due = first.available_at is not None and first.available_at <= self.now
            if due and first.state == State.QUEUED and first.rung_at is None:
                return first
        return None

    def missing(self) -> list[UUID]:
        """Invocations that were looked for and are not there; those about to be recorded are among them."""
        return [UUID(int=number) for number, row in self._calls.items() if row is None]

    def find_run(self, id: UUID) -> RunRow | None:
        """A run; None if it was deleted."""
        if id.int not in self._runs:
            self.take_runs([id])
        return self._runs[id.int]

    def root_of(self, run_id: UUID) -> CallRow | None:
        """The invocation that a run began with."""
        found = Invocation.objects.filter(run_id=run_id, parent=None).values_list("id", flat=True).first()
        return self.call(found) if found is not None else None

    def open_calls_of(self, id: UUID) -> list[CallRow]:
        """What an invocation called and what has not ended, the oldest first."""
        if id not in self._children:
            # Whoever asks for one will ask for the others too: one question for all that run.
            asked = [
                other.id
                for other in self._calls.values()
                if other is not None and not other.new and other.id not in self._children
            ]
            asked = [*dict.fromkeys([*asked, id])]
            self._children.update({other: [] for other in asked})
            for row in self._calls.values():
                if row is not None and row.state in OPEN:  # the database may not know it yet
                    self.opened(row)
            open_calls = Invocation.objects.filter(parent_id__in=asked, state__in=OPEN).order_by("created_at")
            for parent, child in open_calls.values_list("parent_id", "id"):
                self._children[parent].append(child)
            self.load(child for other in asked for child in self._children[other])
        rows = [self._calls[child.int] for child in dict.fromkeys(self._children[id])]
        return [row for row in rows if row is not None and row.state in OPEN]

    def add(self, row: CallRow) -> CallRow:
        """Record a new invocation."""
        row.new = True
        self._calls[row.id.int] = row
        self._children[row.id] = []
        self.opened(row)
        return row

    def opened(self, row: CallRow) -> None:
        """An invocation is new, or open again: its caller must find it when it ends."""
        if row.parent_id in self._children:
            self._children[row.parent_id].append(row.id)

    def begin_attempt(self, row: CallRow, *, worker: str, hardware: str) -> None:
        """A worker has taken an invocation."""
        self._attempts[row.id, row.attempt] = AttemptRow(
            invocation_id=row.id,
            number=row.attempt,
            state=AttemptState.RUNNING,
            worker=worker,
            hardware=hardware,
            started_at=self.now,
            new=True,
        )

    def end_attempt(self, row: CallRow, state: AttemptState, *, error: str | None = None) -> None:
        """The newest attempt of an invocation is over."""
        key = row.id, row.attempt
        attempt = self._attempts.setdefault(
            key, AttemptRow(invocation_id=row.id, number=row.attempt, state=state)
        )
        attempt.state, attempt.ended_at, attempt.error = state, self.now, error

    def event(
        self, run: RunRow, type: str, data: Mapping[str, Any] = _NOTHING, *, invocation: UUID | None = None
    ) -> None:
        """Add a line to a run's history, with the next number."""
        run.last_seq += 1
        self._events.append((run.id, run.last_seq, self.now, type, invocation, as_line(data)))

    def ring(self, row: CallRow) -> None:
        """Tell the workers of an invocation's queue, once this transaction is committed."""
        self._ring(row.run, row.id, row.chainlet, row.queue)

    def ring_held(self, run: RunRow, queue: str, calls: Collection[tuple[UUID, str]]) -> None:
        """Note that bells go out for calls of a run that wait on a queue, by id and chainlet; and ring."""
        self._link.update(Invocation, ("id",), [((id,), {"rung_at": self.now}) for id, _ in calls])
        for id, chainlet in calls:
            if (row := self._calls.get(id.int)) is not None:
                row.rung_at = self.now
            self._ring(run, id, chainlet, queue)

    def _ring(self, run: RunRow, id: UUID, chainlet: str, queue: str) -> None:
        self._messages.append(
            Bell(chain=run.chain, chainlet=chainlet, queue=queue, invocation_id=id, priority=run.priority)
        )

    def mail(self, worker: str, invocation_id: UUID, *, ended: bool = False) -> None:
        """Tell a worker that an invocation it holds, or waits for, has changed or `ended`; once this is committed."""
        if worker:
            self._messages.append(Mail(worker=worker, invocation_id=invocation_id, ended=ended))

    def write(self) -> None:
        """Send everything that has changed to the database, and forget that it has."""
        calls = [row for row in self._calls.values() if row is not None]
        new = [row for row in calls if row.new]
        self._link.insert(Invocation, _NEW_CALL, [_new_call(row) for row in new])
        changed = (((row.id,), row.changed) for row in calls if row.changed and not row.new)
        self._link.update(Invocation, ("id",), list(changed))
        for row in calls:
            row.new, row.changed = False, {}
        attempts = self._attempts.values()
        self._link.insert(Attempt, _NEW_ATTEMPT, [_new_attempt(one) for one in attempts if one.new])
        ended = ((one.invocation_id, one.number) for one in attempts)
        values = ({"state": one.state, "ended_at": one.ended_at, "error": one.error} for one in attempts)
        both = zip(ended, values, list(attempts), strict=True)
        self._link.update(
            Attempt, ("invocation", "number"), [(key, value) for key, value, one in both if not one.new]
        )
        self._attempts = {}
        self._link.insert(Event, _NEW_EVENT, self._events)
        for run in self._runs.values():
            if run is not None and run.rang:
                run.changed["bells"] = as_text(run.bells)
                run.rang = False
            if run is not None and run.last_seq > run.written_seq:
                run.changed["last_seq"] = run.written_seq = run.last_seq
        if self.paces:
            paces = [pace for pace in self.paces.values() if pace.changed]
            self._link.update(
                Pace, ("id",), [((pace.id,), {"starts": as_text(pace.starts)}) for pace in paces]
            )
            for pace in paces:
                pace.changed = False
        runs = [run for run in self._runs.values() if run is not None and run.changed]
        self._link.update(Run, ("id",), [((run.id,), run.changed) for run in runs])
        for run in runs:
            if "last_seq" in run.changed:
                self._messages.append(News(run_id=run.id, seq=run.last_seq))
            run.changed = {}
        self._events = []
        messages, self._messages = self._messages, []
        if messages:
            transaction.on_commit(lambda: doorbell.send(messages))


@contextmanager
def working_on(ids: Iterable[UUID] = (), *, runs: Collection[UUID] = ()) -> Iterator[Workset]:
    """One transaction, or a part of the one under way, on these invocations and runs."""
    with transaction.atomic():
        workset = Workset()
        workset.take_runs(runs)
        workset.load(ids)
        yield workset
        workset.write()


@functools.lru_cache(1024)
def _chain_name(chain_id: int, database: str) -> str:  # noqa: ARG001 (part of the key: tests have several)
    return Chain.objects.values_list("name", flat=True).get(id=chain_id)


_NAMED = {"run": "run.id", "parent": "parent_id"}
_new_call: Callable[[CallRow], Sequence[Any]] = attrgetter(*(_NAMED.get(name, name) for name in _NEW_CALL))
_new_attempt: Callable[[AttemptRow], Sequence[Any]] = attrgetter("invocation_id", *_NEW_ATTEMPT[1:])
