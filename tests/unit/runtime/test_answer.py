"""An answer comes once, whoever brings it and wherever it is waited for."""

import asyncio
import threading
from uuid import uuid4

import pytest

from chainlets.runtime.answer import Answer
from chainlets.runtime.store import Outcome, State

SEVEN = Outcome(id=uuid4(), state=State.SUCCEEDED, result=7)


def test_the_first_answer_stands_and_its_end_is_told_once():
    ended = []
    answer = Answer(on_end=ended.append)

    answer.settle(SEVEN)
    answer.fail(ValueError("too late"))
    answer.cancel()

    assert (answer.outcome(), ended) == (SEVEN, [answer])


def test_whoever_listens_late_hears_at_once():
    answer, heard = Answer(), []
    answer.settle(SEVEN)

    answer.listen(lambda: heard.append("now"))

    assert heard == ["now"]


def test_a_listener_that_fails_harms_nobody_who_brings_answers(caplog):
    answer = Answer()
    answer.listen(lambda: 1 / 0)

    answer.settle(SEVEN)

    assert answer.outcome() == SEVEN
    assert "What follows an answer failed" in caplog.text


def test_a_thread_waits_and_no_longer_than_it_likes():
    answer = Answer()
    with pytest.raises(TimeoutError):
        answer.wait(0.01)

    threading.Timer(0.05, answer.settle, (SEVEN,)).start()

    assert answer.wait(5) == SEVEN


def test_a_cancellation_reaches_the_thread_that_waits():
    answer = Answer()
    threading.Timer(0.05, answer.cancel).start()

    with pytest.raises(asyncio.CancelledError):
        answer.wait(5)


async def test_a_loop_waits_for_what_another_thread_brings():
    answer, failed = Answer(), Answer()
    threading.Timer(0.05, lambda: (answer.settle(SEVEN), failed.fail(LookupError("gone")))).start()

    assert await answer.landed() == SEVEN
    with pytest.raises(LookupError, match="gone"):
        await failed.landed()


async def test_whoever_stops_waiting_on_a_loop_is_not_woken():
    answer = Answer()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await answer.landed()

    answer.settle(SEVEN)
    await asyncio.sleep(0.05)

    assert answer.outcome() == SEVEN
