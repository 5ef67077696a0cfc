"""Shows on stderr what chainlets say while they work."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from chainlets.hearing import Said, heard_by

_PROGRESS_EVERY_S = 0.2


@contextmanager
def spoken_aloud() -> Iterator[None]:
    """Print a line on stderr for all that chainlets say inside the block, and for what the SDK logs."""
    handler, silent = logging.StreamHandler(sys.stderr), logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    ours, engine, calls = (
        logging.getLogger(name) for name in ("chainlets", "chainlets.runtime", "chainlets.call")
    )
    was = [(log, log.level, log.propagate) for log in (ours, engine, calls)]
    ours.setLevel(logging.INFO)
    engine.setLevel(logging.ERROR)  # failures of calls are in the tree that `run` prints
    ours.propagate = calls.propagate = False  # what chainlets log is heard already
    ours.addHandler(handler)
    calls.addHandler(silent)
    try:
        with heard_by(_Printer().hear):
            yield
    finally:
        ours.removeHandler(handler)
        calls.removeHandler(silent)
        for log, level, propagate in was:
            log.setLevel(level)
            log.propagate = propagate


def line_for(said: Said) -> str:
    """How one thing that was said reads."""
    data = said.data
    if said.kind == "progress":
        text = f"{_number(data['done'])} of {_number(data['total'])} {data['message']}".rstrip()
    elif said.kind == "partial":
        text = f"partial {json.dumps(data, ensure_ascii=False, default=str)}"
    elif said.kind == "warning":
        text = f"warning: {data['message']}"
    else:
        fields = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in data["fields"].items()]
        text = " ".join([f"{data['level']}: {data['message']}", *fields])
    return f"{said.chainlet}: {text}" if said.chainlet else text


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


class _Printer:
    """Prints lines; of progress only as much as can be read."""

    def __init__(self) -> None:
        self._progress_at = 0.0

    def hear(self, said: Said) -> None:
        if said.kind == "progress" and said.data["done"] < said.data["total"]:
            now = time.monotonic()
            if now - self._progress_at < _PROGRESS_EVERY_S:
                return
            self._progress_at = now
        sys.stderr.write(f"{line_for(said)}\n")
