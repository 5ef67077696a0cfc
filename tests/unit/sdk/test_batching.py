"""Batches: calls that come together are one call, and no caller can spoil it for the others."""

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import chain

import pytest

import chainlets as chains
from chainlets.batching import batched
from chainlets.context import current_call


class Doubler(chains.ChainletBase):
    """Doubles, and remembers what it was called with. Negative numbers are refused."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.loops: list[asyncio.AbstractEventLoop] = []
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    async def run_remote(self, number: int) -> int:
        return await self._double(number)

    @batched(max_size=4, max_wait_ms=30)
    async def _double(self, numbers: list[int]) -> list[int]:
        """Twice each."""
        self.loops.append(asyncio.get_running_loop())
        self.calls.append(list(numbers))
        self.started.set()
        while not self.go_on.is_set():
            await asyncio.sleep(0.005)
        if min(numbers) < 0:
            raise ValueError(f"{min(numbers)} is negative")
        return [2 * number for number in numbers]

    @batched(max_size=4, max_wait_ms=30)
    def _double_sync(self, numbers: list[int]) -> list[int]:
        self.calls.append(list(numbers))
        if min(numbers) < 0:
            raise ValueError(f"{min(numbers)} is negative")
        return [2 * number for number in numbers]

    @batched(max_size=100, max_wait_ms=0)
    async def _double_at_once(self, numbers: list[int]) -> list[int]:
        self.calls.append(list(numbers))
        return [2 * number for number in numbers]


class Patient(Doubler):
    """Starts full batches only, within the time of a test."""

    _double = batched(max_size=4, max_wait_ms=60_000)(Doubler._double.__wrapped__)


@contextlib.contextmanager
def a_loop_elsewhere():
    """An event loop on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


async def test_concurrent_calls_become_one_and_each_gets_its_own_answer():
    doubler = Doubler()

    assert await asyncio.gather(*(doubler.run_remote(n) for n in range(3))) == [0, 2, 4]
    assert doubler.calls == [[0, 1, 2]]


async def test_a_full_batch_starts_at_once():
    patient = Patient()

    async with asyncio.timeout(5):
        assert await asyncio.gather(*(patient.run_remote(n) for n in range(8))) == [2 * n for n in range(8)]
    assert patient.calls == [[0, 1, 2, 3], [4, 5, 6, 7]]


async def test_a_batch_that_is_not_full_starts_when_the_time_since_its_first_item_is_over():
    class Slow(Doubler):
        _double = batched(max_size=4, max_wait_ms=300)(Doubler._double.__wrapped__)

    slow = Slow()
    started = time.monotonic()
    first = asyncio.create_task(slow.run_remote(1))
    await asyncio.sleep(0.2)

    assert await slow.run_remote(2) == 4
    assert 0.29 <= time.monotonic() - started < 0.49
    assert await first == 2
    assert slow.calls == [[1, 2]]


async def test_without_a_wait_the_calls_of_one_turn_of_the_loop_still_come_together():
    doubler = Doubler()

    await asyncio.gather(*(doubler._double_at_once(n) for n in range(50)))

    assert doubler.calls == [list(range(50))]


async def test_the_next_batch_fills_and_runs_while_one_is_under_way():
    doubler = Doubler()
    doubler.go_on.clear()
    tasks = [asyncio.create_task(doubler.run_remote(n)) for n in range(8)]

    await until(lambda: len(doubler.calls) == 2)
    doubler.go_on.set()

    assert await asyncio.gather(*tasks) == [2 * n for n in range(8)]


async def test_each_instance_has_its_own_batches():
    one, other = Doubler(), Doubler()

    await asyncio.gather(one.run_remote(1), other.run_remote(2))

    assert (one.calls, other.calls) == ([[1]], [[2]])


async def test_an_override_may_call_the_batched_method_it_overrides():
    class Tenfold(Doubler):
        @batched(max_size=2, max_wait_ms=10)
        async def _double(self, numbers: list[int]) -> list[int]:
            return await asyncio.gather(*(super(Tenfold, self)._double(5 * n) for n in numbers))

    tenfold = Tenfold()

    assert await asyncio.gather(*(tenfold.run_remote(n) for n in range(4))) == [0, 10, 20, 30]
    assert tenfold.calls == [[0, 5, 10, 15]]


