"""Who may start another run: limits of a key, of a user, and of the whole system."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.contrib.auth.models import User

from chainlets.rates import Rate, room, room_at, with_one_more
from webapp.accounts.models import Allowance, Allowed, ApiKey
from webapp.runs import clock
from webapp.runs.errors import SystemBusy, TooManyOpenRuns, TooManyRunsPerMinute
from webapp.runs.models import OPEN, Invocation, Run, State

_RECENT_S = 1.0  # how old the count of queued calls may be
_MINUTE_S = 60.0
_ENDS = 20  # runs by whose ends the next one's is guessed
_LONGEST_S = 60  # that somebody is told to wait for a run to end


@dataclass(frozen=True, kw_only=True)
class _Party:
    """Somebody with limits; None is none."""

    name: str
    counted: dict[str, object]  # which runs are theirs
    kept: Allowed
    open: int | None
    per_minute: int | None


def check_pressure() -> None:
    """Refuse new runs while too much is queued.

    Raises:
        SystemBusy: it is.
    """
    most = settings.MAX_QUEUED_CALLS
    if most and _full(most, int(time.monotonic() / _RECENT_S)):
        raise SystemBusy


def admit(*, user: User, key: ApiKey | None, resumed: bool = False) -> None:
    """Let one more run be opened, or refuse it. Part of the transaction that opens it; others wait meanwhile.

    Args:
        user: whose run it is.
        key: what it is started by, if by a key.
        resumed: it was started before, so only those that are open count.

    Raises:
        TooManyOpenRuns: as many as may be are open.
        TooManyRunsPerMinute: as many as may be were started within a minute.
    """
    parties = [_user(user), *([_key(key)] if key is not None else [])]
    for party in parties:
        _check_open(party)
    if resumed:
        return
    now = clock.now().timestamp()
    for party in parties:
        _count_start(party, now)


def seconds_between(ends: Sequence[datetime]) -> int:
    """How long it takes until the next of somebody's runs ends, going by those that have."""
    if len(ends) < 2:  # noqa: PLR2004 (an interval has two ends)
        return 10
    span = (max(ends) - min(ends)).total_seconds()
    return min(max(math.ceil(span / (len(ends) - 1)), 1), _LONGEST_S)


def _user(user: User) -> _Party:
    kept, _ = Allowance.objects.select_for_update().get_or_create(user=user)
    return _Party(
        name=f"the user {user.get_username()}",
        counted={"owner": user},
        kept=kept,
        open=kept.max_open_runs or settings.MAX_OPEN_RUNS_PER_USER or None,
        per_minute=kept.runs_per_minute or settings.RUNS_PER_MINUTE_PER_USER or None,
    )


def _key(key: ApiKey) -> _Party:
    limited = key.max_open_runs is not None or key.runs_per_minute is not None
    kept = ApiKey.objects.select_for_update().get(pk=key.pk) if limited else key
    return _Party(
        name=f"the key {kept.name}",
        counted={"api_key": kept},
        kept=kept,
        open=kept.max_open_runs,
        per_minute=kept.runs_per_minute,
    )


def _check_open(party: _Party) -> None:
    if party.open is None:
        return
    runs = Run.objects.filter(**party.counted)
    found = runs.filter(state__in=OPEN).count()
    if found < party.open:
        return
    ended = runs.filter(ended_at__isnull=False).values_list("ended_at", flat=True)
    raise TooManyOpenRuns(
        f"{_runs(found)} of {party.name} {'have' if found > 1 else 'has'} not ended, and "
        f"{party.open:,} may be open at a time. Wait until one ends, or cancel some; then try again.",
        retry_after=seconds_between([end for end in ended.order_by("-created_at")[:_ENDS] if end]),
    )


def _count_start(party: _Party, now: float) -> None:
    if party.per_minute is None:
        return
    rate, kept = Rate(most=party.per_minute, window_s=_MINUTE_S), party.kept
    if not room(rate, kept.recent_runs, now=now):
        wait = max(math.ceil(room_at(rate, kept.recent_runs, now=now) - now), 1)
        raise TooManyRunsPerMinute(
            f"{party.name[0].upper()}{party.name[1:]} may start {_runs(party.per_minute)} in a minute, and has. Try again "
            f"in {wait} second{'s' if wait > 1 else ''}.",
            retry_after=wait,
        )
    kept.recent_runs = with_one_more(rate, kept.recent_runs, now=now)
    kept.save(update_fields=["recent_runs"])


def _runs(count: int) -> str:
    return f"{count:,} {'runs' if count > 1 else 'run'}"


@lru_cache(1)
def _full(most: int, _: int) -> bool:
    queued = Invocation.objects.filter(state=State.QUEUED).order_by()
    return queued[most : most + 1].exists()
