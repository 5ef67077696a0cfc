"""What people and programs do with runs: start, cancel, resume, delete, read their history."""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pydantic
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from chainlets import File
from chainlets.files import resolve_files
from chainlets.graph import Chain
from chainlets.runtime.journal import input_hash
from webapp.catalog.services import current_catalog
from webapp.errors import NotFound
from webapp.files.models import File as StoredFile
from webapp.files.services import delete_file, delete_files_of, file_ids_in, handle
from webapp.runs import clock, transitions
from webapp.runs.deadlines import deadline
from webapp.runs.errors import (
    IdempotencyConflict,
    InputInvalid,
    RunAlreadyFinal,
    RunNotResumable,
    UnknownChain,
)
from webapp.runs.models import OPEN, Event, Run, State
from webapp.runs.rows import CallRow, as_text
from webapp.runs.workset import working_on

JsonObject = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StartedRun:
    """A run, and whether this request made it."""

    run: Run
    created: bool


def start_run(
    *,
    user: User,
    chain: str,
    input: JsonObject,
    title: str = "",
    deadline_s: float | None = None,
    idempotency_key: str | None = None,
) -> StartedRun:
    """Accept a run: validated, committed, and only then announced to the workers.

    Args:
        user: whose run it is; file ids in the input must be theirs.
        chain: its name.
        input: arguments of the entrypoint by name; a file is the id of an upload.
        title: for people; the first file's name if empty.
        deadline_s: seconds from now after which it fails if it has not ended.
        idempotency_key: the same key with the same request gives the first run again.

    Raises:
        UnknownChain: there is none of that name.
        InputInvalid: by field, what does not fit.
        IdempotencyConflict: the key was used for another request.
    """
    catalog = current_catalog()
    loaded = catalog.chains.get(chain)
    if loaded is None:
        raise UnknownChain(f"There is no chain called {chain!r}. GET /api/chains lists those there are.")
    digest = input_hash([chain, input, title, *([deadline_s] if deadline_s is not None else [])])
    earlier = _earlier(user, idempotency_key, digest)
    if earlier is not None:
        return StartedRun(run=earlier, created=False)
    arguments = _validated(loaded, input, user)
    version = catalog.versions[chain]
    try:
        with transaction.atomic():
            run = Run.objects.create(
                owner=user,
                chain=version.chain,
                version=version,
                title=(title or _title(arguments) or chain)[:255],
                input=input,
                idempotency_key=idempotency_key,
                input_digest=digest,
                deadline_at=deadline(clock.now(), deadline_s),
            )
            _announce(run, loaded, arguments)
    except IntegrityError:
        # The same key came twice at the same moment, and the other request was first.
        first = _earlier(user, idempotency_key, digest)
        if first is None:
            raise
        return StartedRun(run=first, created=False)
    run.refresh_from_db()
    return StartedRun(run=run, created=True)


def cancel_run(*, run: Run, by: str) -> Run:
    """End a run and everything below it; what had finished is kept for a resume.

    Raises:
        RunAlreadyFinal: it had ended.
    """
    with working_on(runs=[run.id]) as work:
        row, root = work.find_run(run.id), work.root_of(run.id)
        if row is None or row.state not in OPEN:
            raise RunAlreadyFinal
        row.change(state=State.CANCELLED, ended_at=work.now)
        transitions.cancel_tree(work, [root] if root is not None else [])
        work.event(run.id, "run.cancelled", {"by": by})
    run.refresh_from_db()
    return run


def resume_run(*, run: Run, by: str, deadline_s: float | None = None) -> Run:
    """Go on with a failed or cancelled run; calls that had finished are not made again.

    Args:
        run: as its owner or an operator knows it.
        by: who wants it.
        deadline_s: seconds from now that it may take. A deadline that it had before counts no more.

    Raises:
        RunNotResumable: it is in another state, or its chain is gone.
    """
    if run.chain.name not in current_catalog().chains:
        raise RunNotResumable(
            f"The chain {run.chain.name!r} is not there any more. Put it back, then resume."
        )
    with working_on(runs=[run.id]) as work:
        row, root = work.find_run(run.id), work.root_of(run.id)
        if row is None or row.state not in (State.FAILED, State.CANCELLED) or root is None:
            raise RunNotResumable
        until = deadline(work.now, deadline_s)
        row.change(state=State.QUEUED, error=None, ended_at=None, deadline_at=until)
        work.event(run.id, "run.resumed", {"by": by, **_told(until)})
        transitions.requeue_ended(work, root)
    run.refresh_from_db()
    return run


def delete_run(*, run: Run, by: str) -> None:
    """Remove a run, what it made, and the uploads that no other run uses; a running one is cancelled first."""
    inputs = file_ids_in(run.input)
    with transaction.atomic():
        with contextlib.suppress(RunAlreadyFinal):  # it ended by itself: nothing to stop
            cancel_run(run=run, by=by)
        delete_files_of(run_id=run.id)
        Run.objects.filter(id=run.id).delete()
        others = Run.objects.filter(owner_id=run.owner_id).values_list("input", flat=True) if inputs else []
        unused = inputs - {found for value in others for found in file_ids_in(value)}
        for file in StoredFile.objects.filter(owner_id=run.owner_id, id__in=unused, run=None):
            delete_file(file=file)


def events_after(*, run_id: UUID, after: int, limit: int) -> list[Event]:
    """The next events of a run after number `after`, at most `limit`."""
    return list(Event.objects.filter(run_id=run_id, seq__gt=after).order_by("seq")[:limit])


def _announce(run: Run, loaded: Chain, arguments: JsonObject) -> None:
    entrypoint = loaded.entrypoint
    created = {"chain": loaded.name, "version": run.version.number, "title": run.title}
    created |= _told(run.deadline_at)
    queued = {"chainlet": entrypoint.name, "parent": None, "queue": entrypoint.queue, "attempt": 0}
    with working_on(runs=[run.id]) as work:
        root = work.add(
            CallRow(
                id=uuid4(),
                run_id=run.id,
                parent_id=None,
                chainlet=entrypoint.name,
                queue=entrypoint.queue,
                input=as_text(arguments),
                input_hash=input_hash(arguments),
                fleet_limit=entrypoint.cls.remote_config.options.fleet_concurrency_limit,
                available_at=work.now,
                rung_at=work.now,
                created_at=work.now,
            )
        )
        work.event(run.id, "run.created", created)
        work.event(run.id, "invocation.queued", queued, invocation=root.id)
        work.ring(root)


def _told(until: datetime | None) -> JsonObject:
    """What the history says of a deadline."""
    return {} if until is None else {"deadline_at": until.isoformat()}


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


def _earlier(user: User, key: str | None, digest: str) -> Run | None:
    if key is None:
        return None
    run = Run.objects.filter(owner=user, idempotency_key=key).first()
    if run is not None and run.input_digest != digest:
        raise IdempotencyConflict
    return run


def _title(arguments: JsonObject) -> str:
    for value in arguments.values():
        if isinstance(value, dict) and {"id", "name", "sha256"} <= value.keys():
            return str(value["name"])
    return ""
