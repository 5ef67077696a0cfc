"""Runs again what was run before, and keeps of it what still stands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from chainlets.graph import Chain
from webapp.accounts.models import ApiKey
from webapp.catalog.services import current_catalog
from webapp.files.errors import FileNotFound
from webapp.files.sharing import SharedFiles
from webapp.runs.accepting import JsonObject, Order, StartedRun, accept
from webapp.runs.errors import InputInvalid, RunNotRepeatable
from webapp.runs.keeping import Made, kept
from webapp.runs.models import OPEN, RESULT_SPILLED, Invocation, KeptCall, Reuse, Run, State

_ROWS = 500  # written with one statement


def rerun(
    *,
    run: Run,
    by: str,
    key: ApiKey | None = None,
    input: JsonObject | None = None,
    start: UUID | None = None,
    title: str = "",
    deadline_s: float | None = None,
    idempotency_key: str | None = None,
) -> StartedRun:
    """Start a new run of a run's chain as it is now, for the same owner.

    The entrypoint runs again. A call that it makes, or that is made below it, is not executed if the old
    run has finished the same call, with the same input, and the code of its chainlet and of
    those below is the same.

    Args:
        run: that has ended.
        by: who wants it.
        key: the API key that asks, if one does.
        input: another input; the same by default.
        start: a call of the old run that is made anew, with everything below it; of the root, nothing is kept.
        title: for people; the old one by default.
        deadline_s: seconds from now after which the new run fails if it has not ended.
        idempotency_key: as in `start_run`.

    Raises:
        RunNotRepeatable: it goes on, or its chain is gone.
        InputInvalid: by field, what does not fit.
        IdempotencyConflict: the key was used for another request.
        LimitReached: the owner or the key may not start another run now.
        SystemBusy: nobody may.
    """
    if run.state in OPEN:
        raise RunNotRepeatable("The run goes on. Cancel it or wait for its end, then run it again.")
    if run.chain.name not in current_catalog().chains:
        raise RunNotRepeatable(
            f"The chain {run.chain.name!r} is not there any more. Put it back, then run it again."
        )
    if start is not None and not run.invocations.filter(id=start).exists():
        told = f"There is no invocation {str(start)!r} in this run. GET /api/runs/{run.id}/invocations lists them."
        raise InputInvalid(told, errors={"from": [told]})
    source = {"rerun_of": str(run.id), "from": str(start) if start else None}
    order = Order(
        user=run.owner,
        key=key,
        chain=run.chain.name,
        input=run.input if input is None else input,
        title=title or run.title,
        deadline_s=deadline_s,
        idempotency_key=idempotency_key,
        request=("rerun", source, input, title, deadline_s),
        told={**source, "by": by},
    )
    return accept(order, preparation=partial(_keeping, run, start))


@contextmanager
def _keeping(
    source: Run, start: UUID | None, run: Run, root: UUID, chain: Chain
) -> Iterator[Callable[[], None]]:
    files = SharedFiles(owner_id=run.owner_id, run_id=run.id)
    try:
        calls = _kept_calls(source, start, run, root, chain.codes, files)
        run.rerun_of = source.id
        run.reuse = Reuse.KEPT if calls else Reuse.NOTHING

        def record() -> None:
            files.record()
            KeptCall.objects.bulk_create(calls, batch_size=_ROWS)

        yield record
    except BaseException:
        files.discard()
        raise


def _kept_calls(
    source: Run, start: UUID | None, run: Run, root: UUID, codes: Mapping[str, str], files: SharedFiles
) -> list[KeptCall]:
    """What stands of the old run, as far as it can still be read."""
    made, results = _made(source)
    taken: dict[UUID, tuple[Any, bool]] = {}
    while True:
        standing = kept(made, root=root, again=start, codes=codes)
        gone = set()
        for call in standing.keys() - taken.keys():
            try:
                value, spilled = results[call]
                taken[call] = files.take(value, spilled=spilled), spilled
            except FileNotFound:
                gone.add(call)
        if not gone:
            break
        # It has to run again for its file, but what it called may stand.
        made = [replace(call, finished=False) if call.id in gone else call for call in made]
    return [
        KeptCall(
            id=new,
            run=run,
            result=taken[old][0],
            spilled=taken[old][1],
            from_run=source.id,
            from_invocation=old,
        )
        for old, new in standing.items()
    ]


def _made(run: Run) -> tuple[Sequence[Made], Mapping[UUID, tuple[Any, bool]]]:
    """Its calls, and the results as they stand in the rows, each with whether it was spilled."""
    rows = Invocation.objects.filter(run=run).values_list(
        "id", "parent_id", "chainlet", "input_hash", "occurrence", "code", "state"
    )
    made = [
        Made(
            id=id,
            caller=caller,
            chainlet=chainlet,
            input_hash=digest,
            occurrence=occurrence,
            code=code,
            finished=state == State.SUCCEEDED,
        )
        for id, caller, chainlet, digest, occurrence, code, state in rows
    ]
    finished = Invocation.objects.filter(run=run, state=State.SUCCEEDED).exclude(parent=None)
    results = finished.values_list("id", "result", "spilled")
    return made, {id: (result, bool(flags & RESULT_SPILLED)) for id, result, flags in results}
