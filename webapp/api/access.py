"""What a user may touch: their own. Everything else does not exist for them."""

from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet
from rest_framework.request import Request

from webapp.accounts.models import ApiKey
from webapp.errors import NotFound
from webapp.files.errors import FileNotFound
from webapp.files.models import File
from webapp.runs.models import Run


def key_of(request: Request) -> ApiKey | None:
    """The API key that asks; None for a browser."""
    return request.auth if isinstance(request.auth, ApiKey) else None


def user_of(request: Request) -> User:
    """The user that the permission check has let in."""
    assert isinstance(request.user, User)
    return request.user


def runs_of(request: Request) -> QuerySet[Run]:
    """The user's runs."""
    return Run.objects.filter(owner=user_of(request)).select_related("chain", "version")


def run_of(request: Request, run_id: UUID) -> Run:
    """One of the user's runs.

    Raises:
        NotFound: there is no such run, or it is somebody else's.
    """
    run = runs_of(request).filter(id=run_id).first()
    if run is None:
        raise NotFound("There is no run with this id.")
    return run


def run_to_repeat(request: Request, run_id: UUID) -> Run:
    """One of the user's runs; for staff, anybody's.

    Raises:
        NotFound: there is no such run, or it is somebody else's.
    """
    if not user_of(request).is_staff:
        return run_of(request, run_id)
    run = Run.objects.filter(id=run_id).select_related("chain", "version", "owner").first()
    if run is None:
        raise NotFound("There is no run with this id.")
    return run


def file_of(request: Request, file_id: UUID) -> File:
    """One of the user's files.

    Raises:
        FileNotFound: there is no such file, or it is somebody else's.
    """
    file = File.objects.filter(owner=user_of(request), id=file_id).first()
    if file is None:
        raise FileNotFound
    return file
