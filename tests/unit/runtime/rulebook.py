"""The rules of runs and calls, in dictionaries: what every store of runs has to agree with.

Written from the promises and not from a store's code, without a thought for speed. Times are whole
milliseconds, so that no store may round them.
"""

from dataclasses import dataclass, field
from uuid import UUID

DEATHS, DEATHS_WHILE_WAITING = 3, 10
FIRST_PAUSE, LONGEST_PAUSE = 500, 30_000
ENDS = ("succeeded", "failed", "cancelled")

# A line of history: type, invocation, and of its data the attempt, and why or whether it is tried again.
Line = tuple[str, UUID | None, int | None, object]


@dataclass(kw_only=True)
class Call:
    """An invocation.

    Attributes:
        made_in: the round of its caller that it was made in.
        asked_by: the attempt of its caller that made it, or joined it, last.
        due: the earliest and the latest moment from which it may be taken; chance decides between.
    """

    id: UUID
    run: UUID
    parent: UUID | None
    chainlet: str
    tries: int
    limit: int | None = None
    made_in: int = 0
    asked_by: int = 0
    state: str = "queued"
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    waiting: bool = False
    round: int = 0
    worker: str = ""
    lease: int = 0
    due: tuple[int, int] = (0, 0)
    result: str | None = None
    fault: str | None = None

    @property
    def open(self) -> bool:
        return self.state not in ENDS


@dataclass(kw_only=True)
class Run:
    root: UUID
    state: str = "queued"
    warnings: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Worker:
    slot: str
    beat: int
    state: str = "live"
    dead: bool = False


