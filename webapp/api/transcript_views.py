"""Transcripts for saving, in the formats of editors and players."""

from pathlib import PurePath
from typing import cast, get_args
from uuid import UUID

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from chainlets.chains.transcribe.captions import Format, render
from chainlets.chains.transcribe.types import Transcript
from webapp.api.access import run_of
from webapp.errors import NotFound, WebappError
from webapp.files.names import clean_name
from webapp.runs.models import Run, State
from webapp.runs.values import output_of

_MEDIA_TYPES = {
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "json": "application/json",
    "tsv": "text/tab-separated-values; charset=utf-8",
}


class TranscriptNotReady(WebappError):
    """The transcript is there once the run has succeeded."""

    status = 409
    code = "transcript_not_ready"


class RunTranscript(APIView):
    """A transcription run's text."""

    @extend_schema(
        operation_id="runs_transcript",
        parameters=[
            OpenApiParameter("fmt", str, OpenApiParameter.PATH, enum=list(get_args(Format))),
            OpenApiParameter("download", str, description="any value: save it under the run's title"),
        ],
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: Request, run_id: UUID, fmt: str) -> HttpResponse:
        """Render it as text, subtitles or data."""
        run = run_of(request, run_id)
        if fmt not in _MEDIA_TYPES:
            raise NotFound("Transcripts come as txt, srt, vtt, json or tsv.")
        text = render(_transcript(run), cast("Format", fmt))
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        attachment = "download" in request.query_params
        name = clean_name(PurePath(run.title).stem or run.chain.name)
        headers["Content-Disposition"] = (
            content_disposition_header(attachment, f"{name}.{fmt}") or "attachment"
        )
        return HttpResponse(text, content_type=_MEDIA_TYPES[fmt], headers=headers)


def _transcript(run: Run) -> Transcript:
    if run.version.output_schema.get("title") != Transcript.__name__:
        raise NotFound("This run is not a transcription, so it has no transcript.")
    if run.state != State.SUCCEEDED:
        raise TranscriptNotReady(_WHY_NOT[State(run.state)])
    try:
        return Transcript.model_validate(output_of(run).value())
    except ValidationError as error:
        # A chain of somebody else's may call its output Transcript too.
        raise NotFound("This run's output is not a transcript that we can render.") from error


_WHY_NOT = {
    State.QUEUED: "The run has not started yet. Its transcript is there once it has succeeded.",
    State.RUNNING: "The run is still at work. Its transcript is there once it has succeeded.",
    State.FAILED: "The run failed, so there is no whole transcript. Resume it, or read its events.",
    State.CANCELLED: "The run was cancelled, so there is no whole transcript. Resume it, or read its events.",
}
