"""Static files, sent in one piece."""

from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise without its file iterators.

    Django cannot send those under ASGI without reading them whole, and warns about it each time.
    Static files are small, so we read them whole and are done.
    """

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """The file, or the part or the "not modified" that was asked for."""
        found: FileResponse = WhiteNoiseMiddleware.serve(static_file, request)
        response = HttpResponse(found.getvalue(), status=found.status_code)
        found.close()
        for name, value in found.items():
            response[name] = value
        return response
