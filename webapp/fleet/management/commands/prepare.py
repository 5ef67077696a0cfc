"""`manage.py prepare`: migrations and the first user, as `up` does them; safe beside other machines."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from webapp.fleet.preflight import StartRefused
from webapp.fleet.prepare import prepare_database


class Command(BaseCommand):
    help = "Apply missing migrations and make the first user, one machine at a time."
    requires_system_checks = ()

    def handle(self, **_: Any) -> None:
        try:
            login = prepare_database(url=f"http://127.0.0.1:{settings.PORT}")
        except StartRefused as error:
            raise CommandError(str(error)) from error
        if login:
            sys.stderr.write(f"{login}\n")