@dataclass
class Rulebook:
    """What is so by the rules.

    Attributes:
        lease: for how long a worker holds a call without a sign of life.
        silence: after how long without one it counts as lost.
        ring, wake: what has to be told since they were last emptied.
    """

    lease: int = 10_000
    silence: int = 10_000
    now: int = 0
    runs: dict[UUID, Run] = field(default_factory=dict)
    calls: dict[UUID, Call] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    history: dict[UUID, list[Line]] = field(default_factory=dict)
    pausing: set[UUID] = field(default_factory=set)
    ring: set[UUID] = field(default_factory=set)
    wake: set[UUID] = field(default_factory=set)

    def start_run(self, run: UUID, root: UUID, chainlet: str) -> None:
        self.runs[run] = Run(root=root)
        self.history[run] = [("run.created", None, None, None)]
        self._new(Call(id=root, run=run, parent=None, chainlet=chainlet, tries=1))

    def owns(self, id: UUID, attempt: int) -> bool:
        call = self.calls[id]
        return call.state == "running" and call.attempt == attempt

    def may_claim(self, id: UUID) -> bool | None:
        """Whether it can be taken; None while its pause may be over or not."""
        call = self.calls[id]
        kin = [other for other in self.calls.values() if other.chainlet == call.chainlet]
        full = call.limit is not None and sum(c.state == "running" for c in kin) >= call.limit
        earliest, latest = call.due
        if call.state != "queued" or full or self.now < earliest:
            return False
        return True if self.now >= latest else None

    def claim(self, id: UUID, worker: str) -> None:
        call = self.calls[id]
        call.state, call.worker, call.attempt = "running", worker, call.attempt + 1
        call.lease, call.waiting, call.fault = self.now + self.lease, False, None
        self.pausing.discard(id)
        run = self.runs[call.run]
        if call.parent is None and run.state == "queued":
            run.state = "running"
            self._say_of_run(call.run, "started")
        self._say(call, "started")

    def open_call(self, parent: UUID, call: Call) -> Call:
        """Make a call, or find it made; the caller owns its own."""
        caller, found = self.calls[parent], self.calls.get(call.id)
        if found is None:
            call.made_in, call.asked_by = caller.round, caller.attempt
            return self._new(call)
        found.asked_by = caller.attempt
        if found.state == "succeeded":
            self._say(found, "kept")
        elif found.state == "cancelled" or (found.state == "failed" and found.made_in != caller.round):
            found.tries, found.made_in = call.tries, caller.round
            self._again(found)
        return found

    def succeed(self, id: UUID, result: str) -> None:
        call = self.calls[id]
        call.state, call.result = "succeeded", result
        self._say(call, "succeeded")
        self._ended(call)

    def fail(self, id: UUID, *, fault: str, hopeless: bool) -> None:
        call = self.calls[id]
        call.failures += 1
        if hopeless or call.failures >= call.tries:
            self._give_up(call, fault)
            return
        pause = min(FIRST_PAUSE * 2 ** (call.failures - 1), LONGEST_PAUSE)
        call.round += 1
        self._queue(call, pause=pause)
        self._say(call, "failed", why=True)

    def hand_back(self, id: UUID) -> None:
        call = self.calls[id]
        self._queue(call)
        self._say(call, "requeued", why="handed_back")

    def wait(self, id: UUID) -> None:
        self.calls[id].waiting = True
        self._say(self.calls[id], "waiting")

    def say(self, id: UUID, type: str, message: str) -> None:
        """What the author's code says; a person is warned of the same thing once."""
        call = self.calls[id]
        warnings = self.runs[call.run].warnings
        if type == "warning":
            if message in warnings:
                return
            warnings.append(message)
        self.history[call.run].append((type, id, None, None))

    def cancel(self, id: UUID) -> None:
        """End a call that is wanted no more, and all below it."""
        call = self.calls[id]
        if not call.open:
            return
        if call.state == "running":
            self.wake.add(id)
        call.state, call.fault = "cancelled", "CallCancelled"
        self._say(call, "cancelled")
        self._ended(call)

    def take_back(self) -> None:
        """What nobody has shown signs of life for goes to somebody else, or is given up."""
        for call in list(self.calls.values()):
            if call.state != "running" or call.lease >= self.now:
                continue
            call.deaths += 1
            if call.deaths >= (DEATHS_WHILE_WAITING if call.waiting else DEATHS):
                self._give_up(call, "WorkerLost", why="worker_lost")
            else:
                self._queue(call)
                self._say(call, "requeued", why="worker_lost")
        for worker in self.workers.values():
            if worker.state == "live" and worker.beat < self.now - self.silence:
                worker.state = "lost"

    def join(self, name: str, slot: str) -> None:
        """A worker comes; what a dead one held in its place is free at once."""
        for before, worker in self.workers.items():
            if worker.slot == slot and worker.dead and worker.state == "live":
                worker.state = "lost"
                for call in self.held_by(before):
                    call.lease = self.now
        self.workers[name] = Worker(slot=slot, beat=self.now)

    def renew(self, name: str) -> set[UUID]:
        self.workers[name].beat, self.workers[name].state = self.now, "live"
        held = self.held_by(name)
        for call in held:
            call.lease = self.now + self.lease
        return {call.id for call in held}

    def held_by(self, worker: str) -> list[Call]:
        return [call for call in self.calls.values() if call.state == "running" and call.worker == worker]

    def cancel_run(self, run: UUID) -> bool:
        if self.runs[run].state in ENDS:
            return False
        self.runs[run].state = "cancelled"
        self.cancel(self.runs[run].root)
        self._say_of_run(run, "cancelled")
        return True

    def resume_run(self, run: UUID) -> bool:
        if self.runs[run].state not in ("failed", "cancelled"):
            return False
        self.runs[run].state = "queued"
        self._say_of_run(run, "resumed")
        self._again(self.calls[self.runs[run].root])
        return True

    def due_after_a_pause(self) -> set[UUID]:
        return {
            id
            for id in self.pausing
            if self.calls[id].state == "queued" and self.calls[id].due[1] <= self.now
        }

    def _new(self, call: Call) -> Call:
        self.calls[call.id] = call
        call.due = (self.now, self.now)
        self._say(call, "queued")
        self.ring.add(call.id)
        return call

    def _queue(self, call: Call, *, pause: int = 0) -> None:
        call.state, call.worker, call.waiting = "queued", "", False
        call.due = (self.now + pause // 2, self.now + pause)
        if pause:
            self.pausing.add(call.id)
        else:
            self.ring.add(call.id)

    def _again(self, call: Call) -> None:
        """A call that had ended is made anew, with all its tries."""
        call.failures = call.deaths = 0
        call.fault, call.round = None, call.round + 1
        self._queue(call)
        self._say(call, "requeued", why="resumed")

    def _give_up(self, call: Call, fault: str, *, why: object = False) -> None:
        call.state, call.fault = "failed", fault
        self._say(call, "failed", why=why)
        self._ended(call)

    def _ended(self, call: Call) -> None:
        """Its caller hears of it, and what it called and left is of no use to anybody."""
        call.waiting = False
        caller = self.calls.get(call.parent) if call.parent is not None else None
        if call.state != "cancelled" and caller is not None and self.owns(caller.id, call.asked_by):
            self.wake.add(call.id)  # another attempt that has not asked yet will be told when it does
        for child in [other for other in self.calls.values() if other.parent == call.id]:
            self.cancel(child.id)
        if call.parent is None and call.state != "cancelled":
            self.runs[call.run].state = call.state
            self._say_of_run(call.run, call.state)

    def _say(self, call: Call, step: str, *, why: object = None) -> None:
        attempt = None if step == "kept" else call.attempt
        self.history[call.run].append((f"invocation.{step}", call.id, attempt, why))

    def _say_of_run(self, run: UUID, step: str) -> None:
        self.history[run].append((f"run.{step}", None, None, None))
