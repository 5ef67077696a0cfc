"""Brings the database to this version's shape and makes the first user, once even if many start together."""

import contextlib
from collections.abc import Iterator

from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from webapp.accounts.management.commands.ensure_admin import describe
from webapp.accounts.services import ensure_admin
from webapp.fleet.preflight import StartRefused

_LOCK = 7_246_101  # any number that nobody else takes on this database


def prepare_database(*, url: str) -> str:
    """Apply the migrations that are missing; returns how to log in, or nothing if somebody could before.

    Raises:
        StartRefused: the database cannot be reached.
    """
    try:
        with _alone():
            if _unapplied():
                call_command("migrate", interactive=False, verbosity=0)
            first = ensure_admin()
    except OperationalError as error:
        reason = str(error).strip().partition("\n")[0]
        raise StartRefused(
            f"The database cannot be used: {reason}. Check DATABASE_URL and DATA_DIR."
        ) from error
    finally:
        connection.close()
    return describe(first, url=url) if first else ""


def _unapplied() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold PostgreSQL's lock for this; a SQLite file is guarded by the data folder's own lock."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