async def test_what_the_method_raises_reaches_every_caller():
    doubler = Doubler()

    outcomes = await asyncio.gather(*(doubler.run_remote(n) for n in (1, -2)), return_exceptions=True)

    assert [(type(o), str(o)) for o in outcomes] == [(ValueError, "-2 is negative")] * 2
    assert await doubler.run_remote(3) == 6


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ([1], "returned 1 results"),
        ([1, 2, 3], "returned 3 results"),
        (None, "returned a NoneType"),
        ("ab", "returned a str"),
        ({1: 1, 2: 2}, "returned a dict"),
    ],
)
async def test_a_wrong_number_of_results_names_the_method_and_what_to_return(returned, told):
    class Careless:
        @batched(max_size=2, max_wait_ms=1000)
        async def _encode(self, texts: list[str]) -> list[int]:
            return returned

    careless = Careless()
    outcomes = await asyncio.gather(careless._encode("a"), careless._encode("b"), return_exceptions=True)

    for outcome in outcomes:
        assert isinstance(outcome, chains.ChainsRuntimeError)
        assert f"Careless._encode` is batched: it was called with 2 items and {told}" in str(outcome)
        assert "Return a list with one result for each item" in str(outcome)


async def test_results_may_come_as_any_sequence():
    class Pairs:
        @batched(max_size=2, max_wait_ms=1000)
        async def _pair(self, numbers: list[int]) -> tuple[int, ...]:
            return tuple(numbers)

    pairs = Pairs()
    assert await asyncio.gather(pairs._pair(1), pairs._pair(2)) == [1, 2]


async def test_a_caller_that_gives_up_before_the_start_takes_its_item_with_it():
    doubler = Doubler()
    first, second = (asyncio.create_task(doubler.run_remote(n)) for n in (1, 2))
    await asyncio.sleep(0)
    first.cancel()

    assert await second == 4
    assert first.cancelled()
    assert doubler.calls == [[2]]


async def test_a_caller_that_gives_up_leaves_no_batch_for_those_who_come_later():
    doubler = Doubler()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(doubler.run_remote(1), 0.005)
    started = time.monotonic()

    assert await doubler.run_remote(2) == 4
    assert time.monotonic() - started >= 0.029
    assert doubler.calls == [[2]]


@pytest.mark.parametrize("leaves", range(4))
async def test_whoever_gives_up_while_the_batch_runs_the_others_get_their_answers(leaves):
    doubler = Doubler()
    doubler.go_on.clear()
    tasks = [asyncio.create_task(doubler.run_remote(n)) for n in range(4)]
    await until(doubler.started.is_set)
    tasks[leaves].cancel()
    await asyncio.sleep(0)
    doubler.go_on.set()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(outcomes.pop(leaves), asyncio.CancelledError)
    assert outcomes == [2 * n for n in range(4) if n != leaves]
    assert doubler.calls == [[0, 1, 2, 3]]


async def test_a_running_batch_that_nobody_waits_for_any_more_is_cancelled():
    doubler = Doubler()
    doubler.go_on.clear()
    tasks = [asyncio.create_task(doubler.run_remote(n)) for n in range(4)]
    await until(doubler.started.is_set)
    for task in tasks:
        task.cancel()

    await asyncio.wait(tasks)
    await until(lambda: len(asyncio.all_tasks()) == 1)
    doubler.go_on.set()
    assert await doubler.run_remote(5) == 10


async def test_a_method_that_cancels_itself_cancels_its_callers():
    class Quitter:
        @batched(max_size=2, max_wait_ms=1000)
        async def _quit(self, items: list[int]) -> list[int]:
            raise asyncio.CancelledError

    quitter = Quitter()
    outcomes = await asyncio.gather(quitter._quit(1), quitter._quit(2), return_exceptions=True)

    assert [type(o) for o in outcomes] == [asyncio.CancelledError] * 2


