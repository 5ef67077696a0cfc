"""Calls of services elsewhere under way: their time, their turns and their streams."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import chainlets as chains
from tests.unit.sdk.remote_service import (
    KEY,
    LLM,
    OddError,
    error_both_ways,
    options,
    remote_error,
    until,
)


@pytest.fixture
def gate(service):
    """Answers only once the gate is open."""
    gate = threading.Event()

    def answer(_):
        gate.wait(5)
        return b"1"

    service.answer = answer
    yield gate
    gate.set()


async def test_time_is_limited_for_each_attempt(service, gate, no_pauses):
    stub = LLM.from_url(service.url, options=options(retries=2, timeout_sec=0.12))
    started = time.monotonic()

    error = await error_both_ways(stub)

    assert type(error) is TimeoutError
    assert str(error) == "Timeout calling remote Chainlet `LLM` (0.12 seconds limit)."
    assert len(service.requests) == 4
    assert 4 * 0.12 <= time.monotonic() - started < 2


async def test_a_service_that_answers_drop_by_drop_runs_out_of_time_too(service):
    def drops():
        for _ in range(100):
            time.sleep(0.03)
            yield b"x"

    service.answer = lambda _: drops()
    started = time.monotonic()

    error = await error_both_ways(LLM.from_url(service.url, options=options(timeout_sec=0.1)))

    assert type(error) is TimeoutError
    assert time.monotonic() - started < 1.5


async def test_the_bound_on_calls_under_way_holds_for_threads_and_loops_together(service):
    stub = LLM.from_url(service.url, options=options(concurrency_limit=3))

    def answer(_):
        time.sleep(0.02)
        return b"1"

    service.answer = answer
    with ThreadPoolExecutor(8) as threads:
        sync = [asyncio.wrap_future(threads.submit(stub.predict_sync, {})) for _ in range(8)]
        loops = [asyncio.wrap_future(threads.submit(asyncio.run, stub.predict_async({}))) for _ in range(8)]
        here = [stub.predict_async({}) for _ in range(8)]
        assert await asyncio.gather(*sync, *loops, *here) == [1] * 24
    assert service.most_under_way == 3


async def test_a_caller_that_stops_waiting_for_its_turn_takes_none(service, gate):
    stub = LLM.from_url(service.url, options=options(concurrency_limit=1))
    first, second, third = (asyncio.create_task(stub.predict_async({})) for _ in range(3))
    await asyncio.to_thread(until, lambda: service.under_way == 1)
    second.cancel()
    gate.set()

    assert await asyncio.wait_for(asyncio.gather(first, third), 5) == [1, 1]
    assert len(service.requests) == 2
    assert await stub.predict_async({}) == 1


async def test_a_turn_that_comes_at_the_moment_of_a_cancel_is_passed_on(service, gate):
    stub = LLM.from_url(service.url, options=options(concurrency_limit=1))
    first = asyncio.create_task(stub.predict_async({}))
    await asyncio.to_thread(until, lambda: service.under_way == 1)
    second, third = (asyncio.create_task(stub.predict_async({})) for _ in range(2))
    await asyncio.sleep(0)
    first.add_done_callback(lambda _: second.cancel())
    gate.set()

    assert await asyncio.wait_for(asyncio.gather(first, third), 5) == [1, 1]


async def test_a_sync_call_on_a_loop_does_not_wait_for_calls_that_the_loop_has_under_way(service, gate):
    stub = LLM.from_url(service.url, options=options(concurrency_limit=1))
    under_way = asyncio.create_task(stub.predict_async({}))
    await asyncio.to_thread(until, lambda: service.under_way == 1)
    waiting = asyncio.create_task(stub.predict_async({}))
    await asyncio.sleep(0)
    threading.Timer(0.05, gate.set).start()

    assert stub.predict_sync({}) == 1
    assert await asyncio.wait_for(asyncio.gather(under_way, waiting), 5) == [1, 1]


async def test_a_cancelled_call_drops_its_connection_and_frees_its_turn(service, gate):
    stub = LLM.from_url(service.url, options=options(concurrency_limit=1))
    call = asyncio.create_task(stub.predict_async({}))
    await asyncio.to_thread(until, lambda: service.under_way == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    gate.set()

    assert await asyncio.wait_for(stub.predict_async({}), 5) == 1


async def test_the_pieces_of_a_stream_come_as_they_are_sent(service):
    taken = threading.Semaphore(0)

    def pieces():
        for piece in (b"one", b"\xff\x00", b"three"):
            yield piece
            taken.acquire(timeout=5)

    service.answer = lambda _: pieces()
    stub = LLM.from_url(service.url, KEY)

    seen = []
    async for piece in await stub.predict_async_stream({"n": 1}):
        seen.append(piece)
        taken.release()

    assert seen == [b"one", b"\xff\x00", b"three"]
    _, headers, body = service.requests[0]
    assert headers["authorization"] == f"Api-Key {KEY}"
    assert json.loads(body) == {"n": 1}


async def test_a_stream_is_tried_again_only_until_it_has_begun(service, no_pauses):
    stub = LLM.from_url(service.url, options=options(retries=3))

    def broken():
        yield b"first"
        raise StopAsyncIteration

    service.answer = lambda number: (503, b"busy") if number < 2 else broken()
    stream = await stub.predict_async_stream({})
    assert len(service.requests) == 3
    assert await anext(stream) == b"first"
    with pytest.raises(chains.CallError, match=r"call of `LLM` at .* failed on the way"):
        await anext(stream)
    assert len(service.requests) == 3


@pytest.mark.parametrize(("name", "kind"), [("OddError", OddError), ("TimeoutError", TimeoutError)])
async def test_a_stream_that_cannot_begin_raises_what_the_service_says(service, name, kind):
    module = OddError.__module__ if kind is OddError else "builtins"
    service.answer = lambda _: (500, remote_error(name, module, "said there"))
    with pytest.raises(kind, match="said there"):
        await LLM.from_url(service.url).predict_async_stream({})


async def test_a_stream_that_stalls_runs_out_of_time(service):
    go_on = threading.Event()

    def stalls():
        yield b"first"
        go_on.wait(20)

    service.answer = lambda _: stalls()
    stream = await LLM.from_url(service.url, options=options(timeout_sec=1.5)).predict_async_stream({})
    assert await anext(stream) == b"first"
    with pytest.raises(TimeoutError, match=r"`LLM` \(1.5 seconds limit\)"):
        await anext(stream)
    go_on.set()


@pytest.mark.parametrize("read_some", [True, False])
async def test_a_stream_holds_its_turn_until_it_is_dropped(service, read_some):
    go_on = threading.Event()

    def endless():
        while not go_on.is_set():
            yield b"x" * 1000
            time.sleep(0.001)

    stub = LLM.from_url(service.url, options=options(concurrency_limit=1))
    service.answer = lambda number: endless() if number == 0 else b"1"
    stream = await stub.predict_async_stream({})
    if read_some:
        async for _ in stream:
            break
    waiting = asyncio.create_task(stub.predict_async({}))
    await asyncio.sleep(0.05)
    assert len(service.requests) == 1

    del stream
    assert await asyncio.wait_for(waiting, 5) == 1
    await asyncio.to_thread(until, lambda: service.under_way == 0)
    go_on.set()
