"""The one page: the browser draws the rest."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe


@require_safe
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """The built `index.html`, or how to build it."""
    try:
        html = (settings.FRONTEND_DIST / "index.html").read_bytes()
    except FileNotFoundError:
        return render(request, "ui/not_built.html", status=503)
    # The page names its scripts by their hash, so it must be asked for anew each time.
    return HttpResponse(html, headers={"Cache-Control": "no-cache"})
