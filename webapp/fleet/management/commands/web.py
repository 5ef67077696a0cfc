"""`manage.py web`: the HTTP and websocket server of one machine."""

import os
import socket
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from webapp import env
from webapp.fleet.preflight import StartRefused, listen

GRACE = 15  # seconds for open requests, less than the supervisor's patience


class Command(BaseCommand):
    help = "Serve the pages, the REST API and the websockets."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=env.text("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--fd", type=int, help="serve this inherited listening socket instead")

    def handle(self, *, host: str, port: int, fd: int | None, **_: Any) -> None:
        try:
            sock = listen(host=host, port=port) if fd is None else socket.socket(fileno=fd)
        except (StartRefused, OSError) as error:
            raise CommandError(str(error)) from error
        config = uvicorn.Config(
            "webapp.asgi:application",
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=64 * 1024,  # bytes of one message; clients have little to say
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=bool(os.environ.get("FORWARDED_ALLOW_IPS")),
            timeout_graceful_shutdown=GRACE,
        )
        uvicorn.Server(config).run(sockets=[sock])
