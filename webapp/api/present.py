"""From rows to JSON, with a fixed number of queries however many rows there are."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from webapp.api.shapes import FileShape, InvocationShape, RunShape
from webapp.catalog.models import ChainVersion
from webapp.files.models import File
from webapp.files.services import file_ids_in
from webapp.runs.models import OPEN, Invocation, Run, Unserved
from webapp.runs.unserved import shown
from webapp.runs.values import beyond, input_of, output_of, result_of


def one_run(run: Run) -> dict[str, Any]:
    """A run as the interface shows it."""
    return some_runs([run])[0]


def some_runs(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Runs as the interface shows them, in the same order."""
    hidden = beyond((run.id, [output_of(run)]) for run in runs)
    context = {"files": _input_files(runs), "waiting": _waiting(runs), "hidden": hidden}
    return list(RunShape(runs, many=True, context=context).data)


def calls(page: Sequence[Invocation]) -> list[dict[str, Any]]:
    """Invocations as the interface shows them, in the same order."""
    hidden = beyond((call.id, [input_of(call), result_of(call)]) for call in page)
    return list(InvocationShape(page, many=True, context={"hidden": hidden}).data)


def one_chain(version: ChainVersion) -> dict[str, Any]:
    """A chain in its current version."""
    return {
        "name": version.chain.name,
        "version": version.number,
        "description": version.description,
        "entrypoint": version.entrypoint,
        "input_schema": version.input_schema,
        "output_schema": version.output_schema,
        "graph": version.graph,
        "created_at": version.created_at,
    }


def _input_files(runs: Sequence[Run]) -> dict[UUID, list[dict[str, Any]]]:
    wanted = {run.id: file_ids_in(run.input) for run in runs}
    found = {file.id: file for file in File.objects.filter(id__in=set().union(*wanted.values()))}
    return {
        run.id: [
            dict(FileShape(found[file_id]).data)
            for file_id in sorted(wanted[run.id])
            if file_id in found and found[file_id].owner_id == run.owner_id
        ]
        for run in runs
    }


def _waiting(runs: Sequence[Run]) -> dict[UUID, list[dict[str, Any]]]:
    """What waits on queues that no live worker serves, as the run's history told it last."""
    pending = [run.id for run in runs if run.state in OPEN]
    waiting: dict[UUID, list[dict[str, Any]]] = {}
    for row in Unserved.objects.filter(run_id__in=pending) if pending else ():
        waiting.setdefault(row.run_id, []).append(shown(row))
    return waiting