async def test_callers_on_different_loops_share_a_batch():
    patient = Patient()
    with a_loop_elsewhere() as elsewhere:
        far = asyncio.run_coroutine_threadsafe(patient.run_remote(1), elsewhere)
        near = await asyncio.gather(*(patient.run_remote(n) for n in (2, 3, 4)))
        assert [await asyncio.wrap_future(far), *near] == [2, 4, 6, 8]
    assert [sorted(call) for call in patient.calls] == [[1, 2, 3, 4]]


async def test_a_blocked_loop_holds_up_nobody_on_another_one():
    doubler = Doubler()
    joined, unblock = threading.Event(), threading.Event()

    async def joins_and_blocks() -> int:
        call = asyncio.ensure_future(doubler.run_remote(1))
        await asyncio.sleep(0)
        joined.set()
        unblock.wait(5)
        return await call

    with a_loop_elsewhere() as elsewhere:
        far = asyncio.run_coroutine_threadsafe(joins_and_blocks(), elsewhere)
        joined.wait(5)
        assert await asyncio.wait_for(doubler.run_remote(2), 2) == 4
        unblock.set()
        assert await asyncio.wrap_future(far) == 2


async def test_a_loop_that_ends_under_a_batch_leaves_it_to_another_one():
    patient = Patient()
    patient.go_on.clear()
    ours = asyncio.create_task(patient.run_remote(0))
    await asyncio.sleep(0)

    async def fills_the_batch_and_ends() -> None:
        calls = [asyncio.create_task(patient.run_remote(n)) for n in (1, 2, 3)]
        await until(patient.started.is_set)
        assert not any(call.done() for call in calls)

    await asyncio.to_thread(asyncio.run, fills_the_batch_and_ends())
    patient.go_on.set()

    assert await asyncio.wait_for(ours, 5) == 0
    assert len(patient.calls) == 2
    assert patient.loops[0] is not asyncio.get_running_loop()
    assert patient.loops[1] is asyncio.get_running_loop()


async def test_a_batch_that_is_stopped_before_its_first_step_is_left_to_another_loop():
    patient = Patient()
    ours = asyncio.create_task(patient.run_remote(0))
    await asyncio.sleep(0)

    async def fills_the_batch_and_ends_at_once() -> None:
        calls = [patient.run_remote(n) for n in (1, 2, 3)]
        for call in calls:
            call.send(None)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        for call in calls:
            call.close()

    await asyncio.to_thread(asyncio.run, fills_the_batch_and_ends_at_once())

    assert await asyncio.wait_for(ours, 5) == 0
    assert patient.calls == [[0]]
    assert patient.loops == [asyncio.get_running_loop()]


async def test_a_batch_stopped_from_outside_leaves_no_caller_waiting():
    patient = Patient()
    patient.go_on.clear()
    calls = [asyncio.create_task(patient.run_remote(n)) for n in range(4)]
    await until(patient.started.is_set)
    for task in asyncio.all_tasks() - {asyncio.current_task(), *calls}:
        task.cancel()

    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 4


def test_a_batch_that_ends_the_process_is_not_held_up():
    class Exits:
        @batched(max_size=2, max_wait_ms=1)
        async def _exit(self, codes: list[int]) -> list[int]:
            raise SystemExit(codes[0])

    with pytest.raises(SystemExit):
        asyncio.run(Exits()._exit(3))


def test_a_loop_that_ends_alone_ends_its_batch():
    patient = Patient()
    patient.go_on.clear()

    async def fills_the_batch_and_ends() -> None:
        calls = [asyncio.create_task(patient.run_remote(n)) for n in range(4)]
        await until(patient.started.is_set)
        assert not any(call.done() for call in calls)

    asyncio.run(fills_the_batch_and_ends())
    patient.go_on.set()

    assert len(patient.calls) == 1


async def test_a_full_batch_whose_callers_all_leave_before_it_begins_is_not_run():
    patient = Patient()
    calls = [patient.run_remote(n) for n in range(4)]
    for call in calls:
        call.send(None)
    for call in calls:
        call.close()

    await until(lambda: len(asyncio.all_tasks()) == 1)

    assert patient.calls == []


