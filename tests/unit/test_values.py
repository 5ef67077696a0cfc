"""How much of what lies in files goes into one answer."""

import uuid

import pytest

from webapp.runs.values import Stored, beyond


def stored(size):
    return Stored(json={"size": size} if size else "x", spilled=bool(size), said="")


@pytest.mark.parametrize(
    ("rows", "hidden"),
    [
        ([], []),
        ([[500]], []),
        ([[40, 60], [0], [1]], [2]),
        ([[40], [61], [60]], [1]),
        ([[0, 0], [99], [1], [1]], [3]),
    ],
)
def test_a_page_has_values_as_long_as_there_is_room_and_the_first_rows_always(rows, hidden):
    ids = [uuid.uuid4() for _ in rows]
    page = [(id, [stored(size) for size in sizes]) for id, sizes in zip(ids, rows, strict=True)]
    assert beyond(page, room=100) == {ids[place] for place in hidden}
