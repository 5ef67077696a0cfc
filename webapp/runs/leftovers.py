"""Clears what killed processes left on disk: scratch of attempts that are over, bytes without a row."""

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from django.conf import settings

from webapp.files.models import File
from webapp.runs.models import Invocation, State

#: Seconds a folder must be old before it can be anybody's leftover; rows follow bytes within less.
SETTLED_S = 3600.0
_SCRATCH_SETTLED_S = 30.0


def clear_scratch() -> int:
    """Remove temporary folders of attempts that are over; how many."""
    folders = {path.name: path for path in _old(_entries(settings.FILES_DIR / "scratch"), _SCRATCH_SETTLED_S)}
    if not folders:
        return 0
    running = Invocation.objects.filter(state=State.RUNNING).values_list("id", "attempt")
    live = {f"{invocation_id}-{attempt}" for invocation_id, attempt in running}
    gone = [path for name, path in folders.items() if name not in live]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return len(gone)


def clear_orphans() -> int:
    """Remove stored bytes that no row knows, left by a crash between the two; how many."""
    shelves = [entry for entry in _entries(settings.FILES_DIR) if len(entry.name) == len("00")]
    return sum(_clear_shelf(shelf) for shelf in shelves)


def _clear_shelf(shelf: Path) -> int:
    folders = {found: path for path in _old(_entries(shelf), SETTLED_S) if (found := _id(path))}
    known = set(File.objects.filter(id__in=folders).values_list("id", flat=True)) if folders else set()
    gone = [path for file_id, path in folders.items() if file_id not in known]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return len(gone)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _old(paths: Iterable[Path], seconds: float) -> list[Path]:
    oldest = time.time() - seconds
    found = []
    for path in paths:
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                found.append(path)
    return found


def _id(path: Path) -> UUID | None:
    try:
        return UUID(path.name)
    except ValueError:
        return None
