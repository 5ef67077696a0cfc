"""`manage.py reconciler`: finishes what killed workers held and rings lost bells."""

import signal
import sys
import threading
from typing import Any

from django.core.management.base import BaseCommand

from webapp.runs.doorbell import doorbell
from webapp.runs.reconciler import run_forever


class Command(BaseCommand):
    """Sweep until told to stop."""

    help = "Take work back from dead workers and ring lost bells, until told to stop."
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:
        """Sweep; SIGTERM and Ctrl-C end it after the sweep under way."""
        stopped = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stopped.set())
        sys.stderr.write("ready\n")
        sys.stderr.flush()
        run_forever(stopped)
        doorbell.flush(timeout_s=3)
