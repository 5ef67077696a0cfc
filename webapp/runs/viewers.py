"""Who is at the other end of a websocket, and whether they still may be."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, parse_cookie
from django.http.request import split_domain_port, validate_host

from webapp.accounts.authentication import bearer
from webapp.accounts.models import ApiKey
from webapp.accounts.services import recognise_key
from webapp.runs.models import Run

Scope = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """A user whose rights were checked a moment ago, and the key they came with, if with one."""

    user_id: int
    key: ApiKey | None = None


def header(scope: Scope, name: bytes) -> str | None:
    """One request header, None if it was not sent."""
    found = next((value for key, value in scope["headers"] if key.lower() == name), None)
    return found.decode("latin-1") if found is not None else None


def origin_allowed(scope: Scope) -> bool:
    """Whether a page of ours opened this socket.

    Browsers send cookies along whichever page asks, and always say which one it is: so a socket
    that brings a session must name our own host. One with a key, or with nothing, needs no such proof.
    """
    if header(scope, b"authorization") is not None or _session_key(scope) is None:
        return True
    origin = urlsplit(header(scope, b"origin") or "")
    host = (header(scope, b"host") or "").lower()
    allowed = settings.ALLOWED_HOSTS or (["localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    return origin.netloc.lower() == host != "" and validate_host(split_domain_port(host)[0], allowed)


def recognise(scope: Scope) -> Viewer | None:
    """The user by key or by session; None if neither is good (any more)."""
    authorization = header(scope, b"authorization")
    if authorization is not None:
        key = bearer(authorization)
        record = recognise_key(key) if key else None
        return Viewer(user_id=record.user_id, key=record) if record else None
    request = HttpRequest()
    # A fresh look at the session each time, so that a logout also ends what is open.
    request.session = SessionStore(_session_key(scope))
    user = get_user(request)
    return Viewer(user_id=user.pk) if user.is_active and user.pk is not None else None


def may_see(viewer: Viewer, run_id: UUID) -> bool:
    """Whether the run exists and is the viewer's own."""
    return Run.objects.filter(id=run_id, owner_id=viewer.user_id).exists()


def _session_key(scope: Scope) -> str | None:
    return parse_cookie(header(scope, b"cookie") or "").get(settings.SESSION_COOKIE_NAME)
