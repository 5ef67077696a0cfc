"""A Hypothesis state machine that drives a store of runs and the rulebook side by side."""

import contextlib
import copy
import os
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chainlets.failure import Failure
from chainlets.runtime.store import Fence, FenceLostError, NewCall, WorkerIdentity
from tests.unit.runtime.house import House, check_laws
from tests.unit.runtime.rulebook import ENDS, Call, Line, Rulebook

FAULT = Failure(type="LookupError", message="no such thing")
MOST_OPEN, MOST_RUNS = 5, 2  # few, so that much happens to each
SAID: Mapping[str, Any] = {
    "progress": {"done": 1, "total": 2, "message": "half"},
    "warning": {"message": "It is quiet."},
    "partial": {"text": "Hel"},
    "log": {"level": "info", "message": "m", "fields": {}},
}
KINDS = ("thrice", "limited", "thrice", "once")
BESIDE = "run.unserved"  # a line about the fleet; it changes nothing in a run
FEWEST_OUT = 2  # bells of a run that are out while others of it are held back
WHICH = st.integers(0, 9_999)
#: What there is to do, and how often for each other thing.
WORK = Counter(
    call=8,
    claim=8,
    call_again=5,
    fail=5,
    succeed=4,
    transaction=6,
    wait=2,
    cancel_call=3,
    hand_back=1,
    say=1,
    renew=1,
)
OUTSIDE = Counter(
    time_passes=4, sweep=4, worker_dies=4, worker_leaves=1, resume_run=2, cancel_run=1, start_run=1
)
WHOLE = frozenset({"worker_dies", "worker_leaves", "sweep", "cancel_run", "resume_run"})
STEPS = [*WORK.elements(), *OUTSIDE.elements()]


def prove(make: Callable[[], House], *, examples: int, steps: int) -> None:
    """Let a store and the rulebook answer the same things; `EXAMPLES=5000` looks for other ones, and longer."""
    more = int(os.environ.get("EXAMPLES", "0"))
    run_state_machine_as_test(
        lambda: Machine(make()),
        settings=settings(
            max_examples=more or examples,
            stateful_step_count=steps,
            derandomize=not more,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
        ),
    )


