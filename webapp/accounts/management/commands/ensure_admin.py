"""`manage.py ensure_admin`: the first user, and how to log in."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from webapp.accounts.services import FirstLogin, ensure_admin


class Command(BaseCommand):
    """Make the user `admin` if nobody is there yet, and print how to log in on stderr, once."""

    help = "Make the user `admin` if there is none yet, and print how to log in, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the address that people open."""
        parser.add_argument("--url", default=f"http://127.0.0.1:{settings.PORT}", help="the address to print")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it; on later starts there is nothing to print."""
        first = ensure_admin()
        if first is not None:
            self.stderr.write(describe(first, url=options["url"]))


def describe(first: FirstLogin, *, url: str) -> str:
    """The lines for the terminal."""
    return "\n".join(
        (
            f"Open {url} and log in:",
            f"  user      {first.username}",
            f"  password  {first.password or '(from ADMIN_PASSWORD)'}",
            f"  API key   {first.key or '(from ADMIN_API_KEY)'}",
            "Password and key are shown only this once.",
        ),
    )
