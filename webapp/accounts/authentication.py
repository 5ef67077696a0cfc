"""Who is asking: programs by key, browsers by session."""

import copy

from django.contrib.auth.models import User
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from webapp.accounts.models import ApiKey
from webapp.accounts.services import recognise_key


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`. A request with this header never falls back to its cookies."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """The key's user and row; None if there is no such header."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        key = bearer(header)
        record = recognise_key(key) if key else None
        if record is None:
            message = "This API key is not known here, has expired or was revoked. Send `Authorization: Bearer <key>`."
            raise AuthenticationFailed(message)
        return record.user, record

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 (DRF's signature)
        """What a 401 asks for."""
        return 'Bearer realm="chainlets"'


class BrowserAuthentication(SessionAuthentication):
    """Session cookie with the CSRF token in the header `X-CSRFToken`."""

    def enforce_csrf(self, request: Request) -> None:
        """Check the header only.

        Django would also look for a form field, and so take in a whole upload before it knows
        whether it may come in.
        """
        shadow: HttpRequest = copy.copy(request._request)  # noqa: SLF001 (DRF offers no other way to it)
        shadow.__dict__.update(_post=QueryDict(), _files=MultiValueDict())
        super().enforce_csrf(shadow)  # type: ignore[arg-type]  # it wants no more than Django's request


def bearer(header: str) -> str | None:
    """The key in an Authorization header, None if it has another shape."""
    scheme, _, key = header.partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
