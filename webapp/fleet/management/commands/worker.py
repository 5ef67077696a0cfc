"""`manage.py worker`: one worker process."""

import gc
import os
import socket
import sys
import warnings
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    """Serve queues until told to stop."""

    help = "Serve queues: run chainlets until told to stop."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Which queues, and how much at a time."""
        parser.add_argument(
            "--queues", default="", help="comma list; gpu.* stands for every GPU queue that a chain asks for"
        )
        parser.add_argument("--concurrency", type=int, default=1, help="calls that execute at a time")
        parser.add_argument("--name", default="worker", help="the worker's place on this machine")
        parser.add_argument(
            "--soft-time-limit",
            type=float,
            help="seconds after which a call that holds a slot is told to stop",
        )
        parser.add_argument(
            "--time-limit", type=float, help="seconds after which a call that holds a slot has failed"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Start Celery's worker on our pool; never returns."""
        sys.setswitchinterval(0.001)  # threads hand work to each other all the time
        os.environ["WORKER_SLOT"] = options["name"]
        os.environ.setdefault("OMP_NUM_THREADS", "1")

        from chainlets.runtime.gpus import gpus
        from webapp.catalog.services import loaded_chains
        from webapp.celery import app, doorbell, matching
        from webapp.fleet import hardware, warm

        patterns = [part.strip() for part in options["queues"].split(",") if part.strip()]
        patterns = patterns or ["cpu", *hardware.queues(gpus())]
        app.patterns, app.slots = patterns, options["concurrency"]

        def ready(sender: Any, **_: Any) -> None:
            app.consumer = sender
            # A burst of calls makes many values that live for a moment; looking through all that was imported
            # whenever 700 of them are there took a quarter of a worker's time.
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 20)
            sys.stderr.write("ready\n")
            sys.stderr.flush()

        from celery.exceptions import SecurityWarning
        from celery.signals import worker_ready

        # Celery warns root because of pickle; we accept JSON only.
        warnings.simplefilter("ignore", SecurityWarning)

        worker_ready.connect(ready, weak=False)
        worker = app.Worker(
            hostname=f"{options['name']}-{os.getpid()}@{socket.gethostname()}",
            pool="chainlets.runtime.pool:ChainletPool",
            concurrency=options["concurrency"],
            queues=[
                *(matching(patterns, loaded_chains().queues) or ["gpu.any"]),
                warm.own_queue(slot=options["name"], host=socket.gethostname()),
            ],
            without_gossip=True,
            without_mingle=True,
            soft_time_limit=options["soft_time_limit"],
            time_limit=options["time_limit"],
            loglevel="WARNING",
            quiet=True,
        )
        code = 0
        try:
            worker.start()
            code = worker.exitcode or 0
        finally:
            doorbell.flush(timeout_s=3)
            sys.stdout.flush()
            sys.stderr.flush()
            # Threads of authors' code cannot be stopped; what they held was handed back.
            os._exit(code)