class Machine(RuleBasedStateMachine):
    """Each step does one thing to both and compares what they say; then all rows and histories are compared.

    There is one rule with a table of things to do, because Hypothesis leaves out some rules of each
    example, and a machine that cannot claim or call finds nothing.
    """

    outside: ClassVar = precondition(lambda self: self.before is None)

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house, self.rules = house, Rulebook(lease=house.lease, silence=house.silence)
        self.fences: list[Fence] = []
        self.granted = 0  # how many of them before the transaction under way
        self.focus: UUID | None = None  # what called last: what happens to one call at once is hard
        self.workers: list[WorkerIdentity] = []
        self.mark = uuid.uuid4().hex[:8]  # stores are shared by examples, and limits count chainlets by name
        self.batch = contextlib.ExitStack()
        self.before: Rulebook | None = None  # the rulebook as it was when the transaction under way began

    def teardown(self) -> None:
        if self.before is not None:
            self.break_off()
        self.house.end()

    @initialize()
    def begin(self) -> None:
        for slot in ("a", "b"):
            self._join(f"{slot}-{self.mark}")
        self.start_run()

    @rule(what=st.sampled_from(STEPS), which=WHICH, other=WHICH)
    def step(self, what: str, which: int, other: int) -> None:
        if what in OUTSIDE and self.before is not None:
            what = "call_again" if other % 2 else "transaction"
        if what in WHOLE and not self.house.whole:
            return
        if self.before is None:
            self._tick()
        states = {call.state for call in self.rules.calls.values()}
        if what == "claim" and "queued" not in states and which % 6:
            what = "call"
        if what == "call" and "running" not in states:
            what = "claim" if "queued" in states else "transaction" if self.before else "start_run"
        getattr(self, what)(which, other)

    # What workers do

    def claim(self, which: int, other: int) -> None:
        """For whatever bell: the first, as a rule; a doubled one; one for what has ended."""
        queued = [id for id, call in self.rules.calls.items() if call.state == "queued"]
        id = _one(list(self.rules.calls) if which % 6 == 5 or not queued else queued, which)
        worker = _one(self.workers, other)
        may = self.rules.may_claim(id)
        claim = self._do("claim", invocation_id=id, worker=worker)
        assert may is None or may == (claim is not None)
        if claim is not None:
            self.rules.claim(id, worker.name)
            call = self.rules.calls[id]
            assert claim.fence == Fence(invocation_id=id, attempt=call.attempt)
            assert (claim.run_id, claim.caller, claim.chainlet) == (call.run, call.parent, call.chainlet)
            self.fences.append(claim.fence)

    def call(self, which: int, other: int) -> None:
        fence = self._fence(which)
        if fence is not None and sum(call.open for call in self.rules.calls.values()) < MOST_OPEN:
            self._open(fence, uuid.uuid4(), _one(KINDS, other))

    def call_again(self, which: int, other: int) -> None:
        """Another attempt of the caller, or the same one, makes a call that was made before."""
        made = [call for call in self.rules.calls.values() if call.parent]
        again = [call for call in made if self.rules.calls[call.parent].state == "running"]
        close = [call for call in again if call.parent == self.focus]
        if made:
            among = (other % 4 < self._closeness and close) or (other // 4 % 6 < 5 and again) or made
            call = _one([call for call in among if which % 4 and not call.open] or among, which // 4)
            caller = self.rules.calls[call.parent]
            self._open(
                Fence(invocation_id=caller.id, attempt=caller.attempt),
                call.id,
                call.chainlet.partition("-")[0],
            )

    def succeed(self, which: int, other: int) -> None:
        fence = self._fence(which, ending=True)
        if fence is not None:
            result = f"by attempt {fence.attempt}"
            owned = self._owned(fence)
            called = fence.attempt > 1 or any(
                call.parent == fence.invocation_id for call in self.rules.calls.values()
            )
            assert self._do("succeed", fence=fence, result=result, called=called or bool(other % 2)) is owned
            if owned:
                self.rules.succeed(fence.invocation_id, result)

    def fail(self, which: int, other: int) -> None:
        fence = self._fence(which, ending=True)
        if fence is not None:
            retryable, final = _one(
                [(True, False), (True, False), (True, False), (False, False), (True, True)], other
            )
            failure = FAULT.model_copy(update={"retryable": retryable})
            owned = self._owned(fence)
            outcome = self._do("fail", fence=fence, failure=failure, final=final)
            assert (outcome is not None) is owned
            if owned:
                self.rules.fail(fence.invocation_id, fault=FAULT.type, hopeless=final or not retryable)
                assert outcome.state.value == self.rules.calls[fence.invocation_id].state

    def hand_back(self, which: int, other: int) -> None:
        fence = self._fence(which)
        if fence is not None:
            owned = self._owned(fence)
            assert self._do("hand_back", fence=fence) is owned
            if owned:
                self.rules.hand_back(fence.invocation_id)

    def wait(self, which: int, other: int) -> None:
        fence = self._fence(which)
        if fence is not None:
            self._do("wait", fence=fence)
            if self._owned(fence):
                self.rules.wait(fence.invocation_id)

    def cancel_call(self, which: int, other: int) -> None:
        called = [call for call in self.rules.calls.values() if call.parent and call.open]
        if called:
            call = _one([call for call in called if call.parent == self.focus] or called, which)
            self.focus = call.parent
            fence = Fence(
                invocation_id=call.parent, attempt=self.rules.calls[call.parent].attempt - (other % 6 == 5)
            )
            self._do("cancel_call", parent=fence, invocation_id=call.id)
            if self._owned(fence):
                self.rules.cancel(call.id)

    def say(self, which: int, other: int) -> None:
        fence = self._fence(which)
        if fence is not None:
            kind = _one(list(SAID), other)
            self._do("append", fence=fence, type=kind, data=SAID[kind])
            if self._owned(fence):
                self.rules.say(fence.invocation_id, kind, SAID[kind].get("message", ""))

    def renew(self, which: int, other: int) -> None:
        worker = _one(self.workers, which)
        assert self._do("renew", worker=worker) == self.rules.renew(worker.name)

    # What happens around them

    def transaction(self, which: int, other: int) -> None:
        """Until it ends, what is done is one transaction; some break off."""
        if self.before is None:
            self.before = copy.deepcopy(self.rules)
            self.granted = len(self.fences)
            self.batch.enter_context(self.house.store.atomic(list(self.rules.calls) if which % 2 else ()))
        elif which % 8:
            self.commit()
        else:
            self.break_off()

    def time_passes(self, which: int, other: int) -> None:
        self._tick(_one([300, 300, 1_000, 6_000, 11_000, 40_000], which))
        if not self.house.whole:
            self._hear_pauses_end()

    def start_run(self, which: int = 0, other: int = 0) -> None:
        if sum(run.state not in ENDS for run in self.rules.runs.values()) < MOST_RUNS:
            run, root = self.house.start_run()
            self.rules.start_run(run, root, "Hello")

    def worker_dies(self, which: int, other: int) -> None:
        """And another takes its place; as a rule the reconciler comes next."""
        holding = [worker for worker in self.workers if self.rules.held_by(worker.name)]
        worker = _one(holding or self.workers, which)
        self.house.die(worker.name)
        self.rules.workers[worker.name].dead = True
        self._join(worker.slot)
        self.workers.remove(worker)
        if other % 4:
            self._tick()
            self.sweep(which, other)

    def worker_leaves(self, which: int, other: int) -> None:
        """In good order, and comes again; what it had not handed back ends with its lease."""
        worker = _one(self.workers, which)
        self._do("leave", worker=worker)
        self.rules.workers[worker.name].state = "stopped"
        self._join(worker.slot)
        self.workers.remove(worker)

    def sweep(self, which: int, other: int) -> None:
        self.house.sweep()
        self.rules.take_back()
        self._hear_pauses_end()

    def cancel_run(self, which: int, other: int) -> None:
        run = _one(list(self.rules.runs), which)
        assert self.house.cancel_run(run) is self.rules.cancel_run(run)

    def resume_run(self, which: int, other: int) -> None:
        ended = [id for id, run in self.rules.runs.items() if run.state in ("failed", "cancelled")]
        run = _one(list(self.rules.runs) if other % 6 == 5 or not ended else ended, which)
        assert self.house.resume_run(run) is self.rules.resume_run(run)

    # What has to be so

    @invariant()
    def outcomes_are_as_the_rules_say(self) -> None:
        ids = list(self.rules.calls)
        found = {outcome.id: outcome for outcome in self._do("outcomes", ids=ids)}
        for id, call in self.rules.calls.items():
            outcome = found[id]
            fault = outcome.failure.type if outcome.failure else None
            assert (outcome.state.value, outcome.result, fault) == (call.state, call.result, call.fault)

    @outside
    @invariant()
    def rows_and_histories_are_as_the_rules_say(self) -> None:
        calls, history = self.house.calls(), self.house.history()
        check_laws(calls, history)
        for id, call in self.rules.calls.items():
            seen = calls[id]
            worker = call.worker if call.state == "running" else seen.worker
            assert (seen.state, seen.attempt, seen.worker) == (call.state, call.attempt, worker)
        for run, lines in self.rules.history.items():
            said = [_line(type, id, data) for _, type, id, data in history[run] if type != BESIDE]
            ours = [line for line in lines if self.house.whole or not line[0].startswith("run.")]
            assert _by_call(said) == _by_call(ours)
        self.house.check(self.rules)

    @outside
    @invariant()
    def whoever_has_to_know_was_told(self) -> None:
        for id in self.rules.ring - set(self.house.bells):
            # A run has some bells out at a time, never less than this; who is taken rings for the others.
            assert self.rules.calls[id].state != "queued" or self._crowd(id) > FEWEST_OUT
        assert self.rules.wake <= set(self.house.mail)
        self.rules.pausing -= set(self.house.bells)  # chance let some be due early
        for told in (self.rules.ring, self.rules.wake, self.house.bells, self.house.mail):
            told.clear()

    def _hear_pauses_end(self) -> None:
        """Second tries are rung in time, or by others of their run that are taken."""
        due = self.rules.due_after_a_pause()
        assert not [id for id in due - set(self.house.bells) if not self._crowd(id)]
        self.rules.pausing -= due

    def _crowd(self, id: UUID) -> int:
        """How many other calls of its run wait to be taken; none of them matters where nothing is held back."""
        run = self.rules.calls[id].run
        others = [call for call in self.rules.calls.values() if call.run == run and call.id != id]
        return sum(call.state == "queued" for call in others) if self.house.whole else 0

    def _tick(self, by: int = 1) -> None:
        self.rules.now += by
        self.house.at(self.rules.now)

    def _do(self, name: str, **given: Any) -> Any:
        if self.before is not None:
            return getattr(self.house.store, name)(**given)
        with self.house.store.atomic():
            return getattr(self.house.store, name)(**given)

    def commit(self) -> None:
        self.before = None
        self.batch.close()

    def break_off(self) -> None:
        self.rules, self.before = self.before, None
        del self.fences[self.granted :]
        with contextlib.suppress(ZeroDivisionError), self.batch:
            raise ZeroDivisionError

    def _join(self, slot: str) -> None:
        name = f"{slot}-{len(self.rules.workers)}"
        worker = WorkerIdentity(
            name=name, slot=slot, host="here", pid=os.getpid(), hardware="cpu", queues=("cpu",)
        )
        self._do("join", worker=worker)
        self.rules.join(name, slot)
        self.workers.append(worker)

    def _open(self, parent: Fence, id: UUID, kind: str) -> None:
        self.focus = parent.invocation_id
        chainlet = f"{kind}-{self.mark}"
        call = NewCall(
            id=id,
            chain="hello",
            chainlet=chainlet,
            queue="cpu",
            input={"id": str(id)},
            input_hash="0" * 64,
            occurrence=0,
            max_attempts=1 if kind == "once" else 3,
            timeout_s=60.0,
            fleet_limit=1 if kind == "limited" else None,
        )
        if not self._owned(parent):
            with contextlib.suppress(FenceLostError):
                self._do("open_call", parent=parent, call=call)
                raise AssertionError("a call was made by whoever had lost the right to make it")
            return
        outcome = self._do("open_call", parent=parent, call=call)
        made = self.rules.open_call(
            parent.invocation_id,
            Call(
                id=id,
                run=self.rules.calls[parent.invocation_id].run,
                parent=parent.invocation_id,
                chainlet=chainlet,
                tries=call.max_attempts,
                limit=call.fleet_limit,
            ),
        )
        assert (outcome.state.value, outcome.result) == (made.state, made.result)

    @property
    def _closeness(self) -> int:
        """How often of four times the same call is acted on again. Within a transaction it is what tells."""
        return 1 if self.before is None else 3

    def _owned(self, fence: Fence) -> bool:
        return self.rules.owns(fence.invocation_id, fence.attempt)

    def _fence(self, which: int, *, ending: bool = False) -> Fence | None:
        """One that holds, as a rule; now and then any that was ever granted, for zombies write too.

        Roots end seldom, for with them ends everything.
        """
        live = [fence for fence in self.fences if self._owned(fence)]
        if ending and which % 8:
            live = [fence for fence in live if self.rules.calls[fence.invocation_id].parent]
        focused = [fence for fence in live if fence.invocation_id == self.focus]
        if focused and which // 8 % 4 < self._closeness:
            return focused[0]
        among = self.fences if which // 32 % 6 == 5 else live
        return _one(among, which // 192) if among else None


def _one(among: list[Any], which: int) -> Any:
    return among[which % len(among)]


def _line(type: str, id: UUID | None, data: Mapping[str, Any]) -> Line:
    attempt = data.get("attempt") if type.startswith("invocation.") else None
    again = data["retry_in"] is not None if "retry_in" in data else None
    return type, id, attempt, data.get("reason", again)


def _by_call(lines: list[Line]) -> dict[UUID | None, list[Line]]:
    """What is said of one call has an order; calls that end together end in any."""
    found: defaultdict[UUID | None, list[Line]] = defaultdict(list)
    for line in lines:
        found[line[1]].append(line)
    return dict(found)
