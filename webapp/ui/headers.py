"""Response headers that tell browsers to trust nothing but ourselves."""

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

_DIRECTIVES = (
    "default-src 'self'",
    "base-uri 'none'",
    "connect-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "object-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "worker-src 'self' blob:",
)
POLICY = "; ".join(_DIRECTIVES)

Respond = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class SecureHeaders:
    """Add the content security policy and its kin, unless the view has set a stricter one."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Respond) -> None:
        """Take the next layer, whichever colour it has."""
        self._respond = get_response
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer through the next layer and sign the answer."""
        if self._async:
            return self._later(request)
        return _signed(request, cast("HttpResponseBase", self._respond(request)))

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        return _signed(request, await cast("Awaitable[HttpResponseBase]", self._respond(request)))


def _signed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(self)")
    if request.path.startswith("/api/"):
        # Other people's words must not stay behind in a shared browser.
        response.headers.setdefault("Cache-Control", "no-store")
    return response
