"""Deadlines of runs: set when a run is accepted or resumed, watched by the reconciler."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from webapp.runs import transitions
from webapp.runs.models import OPEN, Run
from webapp.runs.workset import working_on

#: The longest that anybody may ask for, in seconds: a year.
MOST_S = 366 * 24 * 3600
_MOST_RUNS = 500  # ended in one sweep


def deadline(now: datetime, seconds: float | None) -> datetime | None:
    """The moment by which a run has to end; None if it may take as long as it likes."""
    return None if seconds is None else now + timedelta(seconds=seconds)


def end_overdue(now: datetime) -> int:
    """Fail the runs that should have ended by `now`; how many."""
    overdue = Run.objects.filter(state__in=OPEN, deadline_at__lte=now).order_by("deadline_at")
    ids = list(overdue.values_list("id", flat=True)[:_MOST_RUNS])
    return sum(_end(run_id) for run_id in ids)


def _end(run_id: UUID) -> bool:
    with working_on(runs=[run_id]) as work:
        late = Run.objects.filter(id=run_id, state__in=OPEN, deadline_at__lte=work.now)
        by = late.values_list("deadline_at", flat=True).first()
        root = work.root_of(run_id) if by is not None else None
        if by is None or root is None:
            return False  # it has just ended by itself, or was resumed with more time
        transitions.overrun(work, root, message(by))
        return True


def message(by: datetime) -> str:
    """What whoever started the run reads."""
    moment = by.astimezone(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    return f"The run had to end by {moment} UTC, and did not. What it finished is kept: resume it to go on."