def test_threads_that_block_share_a_batch_too():
    doubler = Doubler()
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(doubler._double_sync, range(4))) == [0, 2, 4, 6]
        assert sorted(doubler.calls.pop()) == [0, 1, 2, 3]
        assert list(threads.map(doubler._double_sync, range(2))) == [0, 2]
        assert sorted(doubler.calls.pop()) == [0, 1]
        outcomes = [threads.submit(doubler._double_sync, n) for n in (1, -1)]
        wait(outcomes)
        assert [str(outcome.exception()) for outcome in outcomes] == ["-1 is negative"] * 2


def test_many_threads_and_loops_get_every_answer_exactly_once():
    doubler = Doubler()

    async def calls(numbers: range) -> list[int]:
        return await asyncio.gather(*(doubler.run_remote(n) for n in numbers))

    def loop_of_its_own(start: int) -> list[int]:
        return asyncio.run(calls(range(start, start + 100)))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(loop_of_its_own, range(0, 800, 100)))
        sync = list(threads.map(doubler._double_sync, range(800, 1000)))

    assert [*chain.from_iterable(answers), *sync] == [2 * n for n in range(1000)]
    assert sorted(chain.from_iterable(doubler.calls)) == list(range(1000))
    assert max(map(len, doubler.calls)) <= 4


class _Watched:
    def __init__(self):
        self.shown = []

    def emit(self, data):
        self.shown.append(data)


async def test_what_a_batch_says_is_ascribed_to_no_caller():
    class Talker:
        @batched(max_size=2, max_wait_ms=5)
        async def _say(self, words: list[str]) -> list[bool]:
            chains.emit({"words": words})
            return [current_call.get() is None for _ in words]

        @batched(max_size=2, max_wait_ms=5)
        def _say_sync(self, words: list[str]) -> list[bool]:
            chains.emit({"words": words})
            return [current_call.get() is None for _ in words]

    watched = _Watched()
    token = current_call.set(watched)
    try:
        talker = Talker()
        assert await asyncio.gather(talker._say("a"), talker._say("b")) == [True, True]
        assert await talker._say("alone")
        assert await chains.offload(talker._say_sync, "c")
        assert current_call.get() is watched
    finally:
        current_call.reset(token)
    assert watched.shown == []


async def test_an_idle_instance_runs_nothing_and_can_be_collected():
    gc.freeze()  # what other tests have left need not be looked through
    before = threading.active_count()
    doubler = Doubler()
    await asyncio.gather(*(doubler.run_remote(n) for n in (1, 2, -3)), return_exceptions=True)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(doubler.run_remote(1), 0.001)
    doubler._double_sync(1)

    assert len(asyncio.all_tasks()) == 1
    assert threading.active_count() == before
    gone = weakref.ref(doubler)
    del doubler
    await asyncio.sleep(0)  # the loop holds what woke this task until the next turn
    gc.collect()
    gc.unfreeze()
    assert gone() is None


def test_numbers_out_of_range_are_refused_where_they_are_written():
    with pytest.raises(chains.ChainsUsageError, match=r"max_size=0\)` cannot hold an item"):
        batched(max_size=0, max_wait_ms=1)
    for wrong in (-1, float("inf"), float("nan")):
        with pytest.raises(chains.ChainsUsageError, match="is no time to wait"):
            batched(max_size=1, max_wait_ms=wrong)


def test_a_method_that_cannot_be_batched_is_refused_by_name_with_the_right_form():
    batch = batched(max_size=2, max_wait_ms=1)

    def _none(self): ...
    def _two(self, items, more): ...
    def _rest(self, *items): ...
    def _keyword(self, *, items): ...
    async def run_remote(self, items): ...

    for wrong in (_none, _two, _rest, _keyword):
        with pytest.raises(
            chains.ChainsUsageError, match=rf"{wrong.__name__}` is batched, so it takes exactly one"
        ):
            batch(wrong)
    with pytest.raises(chains.ChainsUsageError, match="run_remote` cannot be batched itself"):
        batch(run_remote)
    with pytest.raises(chains.ChainsUsageError, match="which is no method"):
        batch(staticmethod(_two))


def test_the_method_keeps_its_name_and_docstring():
    assert Doubler._double.__name__ == "_double"
    assert Doubler._double.__doc__ == "Twice each."
