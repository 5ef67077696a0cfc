"""Where a process can be made to die on purpose, to prove that its death does no harm.

Off, and free of cost, unless the variable `CRASH_POINTS` names a folder. There a file with the name of a
point arms it: the next process that comes by takes the file away and dies on the spot, as by `kill -9`.
So each armed point kills once, and whoever is started in the dead one's place lives. The file may say
which process is meant, and that it may come by a few times before: `{"process": "cpu", "visit": 3}`.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

#: Every point there is, in the order in which a call comes by.
POINTS = (
    "run.insert",
    "run.accepted",
    "bells.before",
    "bells.after",
    "message.taken",
    "replica.built",
    "claim.before",
    "claim.after",
    "transaction.open",
    "transaction.committed",
    "call.journalled",
    "result.before",
    "result.after",
    "mail.before",
    "mail.taken",
    "ack.before",
    "ack.after",
    "cancel.midway",
    "cancel.seen",
    "stop.before",
    "stop.handed_back",
    "take_back.midway",
    "take_back.after",
    "reringing.midway",
)
#: What a process that died so leaves behind: the code of one that was killed.
EXIT_CODE = 137

_folder = os.environ.get("CRASH_POINTS", "")
_visits: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Die here, if somebody armed this point."""
    if _folder:
        _visit(Path(_folder) / name)


def _visit(armed: Path) -> None:
    try:
        wanted = json.loads(armed.read_text())
    except FileNotFoundError:
        return
    if wanted.get("process", sys.argv[0]) not in sys.argv:
        return
    _visits[armed.name] += 1
    if _visits[armed.name] < wanted.get("visit", 1):
        return
    try:
        armed.unlink()
    except FileNotFoundError:
        return  # another process was first
    os._exit(EXIT_CODE)
