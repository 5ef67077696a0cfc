"""The database's clock, which all leases are measured by."""

from datetime import datetime

from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """The time by the database, so that a worker whose own clock is wrong harms nobody.

    SQLite has no clock but this machine's, and everyone who uses the file is on this machine.
    """
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
        return found
