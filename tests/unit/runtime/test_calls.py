"""Who waits for a call hears of that call, and not of what an earlier attempt left behind."""

from types import SimpleNamespace
from uuid import uuid4

from chainlets.runtime.calls import OpenCalls
from chainlets.runtime.loops import UserLoops
from chainlets.runtime.spilling import Sizes
from chainlets.runtime.store import Fence, NewCall, Outcome, State


class Held:
    """A committer that keeps what it is given until a test lets it go on."""

    def __init__(self):
        self.given = []

    def hand_over(self, operation, about, then=None, *, patient=False):
        self.given.append((operation, then))


def test_what_is_not_yet_recorded_is_not_looked_up():
    call = NewCall(
        id=uuid4(), chain="c", chainlet="Leaf", queue="cpu", input={}, input_hash="h", occurrence=0,
        max_attempts=1, timeout_s=None,
    )  # fmt: skip
    left_behind = Outcome(id=call.id, state=State.CANCELLED)
    asked = []

    def outcomes(ids, *, ended):
        asked.extend(ids)
        return [left_behind]

    committer = Held()
    calls = OpenCalls(
        committer=committer, store=SimpleNamespace(outcomes=outcomes), loops=UserLoops(), sizes=Sizes()
    )
    parent = SimpleNamespace(claim=SimpleNamespace(fence=Fence(invocation_id=uuid4(), attempt=2)))
    answer = calls.open(parent=parent, call=call, limit=("c", "Top", "Leaf"), most=9)

    calls.look([call.id])
    calls.ended(left_behind)
    assert (asked, answer.done) == ([], False)

    (_, then), result = committer.given[0], Outcome(id=call.id, state=State.SUCCEEDED, result=7)
    then(Outcome(id=call.id, state=State.QUEUED), None)
    assert not answer.done
    calls.ended(result)
    assert answer.wait(1) == result
    calls.close()
