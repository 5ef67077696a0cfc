"""Sends stored bytes: ranges for players, and headers that keep strangers' content inert."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

from webapp.files.models import File
from webapp.files.names import download_name
from webapp.files.ranges import Span, Unsatisfiable, parse_range

_BLOCK = 1 << 16  # bytes
_PLAYABLE = ("audio/", "video/")


def content_response(request: HttpRequest, file: File, path: Path) -> HttpResponseBase:
    """The whole file, or the part that the request's `Range` asks for."""
    tag = f'"{file.sha256}"'
    if tag in request.headers.get("If-None-Match", ""):
        return _with_headers(HttpResponse(status=304), request, file, tag)
    # A range continues what the client holds only if that is still the same file.
    fresh = request.headers.get("If-Range", tag) == tag
    try:
        span = parse_range(request.headers.get("Range", ""), size=file.size) if fresh else None
    except Unsatisfiable:
        refusal = HttpResponse(status=416, headers={"Content-Range": f"bytes */{file.size}"})
        return _with_headers(refusal, request, file, tag)
    status, sent = (206, span) if span else (200, Span(first=0, last=file.size - 1))
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse(status=status)
    else:
        # Under ASGI a plain iterator would be read into memory as a whole before the first byte goes out.
        pieces = _pieces_later(path, sent) if isinstance(request, ASGIRequest) else _pieces(path, sent)
        response = StreamingHttpResponse(pieces, status=status)
    response["Content-Length"] = str(sent.length)
    if span:
        response["Content-Range"] = f"bytes {span.first}-{span.last}/{file.size}"
    return _with_headers(response, request, file, tag)


def _with_headers(response: HttpResponseBase, request: HttpRequest, file: File, tag: str) -> HttpResponseBase:
    attachment = "download" in request.GET or not file.media_type.startswith(_PLAYABLE)
    name = download_name(file.name, file.media_type)
    response["Content-Type"] = file.media_type
    response["Content-Disposition"] = content_disposition_header(attachment, name) or "attachment"
    response["Content-Security-Policy"] = "sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-cache"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = tag
    return response


def _pieces(path: Path, span: Span) -> Iterator[bytes]:
    with path.open("rb") as source:
        source.seek(span.first)
        left = span.length
        while left and (block := source.read(min(_BLOCK, left))):
            left -= len(block)
            yield block


async def _pieces_later(path: Path, span: Span) -> AsyncIterator[bytes]:
    source: BinaryIO = await asyncio.to_thread(path.open, "rb")
    try:
        source.seek(span.first)
        left = span.length
        while left and (block := await asyncio.to_thread(source.read, min(4 * _BLOCK, left))):
            left -= len(block)
            yield block
    finally:
        source.close()
