"""What people and programs do with runs: start, cancel, resume, delete, read their history."""

import contextlib
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from chainlets.runtime.crash_points import crash_point
from webapp.accounts.models import ApiKey
from webapp.catalog.services import current_catalog
from webapp.files.models import File as StoredFile
from webapp.files.services import delete_file, delete_files_of, file_ids_in
from webapp.runs import transitions
from webapp.runs.accepting import JsonObject, Order, StartedRun, accept, told
from webapp.runs.admission import admit
from webapp.runs.deadlines import deadline
from webapp.runs.errors import PriorityRefused, RunAlreadyFinal, RunNotResumable
from webapp.runs.models import OPEN, Event, Priority, Run, State
from webapp.runs.workset import working_on


def start_run(
    *,
    user: User,
    key: ApiKey | None = None,
    chain: str,
    input: JsonObject,
    title: str = "",
    priority: str = Priority.NORMAL,
    deadline_s: float | None = None,
    idempotency_key: str | None = None,
) -> StartedRun:
    """Accept a run: validated, committed, and only then announced to the workers.

    Args:
        user: whose run it is; file ids in the input must be theirs.
        key: the API key that asks, if one does.
        chain: its name.
        input: arguments of the entrypoint by name; a file is the id of an upload.
        title: for people; the first file's name if empty.
        priority: "high", "normal" or "low".
        deadline_s: seconds from now after which it fails if it has not ended.
        idempotency_key: the same key with the same request gives the first run again.

    Raises:
        UnknownChain: there is none of that name.
        InputInvalid: by field, what does not fit.
        IdempotencyConflict: the key was used for another request.
        PriorityRefused: only staff may go before everyone else.
        LimitReached: the user or the key may not start another run now.
        SystemBusy: nobody may.
    """
    if priority == Priority.HIGH and not user.is_staff:
        raise PriorityRefused
    more = [value for value in (deadline_s, priority) if value not in (None, Priority.NORMAL)]
    order = Order(
        user=user,
        key=key,
        chain=chain,
        input=input,
        title=title,
        priority=priority,
        deadline_s=deadline_s,
        idempotency_key=idempotency_key,
        request=(chain, input, title, *more),
    )
    return accept(order)


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
        work.event(row, "run.cancelled", {"by": by})
        crash_point("cancel.midway")
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
        TooManyOpenRuns: as many as its owner, or its key, may have are open.
    """
    if run.chain.name not in current_catalog().chains:
        raise RunNotResumable(
            f"The chain {run.chain.name!r} is not there any more. Put it back, then resume."
        )
    with working_on(runs=[run.id]) as work:
        row, root = work.find_run(run.id), work.root_of(run.id)
        if row is None or row.state not in (State.FAILED, State.CANCELLED) or root is None:
            raise RunNotResumable
        admit(user=run.owner, key=run.api_key, resumed=True)
        until = deadline(work.now, deadline_s)
        row.change(state=State.QUEUED, error=None, ended_at=None, deadline_at=until)
        run.unserved.all().delete()  # what it was told holds no more; it will be told anew
        work.event(row, "run.resumed", {"by": by, **told(until)})
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
