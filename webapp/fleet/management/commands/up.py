"""`manage.py up`: the whole system on one machine."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from webapp import env
from webapp.fleet.preflight import StartRefused
from webapp.fleet.system import Demo, System


class Command(BaseCommand):
    help = "Start broker, web, workers and reconciler together, and keep them alive until Ctrl-C."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=env.text("HOST", "127.0.0.1"), help="address to listen on")
        parser.add_argument("--demo", action="store_true", help="transcribe a recording first")
        parser.add_argument("--audio", type=Path, help="the recording to transcribe, instead of the sample")
        parser.add_argument(
            "--once", action="store_true", help="stop after the recording; only its text on stdout"
        )

    def handle(self, *, host: str, demo: bool, audio: Path | None, once: bool, **_: Any) -> None:
        try:
            wish = Demo.wished(audio=audio, once=once) if demo or audio or once else None
            system = System(host=host, port=settings.PORT, data_dir=settings.DATA_DIR, demo=wish)
            sys.exit(asyncio.run(system.run()))
        except StartRefused as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            sys.exit(130)  # pressed before there was anything to stop
