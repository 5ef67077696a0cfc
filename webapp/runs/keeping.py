"""Decides which calls of a run stand when the run is repeated. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from chainlets.runtime.journal import call_id


@dataclass(frozen=True, kw_only=True)
class Made:
    """A call as it was made in the run that is repeated; the root's has no `caller`."""

    id: UUID
    caller: UUID | None
    chainlet: str
    input_hash: str
    occurrence: int
    code: str
    finished: bool


def kept(
    calls: Iterable[Made], *, root: UUID, again: UUID | None, codes: Mapping[str, str]
) -> dict[UUID, UUID]:
    """The calls whose results stand: their ids, each with the id that the call has in the new run.

    A call is known by its caller and its input, so one that the new run makes with another input is
    another call. Below one that stands nothing is executed, so what is there need not be kept.

    Args:
        calls: of the run that is repeated.
        root: id of the new run's root.
        again: the call that is to be made anew with everything below it; its callers run again as well.
        codes: digest of each chainlet's code as it is now; a result of other code does not stand.
    """
    known = {call.id: call for call in calls}
    below: defaultdict[UUID | None, list[Made]] = defaultdict(list)
    for call in known.values():
        below[call.caller].append(call)
    callers = _callers(known, again)
    found: dict[UUID, UUID] = {}
    waiting = [(call, root) for call in below[None] if call.id != again]
    while waiting:
        caller, new_caller = waiting.pop()
        for call in below[caller.id]:
            if call.id == again:
                continue
            new = call_id(
                parent=new_caller, chainlet=call.chainlet, digest=call.input_hash, occurrence=call.occurrence
            )
            same = call.code != "" and call.code == codes.get(call.chainlet)
            if call.finished and same and call.id not in callers:
                found[call.id] = new
            else:
                waiting.append((call, new))
    return found


def _callers(known: Mapping[UUID, Made], call: UUID | None) -> set[UUID]:
    found: set[UUID] = set()
    while call is not None:
        call = known[call].caller
        if call is not None:
            found.add(call)
    return found
