"""Every error of the interface as `application/problem+json`, wherever it arises."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    UnreadablePostError,
)
from django.views import defaults
from django.views.csrf import csrf_failure
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from webapp.errors import WebappError

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)

_DETAILS = {
    400: "The request cannot be read. Check its syntax.",
    403: "You may not do this.",
    404: "There is nothing at this address, or it belongs to somebody else.",
    413: "The request is too large.",
    503: "The database does not answer. Nothing was changed; try again in a moment.",
    500: "Something went wrong on our side. It is in the log of the web process; try again in a moment.",
}


def problem(
    *, status: int, code: str, detail: str, errors: Mapping[str, list[str]] | None = None
) -> dict[str, Any]:
    """The body of one error."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": dict(errors or {}),
    }


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response | None:  # noqa: ARG001 (DRF's signature)
    """DRF's exception handler; None lets Django answer 500 and log the traceback."""
    body = _body_of(error)
    if body is None:
        return None
    set_rollback()
    headers: dict[str, str] = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None) or getattr(error, "retry_after", None):
        headers["Retry-After"] = str(int(wait))
    elif body["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
    return Response(body, status=body["status"], headers=headers, content_type=MEDIA_TYPE)


def _body_of(error: Exception) -> dict[str, Any] | None:
    match error:
        case WebappError():
            return problem(status=error.status, code=error.code, detail=error.detail, errors=error.errors)
        case exceptions.ValidationError():
            return _invalid(error)
        case exceptions.APIException():
            code = error.get_codes()
            return problem(status=error.status_code, code=str(code), detail=str(error.detail))
        case _:
            return _body_of_djangos(error)


def _body_of_djangos(error: Exception) -> dict[str, Any] | None:
    """Errors that come from below the views."""
    match error:
        case Http404():
            return problem(status=404, code="not_found", detail=_DETAILS[404])
        case PermissionDenied():
            return problem(status=403, code="permission_denied", detail=str(error) or _DETAILS[403])
        case RequestDataTooBig():
            return problem(status=413, code="too_large", detail=_DETAILS[413])
        case OperationalError() | InterfaceError():
            # Nothing was committed, so the client may simply come again.
            _log.error("the database does not answer: %s", error)
            return problem(status=503, code="unavailable", detail=_DETAILS[503])
        case SuspiciousOperation() | UnreadablePostError():
            return problem(status=400, code="bad_request", detail=_DETAILS[400])
        case _:
            return None


def _invalid(error: exceptions.ValidationError) -> dict[str, Any]:
    errors = dict(_flat(error.detail))
    detail = "; ".join(
        f"{field}: {' '.join(texts)}" if field else " ".join(texts) for field, texts in errors.items()
    )
    return problem(status=422, code="invalid", detail=detail, errors=errors)


def _flat(detail: Any, path: str = "") -> list[tuple[str, list[str]]]:
    """Nested details as `("outer.inner", texts)`."""
    if isinstance(detail, Mapping):
        return [pair for key, value in detail.items() for pair in _flat(value, f"{path}.{key}".strip("."))]
    if isinstance(detail, list):
        return [(path, [str(entry) for entry in detail])]
    return [(path, [str(detail)])]


def is_api(request: HttpRequest) -> bool:
    """Whether this address belongs to programs rather than to a page."""
    return request.path.startswith(("/api/", "/healthz", "/readyz")) or request.path == "/api"


def bare_response(*, status: int, code: str, detail: str | None = None) -> JsonResponse:
    """A problem outside of DRF."""
    body = problem(status=status, code=code, detail=detail or _DETAILS[status])
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's 400."""
    if is_api(request):
        return bare_response(status=400, code="bad_request")
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's 403."""
    if is_api(request):
        return bare_response(status=403, code="permission_denied")
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's 404."""
    if is_api(request):
        return bare_response(status=404, code="not_found")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django's 500; the traceback is in the log already."""
    if is_api(request):
        return bare_response(status=500, code="server_error")
    return defaults.server_error(request)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form came without its token."""
    if is_api(request):
        return bare_response(status=403, code="csrf_failed", detail=reason)
    return csrf_failure(request, reason=reason)
