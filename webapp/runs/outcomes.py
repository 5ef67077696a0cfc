"""How calls have ended, read outside any transaction: no more of each row than whoever waits for it wants."""

from collections.abc import Collection
from uuid import UUID

from chainlets.failure import Failure
from chainlets.runtime import store as engine
from chainlets.runtime.store import Outcome
from webapp.runs import columns
from webapp.runs.models import FINAL, RESULT_SPILLED, Invocation
from webapp.runs.rows import from_text

_NAMES = ("id", "state", "spilled")
_TEXTS = (
    "CASE WHEN self.state = 'succeeded' THEN CAST(self.result AS text) END",
    "CASE WHEN self.state IN ('failed', 'cancelled') THEN CAST(self.error AS text) END",
)
_ANY = "id IN {ids}"
_ENDED = f"{_ANY} AND self.state IN ({', '.join(repr(state.value) for state in FINAL)})"


def read_outcomes(ids: Collection[UUID], *, ended: bool) -> list[Outcome]:
    """How far these invocations are, or only those that have `ended`; what is not there is left out."""
    rows = columns.Link().select(Invocation, _NAMES, ids, texts=_TEXTS, where=_ENDED if ended else _ANY)
    return [
        outcome(id=id, state=state, spilled=spilled, result=result, error=error)
        for id, state, spilled, result, error in rows
    ]


def outcome(*, id: UUID, state: str, spilled: int, result: str | None, error: str | None) -> Outcome:
    """The engine's value for what a row has, `result` and `error` as JSON texts."""
    return Outcome(
        id=id,
        state=engine.State(state),
        result=from_text(result),
        failure=Failure.model_validate(from_text(error)) if error else None,
        spilled=bool(spilled & RESULT_SPILLED),
    )
