"""How a worker looks for a broker that has gone away.

Celery waits two seconds longer after each try, up to thirty, and gives up after a hundred tries. A
worker that stands idle for half a minute after the broker is back is of no use to those who wait, and
one that gives up is of none to anybody.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.worker.state import maybe_shutdown
from kombu import Connection

log = logging.getLogger(__name__)

_AGAIN_S = 1
_COMPLAIN_EVERY_S = 10.0


def connect_patiently(connection: Connection) -> None:
    """Try once a second until the broker answers, or until the worker is told to stop."""
    complained = 0.0

    def complain(error: Any, *_: Any) -> None:
        nonlocal complained
        if time.monotonic() - complained > _COMPLAIN_EVERY_S:
            complained = time.monotonic()
            log.warning("The broker is away, trying again every second: %s", error)

    connection.ensure_connection(
        complain,
        interval_start=_AGAIN_S,
        interval_step=0,
        interval_max=_AGAIN_S,
        callback=maybe_shutdown,
    )
