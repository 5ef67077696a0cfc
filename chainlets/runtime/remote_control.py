"""Celery's remote control, where chainlets need another answer than ordinary tasks.

`revoke` and `terminate` of an ordinary task work on messages and processes. A call of a chainlet is a
row, so revoking it cancels the invocation: whether it is queued, executes or waits for others, on
whichever worker, with everything it has called.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from celery.signals import task_revoked
from celery.utils.functional import maybe_list
from celery.worker import control as _control
from celery.worker.state import revoked

from chainlets.runtime.tasks import ChainletTask

control: Any = _control  # its stubs leave most of it out
_stock_revoke = control.revoke


@control.control_command(name="revoke", variadic="task_id", signature="[id1 [id2 [... [idN]]]]")  # type: ignore[untyped-decorator]
def revoke(
    state: Any,
    task_id: str | Sequence[str],
    terminate: bool = False,  # noqa: FBT001, FBT002 (as Celery has it)
    signal: str | None = None,
    **_: Any,
) -> Any:
    """Cancel calls of chainlets by their invocation ids; revoke other tasks as Celery does."""
    ids = list(dict.fromkeys(maybe_list(task_id) or []))

    def work() -> None:
        known = state.app.cancel_invocations(_invocations(ids))
        others = [id for id in ids if id not in known]
        if others:
            state.consumer.call_soon(_stock_revoke, state, others, terminate=terminate, signal=signal)

    _apart(work)
    return control.ok(f"tasks {ids} revoked")


@control.control_command(  # type: ignore[untyped-decorator]
    name="terminate",
    variadic="task_id",
    args=[("signal", str)],
    signature="<signal> [id1 [id2 [... [idN]]]]",
)
def terminate(state: Any, signal: str, task_id: str | Sequence[str], **_: Any) -> Any:
    """Cancel calls of chainlets by their invocation ids; terminate other tasks as Celery does."""
    return revoke(state, task_id, terminate=True, signal=signal)


@task_revoked.connect
def _on_revoked(sender: Any, request: Any, expired: bool, **_: Any) -> None:  # noqa: FBT001 (Celery's signal)
    """A bell was thrown away because it had expired, or was revoked before its row was there."""
    if not isinstance(sender, ChainletTask):
        return
    revoked.discard(request.id)  # or a run that is resumed would never be heard again
    if not expired:
        app: Any = sender.app
        _apart(lambda: app.cancel_invocations(_invocations([request.id])))


def _invocations(ids: Sequence[str]) -> list[UUID]:
    found = []
    for id in ids:
        try:
            found.append(UUID(id))
        except ValueError:
            continue
    return found


def _apart(work: Any) -> None:
    """On a thread of its own: Celery's loop must not wait for the database."""
    threading.Thread(target=work, name="chainlets-revoke", daemon=True).start()
