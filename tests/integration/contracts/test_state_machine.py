"""The store on each database does what the rulebook says, and the fold of its events is what stands in its rows."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from tests.unit.runtime.house import Seen
from tests.unit.runtime.machine import prove
from webapp.fleet.models import Worker
from webapp.fleet.services import LOST_AFTER_S
from webapp.runs import clock, reconciler, services, transitions
from webapp.runs.errors import RunAlreadyFinal, RunNotResumable
from webapp.runs.fold import empty, fold
from webapp.runs.models import Attempt, Event, Invocation, Run
from webapp.runs.store import DatabaseRunStore

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(420),  # a failure is made as short as it can be, which takes minutes
    pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True),
]

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
NO_PROCESS = 2**22 + 1  # above the highest process id there can be
TOGETHER = ("state", "attempt", "chainlet", "queue", "waiting")


class DatabaseHouse:
    """Rows, and all that acts on them; its clock is the test's."""

    whole = True
    lease = transitions.LEASE // MILLISECOND
    silence = int(LOST_AFTER_S * 1000)

    def __init__(self, heard, patch):
        self.store = DatabaseRunStore()
        heard.bells.clear()
        heard.mail.clear()
        self.bells, self.mail = heard.bells, heard.mail
        self.user, _ = User.objects.get_or_create(username="ann")
        self.runs = {}
        self.workers = set()
        self.last = 0
        self.changed = set()
        self.now = BEGIN
        patch.setattr(clock, "now", lambda: self.now)

    def at(self, now):
        self.now = BEGIN + timedelta(milliseconds=now)

    def start_run(self):
        run = services.start_run(user=self.user, chain="hello", input={"names": ["Ada"]}).run
        self.runs[run.id] = (empty(), [])
        return run.id, run.invocations.get().id

    def calls(self):
        self.rows = list(Invocation.objects.filter(run__in=self.runs))
        return {
            row.id: Seen(
                parent=row.parent_id,
                state=row.state,
                attempt=row.attempt,
                worker=row.worker,
                held=row.state == "running" and bool(row.worker) and row.lease_expires_at is not None,
            )
            for row in self.rows
        }

    def history(self):
        new = list(Event.objects.filter(run__in=self.runs, id__gt=self.last).order_by("id"))
        self.last = new[-1].id if new else self.last
        self.changed = {event.run_id for event in new}
        for event in new:
            view, events = self.runs[event.run_id]
            events.append((event.seq, event.type, event.invocation_id, event.data))
            fold(view, [_told(event)])
        return {run: events for run, (_, events) in self.runs.items()}

    def check(self, rules):
        rows = {row.id: row for row in self.rows}
        for id, call in rules.calls.items():
            row = rows[id]
            assert (row.failures, row.deaths, row.round) == (call.failures, call.deaths, call.round)
            assert (row.waiting, row.result) == (call.waiting, call.result)
            if call.state == "running":
                assert row.lease_expires_at == BEGIN + timedelta(milliseconds=call.lease)
        for run in Run.objects.filter(id__in=self.runs):
            assert run.state == rules.runs[run.id].state
            out = sum(
                row.run_id == run.id and row.state == "queued" and row.rung_at is not None
                for row in self.rows
            )
            assert run.state not in ("queued", "running") or run.bells.get("cpu", [0])[0] == out
            if run.id in self.changed:
                self._check_fold(run, self.runs[run.id][0])
        self.workers |= rules.workers.keys()
        found = Worker.objects.filter(name__in=self.workers).values_list("name", "state")
        assert dict(found) == {name: worker.state for name, worker in rules.workers.items()}

    def _check_fold(self, run, view):
        assert (view["seq"], view["state"], view["error"]) == (run.last_seq, run.state, run.error)
        assert (view["progress"], view["warnings"]) == (run.progress, run.warnings)
        assert (view["started_at"], view["ended_at"]) == (_text(run.started_at), _text(run.ended_at))
        rows = [row for row in self.rows if row.run_id == run.id]
        assert view["invocations"].keys() == {str(row.id) for row in rows}
        tries = Attempt.objects.filter(invocation__in=rows).order_by("invocation_id", "number")
        tried = {id: list(own) for id, own in itertools.groupby(tries, lambda one: one.invocation_id)}
        for row in rows:
            call = view["invocations"][str(row.id)]
            assert {name: call[name] for name in TOGETHER} == {name: getattr(row, name) for name in TOGETHER}
            assert (call["parent"], call["ended_at"]) == (_text(row.parent_id), _text(row.ended_at))
            assert call["error"] == (row.error if row.state == "failed" else None)
            assert [_try(one) for one in call["attempts"]] == [
                _try(vars(one)) for one in tried.get(row.id, [])
            ]

    def sweep(self):
        reconciler.sweep()

    def die(self, worker):
        Worker.objects.filter(name=worker).update(pid=NO_PROCESS)

    def cancel_run(self, run):
        try:
            services.cancel_run(run=Run.objects.get(id=run), by="ann")
        except RunAlreadyFinal:
            return False
        return True

    def resume_run(self, run):
        try:
            services.resume_run(run=Run.objects.get(id=run), by="ann")
        except RunNotResumable:
            return False
        return True

    def end(self):
        Run.objects.filter(id__in=self.runs).delete()
        Worker.objects.filter(name__in=self.workers).delete()


def _told(event):
    named = {"type": event.type, "invocation": _text(event.invocation_id), "data": event.data}
    return {"seq": event.seq, "at": event.at.isoformat(), **named}


def _text(value):
    return value.isoformat() if isinstance(value, datetime) else (str(value) if value else None)


def _try(one):
    times = [
        moment if isinstance(moment, str) else _text(moment)
        for moment in (one["started_at"], one["ended_at"])
    ]
    return one["number"], one["worker"], one["hardware"], one["state"], json.dumps(one["error"]), *times


def test_the_database_does_what_the_rulebook_says(database, bells, monkeypatch):
    # No message lies in the broker, so every bell that nobody answered was lost.
    monkeypatch.setattr(reconciler, "queue_lengths", lambda names: dict.fromkeys(names, 0))
    prove(lambda: DatabaseHouse(bells, monkeypatch), examples=60 if database == "sqlite" else 30, steps=50)
