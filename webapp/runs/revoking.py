"""Cancels single calls, wherever they are."""

import contextlib
from collections.abc import Collection
from uuid import UUID

from django.db import close_old_connections

from webapp.runs import transitions
from webapp.runs.errors import RunAlreadyFinal
from webapp.runs.models import OPEN, Invocation
from webapp.runs.services import cancel_run
from webapp.runs.workset import working_on


def cancel_invocations(ids: Collection[UUID], *, by: str) -> set[UUID]:
    """Cancel these calls and everything below them, or the whole run where one is its root.

    A caller that waits for one of them goes on with an error. What has ended stays as it is.

    Returns:
        Those ids that are calls, ended or not.
    """
    close_old_connections()
    found = list(Invocation.objects.filter(id__in=ids).select_related("run"))
    for invocation in found:
        if invocation.state not in OPEN:
            continue  # every worker is told, and one of them was first
        if invocation.parent_id is None:
            with contextlib.suppress(RunAlreadyFinal):  # it ended by itself meanwhile
                cancel_run(run=invocation.run, by=by)
        else:
            _cancel_call(invocation.id)
    return {invocation.id for invocation in found}


def _cancel_call(id: UUID) -> None:
    with working_on([id]) as work:
        row = work.call(id)
        if row is not None and row.state in OPEN:
            transitions.cancel_tree(work, [row])
            transitions.wake_caller(work, row)
