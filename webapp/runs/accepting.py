"""How a run is accepted: validated, committed, and only then announced to the workers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pydantic
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from chainlets import File
from chainlets.files import resolve_files
from chainlets.graph import Chain
from chainlets.runtime.crash_points import crash_point
from chainlets.runtime.journal import input_hash
from webapp.accounts.models import ApiKey
from webapp.catalog.services import current_catalog
from webapp.errors import NotFound
from webapp.files.services import handle, record_value
from webapp.runs import clock, sharing
from webapp.runs.admission import admit, check_pressure
from webapp.runs.deadlines import deadline
from webapp.runs.errors import IdempotencyConflict, InputInvalid, LimitReached, UnknownChain
from webapp.runs.models import INPUT_SPILLED, Priority, Run
from webapp.runs.rows import CallRow
from webapp.runs.values import root_input
from webapp.runs.workset import working_on

JsonObject = dict[str, Any]
#: Prepares what a run, not yet saved, has beside its root, whose id is given; what the block gets is
#: called in the run's transaction. If the block breaks, nothing may be left.
Preparation = Callable[[Run, UUID, Chain], AbstractContextManager[Callable[[], None]]]


@dataclass(frozen=True, kw_only=True)
class Order:
    """A run that somebody asks for.

    Attributes:
        user: whose run it will be; file ids in the input must be theirs.
        key: the API key that asks, if one does.
        chain: its name.
        input: arguments of the entrypoint by name; a file is the id of an upload.
        title: for people; the first file's name if empty.
        priority: "high", "normal" or "low".
        deadline_s: seconds from now after which it fails if it has not ended.
        idempotency_key: the same key with the same request gives the first run again.
        request: what makes two requests the same.
        told: what the first line of its history says besides.
    """

    user: User
    key: ApiKey | None = None
    chain: str
    input: JsonObject
    title: str = ""
    priority: str = Priority.NORMAL
    deadline_s: float | None = None
    idempotency_key: str | None = None
    request: tuple[Any, ...]
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StartedRun:
    """A run, and whether this request made it."""

    run: Run
    created: bool


@contextmanager
def _alone(*_: object) -> Iterator[Callable[[], None]]:
    yield lambda: None


def accept(order: Order, *, preparation: Preparation = _alone) -> StartedRun:
    """Accept a run.

    Raises:
        UnknownChain: there is none of that name.
        InputInvalid: by field, what does not fit.
        IdempotencyConflict: the key was used for another request.
        LimitReached: the user or the key may not start another run now.
        SystemBusy: nobody may.
    """
    catalog = current_catalog()
    loaded = catalog.chains.get(order.chain)
    if loaded is None:
        raise UnknownChain(
            f"There is no chain called {order.chain!r}. GET /api/chains lists those there are."
        )
    digest = input_hash(list(order.request))
    earlier = _earlier(order, digest)
    if earlier is not None:
        return StartedRun(run=earlier, created=False)
    check_pressure()
    arguments = _validated(loaded, order.input, order.user)
    version = catalog.versions[order.chain]
    run = Run(
        owner=order.user,
        api_key=order.key,
        chain=version.chain,
        version=version,
        title=(order.title or _title(arguments) or order.chain)[:255],
        input=order.input,
        idempotency_key=order.idempotency_key,
        input_digest=digest,
        priority=order.priority,
        deadline_at=deadline(clock.now(), order.deadline_s),
    )
    root = uuid4()
    options = loaded.entrypoint.cls.remote_config.options
    try:
        with (
            preparation(run, root, loaded) as record,
            root_input(arguments, chainlet=loaded.entrypoint.name) as (text, file),
            transaction.atomic(),
        ):
            admit(user=order.user, key=order.key)
            run.save(force_insert=True)
            record()
            if file is not None:
                record_value(file, run_id=run.id, owner_id=run.owner_id)
            call = {
                "id": root,
                "parent_id": None,
                "chainlet": loaded.entrypoint.name,
                "queue": loaded.entrypoint.queue,
                "input": text,
                "spilled": INPUT_SPILLED if file else 0,
                "input_hash": input_hash(arguments),
                "code": loaded.codes[loaded.entrypoint.name],
                "fleet_limit": options.fleet_concurrency_limit,
                "rate_limit": options.fleet_rate_limit,
            }
            _announce(run, call, order.told)
            crash_point("run.insert")
    except (IntegrityError, LimitReached):
        # Perhaps the same key came twice at the same moment, and the other request was first.
        first = _earlier(order, digest)
        if first is None:
            raise
        return StartedRun(run=first, created=False)
    crash_point("run.accepted")
    run.refresh_from_db()
    return StartedRun(run=run, created=True)


def told(until: datetime | None) -> JsonObject:
    """What the history says of a deadline."""
    return {} if until is None else {"deadline_at": until.isoformat()}


def _announce(run: Run, call: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    created = {"chain": run.chain.name, "version": run.version.number, "title": run.title}
    with working_on(runs=[run.id]) as work:
        row = work.find_run(run.id)
        assert row is not None, "it was made in this transaction"
        root = work.add(CallRow(run=row, available_at=work.now, created_at=work.now, **call))
        work.event(row, "run.created", {**created, **told(run.deadline_at), **more})
        queued = {"chainlet": root.chainlet, "parent": None, "queue": root.queue, "attempt": 0}
        work.event(row, "invocation.queued", queued, invocation=root.id)
        sharing.enter(work, root)


def _validated(loaded: Chain, values: JsonObject, user: User) -> JsonObject:
    def resolve(file_id: str) -> File:
        try:
            return handle(owner_id=user.pk, file_id=file_id)
        except NotFound as error:
            msg = f"There is no file with the id {file_id[:60]!r}. Upload it first: POST /api/files."
            raise ValueError(msg) from error

    endpoint = loaded.entrypoint.endpoint
    try:
        with resolve_files(resolve):
            return endpoint.read_input(values).model_dump(mode="json")
    except pydantic.ValidationError as error:
        faults: dict[str, list[str]] = {}
        for fault in error.errors(include_url=False, include_context=False):
            field = ".".join(str(part) for part in fault["loc"]) or "input"
            faults.setdefault(field, []).append(fault["msg"].removeprefix("Value error, "))
        listed = ", ".join(f"`{field}`" for field in faults)
        detail = f"The input does not fit the chain {loaded.name!r}: look at {listed}."
        raise InputInvalid(detail, errors=faults) from error


def _earlier(order: Order, digest: str) -> Run | None:
    if order.idempotency_key is None:
        return None
    run = Run.objects.filter(owner=order.user, idempotency_key=order.idempotency_key).first()
    if run is not None and run.input_digest != digest:
        raise IdempotencyConflict
    return run


def _title(arguments: JsonObject) -> str:
    for value in arguments.values():
        if isinstance(value, dict) and {"id", "name", "sha256"} <= value.keys():
            return str(value["name"])
    return ""
