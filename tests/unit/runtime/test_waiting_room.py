"""Who waits for a slot keeps the turn, and whoever cannot be served in good time is let go."""

import pytest

from chainlets.runtime.replicas import Slots
from chainlets.runtime.waiting_room import LONGEST_S, MOMENT_S, NEXT_S, Waiting, WaitingRoom, may_stay


@pytest.mark.parametrize(
    ("waited_s", "ahead", "crowded", "stays"),
    [
        (0.0, 9, False, True),
        (MOMENT_S, 0, False, True),  # next in turn: the replica shall not stand still
        (MOMENT_S, 1, False, True),
        (MOMENT_S, 2, False, False),  # others may be idle
        (MOMENT_S, 2, True, True),  # there is more in the queue, so they are not
        (NEXT_S, 0, False, False),
        (NEXT_S, 0, True, True),
        (LONGEST_S, 2, True, False),
    ],
)
def test_how_long_a_bell_may_stay(waited_s, ahead, crowded, stays):
    assert may_stay(waited_s=waited_s, ahead=ahead, slots=2, crowded=crowded) is stays


class House:
    """A replica of one slot, which is taken, and four bells that wait for it."""

    def __init__(self):
        self.room, self.slots = WaitingRoom(), Slots(1)
        self.served, self.left = [], []
        assert self.slots.take(lambda: None)
        for number in range(4):
            self.come(number)

    def come(self, number):
        def then():
            self.served.append(number)

        assert not self.slots.take(then)
        self.room.enter(
            Waiting(slots=self.slots, size=1, then=then, leave=lambda: self.left.append(number), came_at=0.0)
        )


def test_those_who_cannot_be_served_soon_leave_and_the_next_in_turn_stays():
    house = House()
    house.room.sweep(MOMENT_S / 2)
    assert house.left == []

    house.room.sweep(MOMENT_S)
    assert (house.served, house.left) == ([], [1, 2, 3])

    for _ in range(2):
        house.slots.give_back()
    assert house.served == [0]
    assert house.slots.take(lambda: None)  # those who left took no slot with them


def test_who_was_served_does_not_leave():
    house = House()
    house.room.crowded = lambda: True
    house.slots.give_back()
    house.slots.give_back()

    house.room.sweep(LONGEST_S)

    assert (house.served, house.left) == ([0, 1], [2, 3])


def test_in_a_crowd_all_wait_for_longer_but_not_for_ever():
    house = House()
    house.room.crowded = lambda: True
    house.room.sweep(LONGEST_S / 2)
    assert house.left == []
    house.room.sweep(LONGEST_S)
    assert house.left == [0, 1, 2, 3]


def test_a_room_that_closes_is_empty_after_the_next_sweep():
    house = House()
    house.room.close()
    house.room.sweep(0.0)
    assert house.left == [0, 1, 2, 3]
