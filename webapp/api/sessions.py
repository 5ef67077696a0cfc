"""Logging in and out with a browser."""

from typing import NoReturn

from django.conf import settings
from django.contrib.auth import logout
from django.middleware.csrf import get_token
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webapp.accounts.services import log_in
from webapp.api.access import user_of
from webapp.api.shapes import LoginShape, SessionShape, UserShape
from webapp.fleet.hardware import has_gpu


class Session(APIView):
    """Who is logged in."""

    @extend_schema(operation_id="session_read", responses=SessionShape)
    def get(self, request: Request) -> Response:
        """The user, a CSRF token for later requests, and what this server takes and has."""
        return Response(_session(request))

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        """Refuse, but with the CSRF cookie set, which the page needs after the login."""
        get_token(request._request)  # noqa: SLF001 (DRF offers no other way to it)
        super().permission_denied(request, message, code)


class Login(APIView):
    """Begins a session.

    Takes JSON only, which no foreign page can send without asking first; so it needs no CSRF token.
    """

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(operation_id="session_login", request=LoginShape, responses=SessionShape, auth=[])
    def post(self, request: Request) -> Response:
        """Check name and password and set the session cookie."""
        form = LoginShape(data=request.data)
        form.is_valid(raise_exception=True)
        request.user = log_in(request=request._request, **form.validated_data)  # noqa: SLF001
        return Response(_session(request))


class Logout(APIView):
    """Ends a session."""

    @extend_schema(
        operation_id="session_logout", request=None, responses={204: OpenApiResponse(description="Done")}
    )
    def post(self, request: Request) -> Response:
        """Forget the session on the server; the cookie is worthless from then on."""
        logout(request._request)  # noqa: SLF001
        return Response(status=204)


def _session(request: Request) -> dict[str, object]:
    return {
        "user": UserShape(user_of(request)).data,
        "csrf_token": get_token(request._request),  # noqa: SLF001
        "limits": {"max_upload_bytes": settings.MAX_UPLOAD_BYTES},
        "machine": {"gpu": has_gpu()},
    }
