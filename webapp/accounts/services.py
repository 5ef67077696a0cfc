"""Keys are made, recognised and revoked here; so are the first user and logins."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import authenticate, get_user_model, login
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from webapp.accounts import throttle
from webapp.accounts.errors import LoginRefused, LoginThrottled
from webapp.accounts.keys import new_key, parts_of, same
from webapp.accounts.models import ApiKey

ADMIN: Final = "admin"
ENVIRONMENT_KEY: Final = "ADMIN_API_KEY"
_LAST_USE_STEP = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key at the only moment when it can be shown."""

    key: str
    record: ApiKey


@dataclass(frozen=True, kw_only=True)
class FirstLogin:
    """How to log in for the first time; what came from the environment is not repeated."""

    username: str
    password: str | None  # None: it is what ADMIN_PASSWORD says
    key: str | None  # None: it is what ADMIN_API_KEY says


def create_key(
    *,
    user: User,
    name: str,
    expires_at: datetime | None = None,
    max_open_runs: int | None = None,
    runs_per_minute: int | None = None,
) -> NewKey:
    """Make a key. Its text is in the answer and nowhere else.

    Args:
        user: whose it is.
        name: for people.
        expires_at: when it ends.
        max_open_runs: runs that it has started and that have not ended; no limit by default.
        runs_per_minute: runs that it may start in a minute; no limit by default.
    """
    key = new_key()
    record = _keep(
        user=user,
        name=name,
        key=key,
        expires_at=expires_at,
        max_open_runs=max_open_runs,
        runs_per_minute=runs_per_minute,
    )
    return NewKey(key=key, record=record)


def revoke_key(*, record: ApiKey) -> None:
    """End a key at once; revoking twice keeps the first time."""
    ApiKey.objects.filter(pk=record.pk, revoked_at=None).update(revoked_at=timezone.now())
    record.refresh_from_db()


def recognise_key(key: str) -> ApiKey | None:
    """The usable key's row with its active user, or None; notes the use at most once a minute."""
    parts = parts_of(key, pepper=settings.SECRET_KEY)
    record = ApiKey.objects.select_related("user").filter(prefix=parts.prefix).first()
    # An unknown prefix is compared too, so that time does not tell which prefixes exist.
    matches = same(record.hash if record else "0" * 64, parts.hash)
    if record is None or not matches or not record.usable or not record.user.is_active:
        return None
    now = timezone.now()
    if record.last_used_at is None or now - record.last_used_at > _LAST_USE_STEP:
        ApiKey.objects.filter(pk=record.pk).update(last_used_at=now)
    return record


def log_in(*, request: HttpRequest, username: str, password: str) -> User:
    """Begin a session, with a new session id.

    Raises:
        LoginThrottled: too many failures lately.
        LoginRefused: wrong name or password, or the user is not active.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    if throttle.blocked(username=username, address=address):
        raise LoginThrottled(retry_after=throttle.WINDOW)
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        raise LoginRefused
    login(request, user)
    return user


@transaction.atomic
def ensure_admin() -> FirstLogin | None:
    """Make the user `admin` on the first start; None if there is somebody already.

    A key from ADMIN_API_KEY is made known at every start, and its forerunner is revoked, so that
    changing the variable changes the key.
    """
    first: FirstLogin | None = None
    users = get_user_model().objects
    if not users.filter(is_superuser=True).exists():
        first = _make_admin()
    admin = users.filter(username=ADMIN, is_superuser=True).first()
    if admin is not None and settings.ADMIN_API_KEY:
        _know_environment_key(admin, settings.ADMIN_API_KEY)
    return first


def _make_admin() -> FirstLogin:
    password = None if settings.ADMIN_PASSWORD else secrets.token_urlsafe(12)
    admin = get_user_model().objects.create_superuser(
        username=ADMIN, password=password or settings.ADMIN_PASSWORD
    )
    key = None if settings.ADMIN_API_KEY else create_key(user=admin, name="first start").key
    return FirstLogin(username=ADMIN, password=password, key=key)


def _know_environment_key(admin: User, key: str) -> None:
    parts = parts_of(key, pepper=settings.SECRET_KEY)
    forerunners = ApiKey.objects.filter(user=admin, name=ENVIRONMENT_KEY, revoked_at=None)
    forerunners.exclude(prefix=parts.prefix, hash=parts.hash).update(revoked_at=timezone.now())
    if not ApiKey.objects.filter(prefix=parts.prefix).exists():
        _keep(user=admin, name=ENVIRONMENT_KEY, key=key)


def _keep(*, user: User, name: str, key: str, **more: Any) -> ApiKey:
    parts = parts_of(key, pepper=settings.SECRET_KEY)
    return ApiKey.objects.create(user=user, name=name, prefix=parts.prefix, hash=parts.hash, **more)
