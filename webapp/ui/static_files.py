"""Static files, sent in one piece."""

from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):
    """WhiteNoise without its file iterators.

    Django cannot send those under ASGI without reading them whole, and warns about it each time.
    Static files are small, so we read them whole and are done.
    """

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """The file, or the part or the "not modified" that was asked for."""
        found = WhiteNoiseMiddleware.serve(static_file, request)
        if not isinstance(found, FileResponse):
            return found
        body = b"".join(found.streaming_content)
        found.close()
        response = HttpResponse(body, status=found.status_code)
        for name, value in found.items():
            response[name] = value
        return response
