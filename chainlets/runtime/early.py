"""Calls that begin before they are recorded.

A call that is made for the first time stands nowhere yet, so it can be nobody else's. If the worker
that its caller runs in has a slot free for it, that worker answers the bell itself, at once, and
need not wait for the row: that the call was made, that it was taken and what came
of it are recorded together, in one transaction instead of three. Until that is committed nobody
hears of the result, and if the process dies before, the call was never made.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from chainlets.runtime.execution import Execution
from chainlets.runtime.store import Claim, Fence, NewCall

MOST = 4  #: Of more at a time, the other workers are to have their share.


class EarlyCalls:
    """Those of one worker.

    Args:
        room: how many more calls like this one could execute in this worker at once.
        ring: has this worker answer a call's bell.
    """

    def __init__(self, *, room: Callable[[NewCall], int], ring: Callable[[NewCall], None]) -> None:
        self._room = room
        self._ring = ring
        self._claims: dict[UUID, Claim] = {}

    def admit(self, parent: Execution, call: NewCall) -> bool:
        """Whether a call may begin early: it cannot have been made before, and nobody has to count it."""
        claim = parent.claim
        counted = call.fleet_limit is not None or call.rate_limit is not None or call.cache_s is not None
        if (
            claim.fence.attempt > 1
            or not claim.fresh
            or counted
            or call.input_spilled
            or len(self._claims) >= MOST
            or self._room(call) <= self._under_way(call)
        ):
            return False
        self._claims[call.id] = Claim(
            fence=Fence(invocation_id=call.id, attempt=1),
            run_id=claim.run_id,
            caller=claim.fence.invocation_id,
            chain=call.chain,
            chainlet=call.chainlet,
            input=call.input,
            timeout_s=call.timeout_s,
            fresh=claim.fresh,
        )
        return True

    def _under_way(self, call: NewCall) -> int:
        """Those like it that have yet to take their slot, or have only just."""
        return sum(
            one.chainlet == call.chainlet and one.chain == call.chain for one in list(self._claims.values())
        )

    def ring(self, call: NewCall) -> None:
        """Ring for a call that was admitted, once its record was handed over."""
        self._ring(call)

    def claim(self, call_id: UUID) -> Claim | None:
        """What whoever answers the bell gets, unless the call is recorded by now."""
        return self._claims.get(call_id)

    def recorded(self, call_id: UUID) -> None:
        """From now on its row says whose the call is."""
        self._claims.pop(call_id, None)
