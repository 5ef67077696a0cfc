"""What the engine may be given to work with, each in all its kinds."""

import contextlib
import hashlib
import secrets
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from chainlets.runtime.memory import MemoryRunStore
from chainlets.runtime.store import Claim, Fence, NewCall, RunStore, WorkerIdentity
from chainlets.runtime.tasks import Bell
from webapp import env
from webapp.catalog.models import Chain, ChainVersion
from webapp.runs.doorbell import Mail, doorbell
from webapp.runs.models import Event, Invocation, Run
from webapp.runs.store import DatabaseRunStore

WORKER = WorkerIdentity(name="w1", slot="w", host="here", pid=1, hardware="cpu", queues=("cpu",))
OTHER_WORKER = replace(WORKER, name="w2", slot="w2", pid=2)


def new_call(chainlet: str = "Leaf", **changes: Any) -> NewCall:
    """A call, with everything that a test does not care for filled in."""
    given = {
        "id": uuid.uuid4(),
        "chain": "chain",
        "chainlet": chainlet,
        "queue": "cpu",
        "input": {"number": 1},
        "input_hash": hashlib.sha256(b"1").hexdigest(),
        "occurrence": 0,
        "max_attempts": 1,
        "timeout_s": 60.0,
    }
    return NewCall(**{**given, **changes})


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What workers are told: ids of invocations."""

    bells: list[UUID] = field(default_factory=list)
    mail: list[UUID] = field(default_factory=list)


class House:
    """A store, what it tells workers, and the few things that only people and the reconciler do."""

    def __init__(self, store: RunStore, heard: Heard) -> None:
        self.store, self.heard = store, heard

    def start_run(self, call: NewCall) -> UUID:
        """Accept a run with this root."""
        raise NotImplementedError

    def history(self, run_id: UUID) -> list[tuple[str, UUID | None, dict[str, Any]]]:
        """Its events, but for those of the run itself: type, invocation, data."""
        raise NotImplementedError

    def types(self, run_id: UUID, invocation: UUID) -> list[str]:
        """The types of an invocation's events, in order."""
        return [type for type, of, _ in self.history(run_id) if of == invocation]

    def do(self, name: str, **given: Any) -> Any:
        """One operation in a transaction of its own."""
        with self.store.atomic():
            return getattr(self.store, name)(**given)

    def claim(self, invocation_id: UUID, worker: WorkerIdentity = WORKER) -> Claim | None:
        return self.do("claim", invocation_id=invocation_id, worker=worker)

    def running_root(self, **changes: Any) -> Claim:
        """A run whose root a worker has taken."""
        call = new_call("Root", timeout_s=None, **changes)
        self.start_run(call)
        claim = self.claim(call.id)
        assert claim is not None
        return claim

    def running_call(self, parent: Fence, **changes: Any) -> Claim:
        """A call of a running parent that a worker has taken."""
        call = new_call(**changes)
        self.do("open_call", parent=parent, call=call)
        claim = self.claim(call.id)
        assert claim is not None
        return claim


class MemoryHouse(House):
    def __init__(self) -> None:
        heard = Heard()
        self.memory = MemoryRunStore(ring=lambda row: heard.bells.append(row.call.id), wake=heard.mail.append)
        super().__init__(self.memory, heard)

    def start_run(self, call):
        return self.memory.start_run(call)

    def history(self, run_id):
        rows = self.memory.rows
        ours = (event for event in self.memory.events if rows[event.invocation].run_id == run_id)
        return [(event.type, event.invocation, dict(event.data)) for event in ours]


class DatabaseHouse(House):
    def __init__(self, heard: Heard) -> None:
        super().__init__(DatabaseRunStore(), heard)

    def start_run(self, call):
        now = timezone.now()
        user, _ = User.objects.get_or_create(username="ann")
        chain, _ = Chain.objects.get_or_create(name=call.chain)
        version, _ = ChainVersion.objects.get_or_create(
            chain=chain, number=1, defaults={"graph": {}, "input_schema": {}, "output_schema": {}}
        )
        run = Run.objects.create(owner=user, chain=chain, version=version, input={})
        Invocation.objects.create(
            id=call.id,
            run=run,
            chainlet=call.chainlet,
            queue=call.queue,
            input=call.input,
            max_attempts=call.max_attempts,
            timeout_s=call.timeout_s,
            fleet_limit=call.fleet_limit,
            rate_limit=call.rate_limit,
            available_at=now,
        )
        return run.id

    def history(self, run_id):
        events = Event.objects.filter(run_id=run_id).exclude(type__startswith="run.").order_by("seq")
        return [(event.type, event.invocation_id, event.data) for event in events]


@pytest.fixture
def bells(monkeypatch) -> Heard:
    """What the database's side tells workers, instead of the broker."""
    heard = Heard()

    def hear(messages: Iterable[Any]) -> None:
        for message in messages:
            if isinstance(message, Bell):
                heard.bells.append(message.invocation_id)
            elif isinstance(message, Mail):
                heard.mail.append(message.invocation_id)

    monkeypatch.setattr(doorbell, "send", hear)
    return heard


@contextlib.contextmanager
def default_database(configured: dict[str, Any], blocker: Any) -> Iterator[None]:
    """Inside the block Django's database is this one, on every thread that is new to it."""
    usual, open_connection = connections.settings["default"], connections["default"]
    connections.settings["default"] = connections.configure_settings({"default": configured})["default"]
    del connections["default"]
    try:
        with blocker.unblock():
            yield
            connection.close()
    finally:
        connections.settings["default"] = usual
        connections["default"] = open_connection


@pytest.fixture(scope="session")
def sqlite_database(django_db_blocker, tmp_path_factory) -> dict[str, Any]:
    """A SQLite file with our tables, for the whole session; tests leave their rows in it."""
    configured = env.database("", sqlite=tmp_path_factory.mktemp("store") / "db.sqlite3")
    with default_database(configured, django_db_blocker):
        call_command("migrate", verbosity=0)
    return configured


@pytest.fixture(scope="session")
def postgres_database(django_db_blocker, postgres_url) -> dict[str, Any]:
    """The same on PostgreSQL, in a database of its own."""
    name = f"store_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    configured = env.database(f"{postgres_url.rsplit('/', 1)[0]}/{name}", sqlite=Path())
    with default_database(configured, django_db_blocker):
        call_command("migrate", verbosity=0)
    return configured


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql"])
def database(request, django_db_blocker) -> Iterator[str]:
    """Which store a module's tests are about; its database is Django's meanwhile."""
    if request.param == "memory":
        yield request.param
        return
    kind = {"sqlite": "sqlite_database", "postgresql": "postgres_database"}[request.param]
    with default_database(request.getfixturevalue(kind), django_db_blocker):
        yield request.param


@pytest.fixture
def house(database, request) -> House:
    """The store in memory, and the database's on each database."""
    return MemoryHouse() if database == "memory" else DatabaseHouse(request.getfixturevalue("bells"))
