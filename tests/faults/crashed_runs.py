"""What has to be so of a run of the chain `crashes`, whatever was killed while it ran."""

from collections import Counter
from pathlib import Path

from chainlets.runtime.early import MOST
from tests.harness import Stack

WORDS = {"Trunk": "trunk", "Branch": "branch", "Leaf": "leaf", "PlainLeaf": "plain"}  # in the ledger


def calls_of(branches: int, leaves: int) -> int:
    """How many calls a run of the chain makes, itself among them."""
    return 1 + branches + branches * leaves


def right_answer(branches: int, leaves: int) -> int:
    return sum(2 * n for n in range(branches * leaves))


def check(house: Stack, run_id: str, ledger: Path, *, calls: int, killed: int = 0) -> None:
    """One end for every call, no gap in the history, and no execution of what had finished.

    Each of the `killed` workers may have begun a few calls whose records died with it.
    """
    events = house.events(run_id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events].count("run.succeeded") == 1
    started, succeeded = Counter(), Counter()
    for event in events:
        call = event["invocation"]
        if event["type"] == "invocation.started":
            assert not succeeded[call], "a call that had finished was started again"
            started[call] += 1
        elif event["type"] == "invocation.succeeded":
            succeeded[call] += 1
    found = {call["id"]: call for call in house.invocations(run_id)}
    assert len(found) == calls
    assert succeeded == Counter(dict.fromkeys(found, 1))
    executed = Counter(ledger.read_text().splitlines())
    attempts = Counter()
    for id, call in found.items():
        assert call["attempt"] == started[id]
        attempts[call["chainlet"]] += started[id]
    unknown = 0
    for chainlet, word in WORDS.items():
        # Each other execution was granted an attempt; a worker killed before its first line leaves fewer.
        times = sum(n for line, n in executed.items() if line.split()[0] == word)
        unknown += max(times - attempts[chainlet], 0)
    assert unknown <= killed * MOST
