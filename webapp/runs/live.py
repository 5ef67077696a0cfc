"""The output of a streaming run while it is made."""

from collections.abc import AsyncIterator
from uuid import UUID

from channels.db import database_sync_to_async

from chainlets.endpoint import Piece
from chainlets.failure import Failure
from chainlets.runtime.feeds import Feed
from chainlets.runtime.store import Output
from webapp.runs.follow import RunBell
from webapp.runs.models import OPEN, Invocation, Run, State
from webapp.runs.store import read_outputs


class RunFailed(Exception):
    """The run did not succeed; `detail` is a sentence, `failure` the tree if there is one."""

    def __init__(self, detail: str, failure: Failure | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.failure = failure


async def live_output(run_id: UUID) -> AsyncIterator[list[Piece]]:
    """The pieces of a run's entrypoint, each once, in the lists in which they became known.

    Raises:
        RunFailed: the run failed or was cancelled, or another attempt said something else.
    """
    root_id, name = await database_sync_to_async(_root)(run_id)
    feed = Feed(name)
    async with RunBell(run_id) as bell:
        while True:
            bell.clear()
            open_still, outputs, failure = await database_sync_to_async(_look)(run_id, root_id, feed.seq)
            feed.feed(outputs)
            try:
                pieces = feed.drain()
            except Exception as error:
                raise RunFailed(str(error)) from error
            if pieces:
                yield pieces
            if failure is not None:
                raise failure
            if not open_still:
                return
            await bell.wait()


def _root(run_id: UUID) -> tuple[UUID, str]:
    return Invocation.objects.values_list("id", "chainlet").get(run_id=run_id, parent=None)


def _look(run_id: UUID, root_id: UUID, after: int) -> tuple[bool, list[Output], RunFailed | None]:
    """Whether the run goes on, what is new, and why it failed; the state is read first, so nothing is missed."""
    run = Run.objects.only("state", "error").filter(id=run_id).first()
    if run is None:
        return False, [], RunFailed("The run was deleted.")
    outputs = read_outputs(invocation_id=root_id, after=after)
    if run.state in OPEN or run.state == State.SUCCEEDED:
        return run.state in OPEN, outputs, None
    if run.error is None:
        return False, outputs, RunFailed("The run was cancelled.")
    failure = Failure.model_validate(run.error)
    return False, outputs, RunFailed(failure.root.message, failure)
