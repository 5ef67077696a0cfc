"""Runs whose output is answered while it is made."""

import functools
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chainlets.endpoint import Piece, Shape
from webapp.api.access import key_of, user_of
from webapp.api.json_values import check_storable
from webapp.api.problems import MEDIA_TYPE, problem
from webapp.api.shapes import NOT_NOW
from webapp.catalog.services import current_catalog
from webapp.files.streaming import ResponseBroken
from webapp.runs.errors import ChainNotStreaming, UnknownChain
from webapp.runs.live import RunFailed, live_output
from webapp.runs.services import start_run

_ACCEPTED = 202
_PLAIN, _BYTES = "text/plain; charset=utf-8", "application/octet-stream"


class NewStreamShape(serializers.Serializer[Any]):
    """What starts a streaming run; the arguments may also stand in the body as they are."""

    input = serializers.DictField(default=dict)
    title = serializers.CharField(max_length=200, allow_blank=True, default="")


class StartStream(APIView):
    """Starts a run of a streaming chain."""

    @extend_schema(
        operation_id="chains_stream",
        request=NewStreamShape,
        responses={
            200: OpenApiResponse(OpenApiTypes.BINARY, "The output, piece by piece, as it is made."),
            **NOT_NOW,
        },
    )
    def post(self, request: Request, name: str) -> Response:
        """Start a run, and answer with its output as it comes; `Location` and `X-Run-Id` name the run.

        A run that fails before its first piece is answered with a problem. One that fails later
        ends the connection without the end of the response; the run says why.
        """
        loaded = current_catalog().chains.get(name)
        if loaded is None:
            raise UnknownChain(f"There is no chain called {name!r}. GET /api/chains lists those there are.")
        if loaded.entrypoint.endpoint.shape is not Shape.STREAM:
            raise ChainNotStreaming(
                f"The chain {name!r} gives one value and no stream. Start it with POST /api/runs."
            )
        form = NewStreamShape(data=_wrapped(request.data, loaded.entrypoint.endpoint.parameters))
        form.is_valid(raise_exception=True)
        check_storable(form.validated_data["input"])
        run = start_run(user=user_of(request), key=key_of(request), chain=name, **form.validated_data).run
        is_text = loaded.entrypoint.endpoint.piece_types == (str,)
        return Response({"run": run, "media_type": _PLAIN if is_text else _BYTES}, status=_ACCEPTED)


async def _stream_run(request: HttpRequest, name: str) -> HttpResponseBase:
    """Start a run by the view above, and stream what it gives."""
    response: Any = await sync_to_async(StartStream.as_view())(request, name=name)
    if response.status_code != _ACCEPTED:
        return response  # type: ignore[no-any-return]
    run, media_type = response.data["run"], response.data["media_type"]
    headers = {"Location": f"/api/runs/{run.id}", "X-Run-Id": str(run.id), "X-Accel-Buffering": "no"}
    output = live_output(run.id)
    try:
        first = await anext(output, None)
    except RunFailed as error:
        return _failed(error, headers)
    return StreamingHttpResponse(_body(first, output), content_type=media_type, headers=headers)


#: The view for the address; it carries the marks of the class, for the schema.
stream_run = functools.update_wrapper(_stream_run, StartStream.as_view())


async def _body(first: list[Piece] | None, output: AsyncIterator[list[Piece]]) -> AsyncIterator[bytes]:
    try:
        for piece in first or ():
            yield _bytes(piece)
        async for pieces in output:
            yield b"".join(map(_bytes, pieces))
    except RunFailed as error:
        raise ResponseBroken(error.detail) from error


def _bytes(piece: Piece) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece


def _failed(error: RunFailed, headers: dict[str, str]) -> HttpResponseBase:
    failure = error.failure
    status = (failure.first_status if failure else None) or 500
    body = problem(status=status, code="run_failed", detail=error.detail)
    if failure is not None:
        body["error"] = {**failure.model_dump(mode="json"), "text": failure.text()}
    return JsonResponse(body, status=status, headers=headers, content_type=MEDIA_TYPE)


def _wrapped(data: Any, parameters: tuple[str, ...]) -> Any:
    """The body with its arguments under `input`: callers written for truss_chains send them bare."""
    if isinstance(data, dict) and (not {"input", "title"} >= data.keys() or "input" in parameters):
        return {"input": data}
    return data
