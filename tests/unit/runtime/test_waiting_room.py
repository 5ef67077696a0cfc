"""Who waits for a slot keeps the turn, and whoever cannot be served in good time is let go."""

import asyncio

import pytest

from chainlets.runtime.waiting_room import LONGEST_S, MOMENT_S, WaitingRoom, may_stay


@pytest.mark.parametrize(
    ("waited_s", "ahead", "crowded", "stays"),
    [
        (0.0, 9, False, True),
        (MOMENT_S, 0, False, True),  # next in turn: the replica shall not stand still
        (MOMENT_S, 1, False, True),
        (MOMENT_S, 2, False, False),  # others may be idle
        (MOMENT_S, 2, True, True),  # there is more in the queue, so they are not
        (LONGEST_S, 0, False, False),
        (LONGEST_S, 2, True, False),
    ],
)
def test_how_long_a_bell_may_stay(waited_s, ahead, crowded, stays):
    assert may_stay(waited_s=waited_s, ahead=ahead, slots=2, crowded=crowded) is stays


async def test_slots_are_given_in_the_order_of_arrival():
    room, slots, served = WaitingRoom(), asyncio.Semaphore(1), []
    await slots.acquire()

    async def come(number):
        if await room.wait(slots, size=1):
            served.append(number)
            slots.release()

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(come(number))
        await asyncio.sleep(MOMENT_S / 2)
        slots.release()
    assert served == [0, 1, 2, 3, 4]


async def test_those_who_leave_take_no_slot_with_them():
    room, slots = WaitingRoom(), asyncio.Semaphore(1)
    await slots.acquire()

    waits = [asyncio.ensure_future(room.wait(slots, size=1)) for _ in range(4)]
    await asyncio.sleep(MOMENT_S * 2.5)

    assert [wait.done() and wait.result() for wait in waits] == [False, False, False, False]
    assert not waits[0].done()  # it is the next in turn
    slots.release()
    assert await waits[0] is True
    slots.release()
    assert not slots.locked()


async def test_nobody_waits_longer_than_the_longest_time():
    room, slots = WaitingRoom(), asyncio.Semaphore(1)
    room.crowded = lambda: True
    await slots.acquire()
    began = asyncio.get_running_loop().time()

    assert await room.wait(slots, size=1) is False

    assert LONGEST_S <= asyncio.get_running_loop().time() - began < LONGEST_S + 0.5


async def test_a_room_that_closes_is_soon_empty():
    room, slots = WaitingRoom(), asyncio.Semaphore(1)
    await slots.acquire()
    waits = [asyncio.ensure_future(room.wait(slots, size=1)) for _ in range(3)]
    await asyncio.sleep(0)

    room.close()
    async with asyncio.timeout(MOMENT_S * 3):
        assert await asyncio.gather(*waits) == [False, False, False]
