"""What the sources in the style of truss_chains give for which input."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.integration.truss_ways import Raised


@dataclass(frozen=True)
class Case:
    """What a chain gives; `plain` is what it gives where calls are plain Python, if that differs."""

    chain: str
    given: dict[str, Any]
    output: Any
    plain: Any = None


def wire(array):
    data = base64.b64encode(array.tobytes()).decode()
    return {"data_b64": data, "shape": list(array.shape), "dtype": str(array.dtype)}


PIXELS = np.array([[0, 1, 2], [100, 200, 255]], dtype=np.uint8)
NEGATIVE = {"name": "-cat", "pixels": wire((255 - PIXELS).T.copy()), "mask": wire(PIXELS < 155)}
CAT = {"name": "cat", "pixels": wire(PIXELS)}
NUMBERS = [3, 1, 4, 1, 5]
SQUARES = [9, 1, 16, 1, 25]
POEM = {"name": "Tea", "lines": ["Hot", "Black"]}
MUMBLED = {
    "title": None,
    "lines": [{"number": 0, "text": "hot"}, {"number": 1, "text": "black"}],
    "totals": None,
    "error": "",
}
TITLE = {"name": "Tea", "lines": 2}
RECITED = [{"number": 0, "text": "Hot"}, {"number": 1, "text": "Black"}]
GREETINGS = ["Hello, Ann", "Good day, Dr. Ann", "Hello, Ann!", "hello, ann."]
CAKE = {"name": "cake", "grams": {"flour": 252, "sugar": 99}}


def failing(cause, output, plain=None, **given):
    return Case("truss-deep-failure", {"way": cause, **given}, output, plain)


def generic(text):
    return Raised("GenericRemoteException", text)


CASES = [
    Case(
        "truss-two-leaves",
        {"texts": ["one two", "x"]},
        {"letters": [6, 1], "words": [2, 1], "estimate": [6, 1]},
    ),
    *(
        Case("truss-fan-out", {"way": how, "numbers": NUMBERS}, SQUARES)
        for how in (
            "gather",
            "create_task",
            "ensure_future",
            "TaskGroup",
            "wait_for",
            "one after the other",
            "too late",
        )
    ),
    *(
        Case("truss-fan-out", {"way": how, "numbers": NUMBERS}, sorted(SQUARES))
        for how in ("as_completed", "wait")
    ),
    Case("truss-fan-out", {"way": "cancelled", "numbers": [2, 3]}, [1, 9]),
    Case(
        "truss-fan-out", {"way": "gather what fails", "numbers": [2, -1, 3]}, [4, len("-1 is below zero"), 9]
    ),
    Case(
        "truss-sync-in-async",
        {"count": 3},
        [
            "Tree > Branch > Seed",
            *(f"Tree {n} > Bough > {last} > Seed" for n in range(3) for last in ("Branch", "Twig")),
        ],
    ),
    Case("truss-async-in-sync", {"grains": [4, 6]}, ["2 loaves", "3 loaves", "5 loaves"]),
    Case(
        "truss-structured-stream",
        POEM,
        [{"title": TITLE, "lines": RECITED, "totals": {"letters": 8}, "error": ""}, MUMBLED],
    ),
    Case(
        "truss-structured-stream",
        {**POEM, "torn_at": 1},
        [{"title": TITLE, "lines": RECITED[:1], "totals": None, "error": "line 1 cannot be read"}, MUMBLED],
    ),
    Case("truss-text-stream", {"text": "grün ist gut"}, ["GRÜN ", "IST ", "GUT ", "…"]),
    Case("truss-text-stream", {"text": "grün ist gut", "most": 1}, ["GRÜN ", "…"]),
    Case("truss-text-stream", {"text": ""}, Raised("ValueError", "nothing was said")),
    Case("truss-byte-stream", {"size": 3, "pieces": 2}, ["AgEA", "AwIB"]),
    *(
        Case(
            "truss-arrays",
            {"image": CAT, "binary": binary},
            [NEGATIVE, {"cat": float(PIXELS.sum()), "-cat": float((255 - PIXELS).sum())}],
        )
        for binary in (False, True)
    ),
    *(Case("Twice", {"binary": binary, "text": "ü\n", "data": "/w=="}, True) for binary in (False, True)),
    Case("truss-inherit", {"name": "Ann"}, GREETINGS * 2),
    Case("Forecast", {"place": "Bremen"}, {"place": "Bremen", "degrees": [5.0, 5.5], "unit": "celsius"}),
    Case("truss-vault", {"key": "safe_code"}, ["12", "34", 1, False, True]),
    Case(
        "truss-cooking",
        {"recipe": CAKE, "people": 2},
        {"name": "cake", "grams": {"flour": 505, "sugar": 200}},
    ),
    Case("truss-cooking", {"recipe": CAKE, "people": 333}, "burnt: cake for 335"),
    failing("own class", Raised("ShelfEmpty", "no beans")),
    failing("own class", "handled ShelfEmpty: no beans", handled=True),
    failing("class of a neighbour", Raised("DeliveryLate", "two days")),
    failing("a sentence of its own", Raised("NoSuchJar", "there is no jar of honey")),
    failing("a sentence of its own", "handled NoSuchJar: there is no jar of honey", handled=True),
    failing("key", Raised("KeyError", "'coffee'")),
    failing("key", "handled KeyError: 'coffee'", handled=True),
    failing("no message", "handled ShelfEmpty: ", handled=True),
    failing("two lines", Raised("ShelfEmpty", "no beans\nno rice")),
    failing("chained", Raised("ShelfEmpty", "cannot count")),
    # A class that cannot be built from one string is replaced, where it has to travel.
    failing(
        "several arguments", generic("WrongShelf: row 3, column 4"), Raised("WrongShelf", "row 3, column 4")
    ),
    failing("status", generic("Forbidden: staff only"), Raised("Forbidden", "staff only")),
    failing(
        "own class",
        generic("ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)"),
        Raised("ExceptionGroup", "unhandled errors in a TaskGroup (1 sub-exception)"),
        grouped=True,
    ),
    # Calls of plain Python have no time limit.
    *(
        Case("truss-timeouts", {"seconds": 0.01, "sync": sync}, said)
        for sync, said in ((True, "slow"), (False, "slow, async"))
    ),
    Case(
        "truss-timeouts",
        {"seconds": 0.8, "sync": True},
        Raised("TimeoutError", "Timeout calling remote Chainlet `Slow` (0.5 seconds limit)."),
        "slow",
    ),
    Case(
        "truss-timeouts",
        {"seconds": 0.8, "sync": False},
        Raised("TimeoutError", "Timeout calling remote Chainlet `SlowAsync` (0.5 seconds limit)."),
        "slow, async",
    ),
    Case(
        "truss-timeouts",
        {"seconds": 0.8, "sync": True, "patient": True},
        "too late, and that is all right",
        "slow",
    ),
]
