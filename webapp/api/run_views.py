"""Runs over REST: start, list, read, cancel, resume, delete."""

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webapp.api.access import key_of, run_of, run_to_repeat, runs_of, user_of
from webapp.api.json_values import check_storable
from webapp.api.pagination import NewestFirst, OldestFirst
from webapp.api.present import calls, one_run, some_runs
from webapp.api.shapes import (
    NOT_NOW,
    STATES,
    EventsShape,
    InvocationShape,
    NewRunShape,
    RerunShape,
    ResumeShape,
    RunShape,
)
from webapp.runs.accepting import StartedRun
from webapp.runs.models import Invocation, Run
from webapp.runs.rerun import rerun
from webapp.runs.services import cancel_run, delete_run, events_after, resume_run, start_run
from webapp.runs.wire import event_json

MAX_EVENTS = 5000


class _RunFilter(serializers.Serializer[None]):
    state = serializers.ChoiceField(choices=STATES, required=False)
    chain = serializers.CharField(max_length=200, required=False)


class _EventsWanted(serializers.Serializer[None]):
    after = serializers.IntegerField(min_value=0, max_value=2**53, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_EVENTS, default=1000)


class _IdempotencyKey(serializers.Serializer[None]):
    key = serializers.CharField(max_length=255, required=False)


def _idempotency_key(request: Request) -> str | None:
    given = request.headers.get("Idempotency-Key")
    form = _IdempotencyKey(data={} if given is None else {"key": given})
    form.is_valid(raise_exception=True)
    key: str | None = form.validated_data.get("key")
    return key


def _accepted(started: StartedRun) -> Response:
    status = 202 if started.created else 200
    headers = {"Location": f"/api/runs/{started.run.id}"}
    return Response(one_run(started.run), status=status, headers=headers)


class Runs(APIView):
    """The user's runs."""

    @extend_schema(
        operation_id="runs_create",
        request=NewRunShape,
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
        responses={202: RunShape, 200: RunShape, **NOT_NOW},
    )
    def post(self, request: Request) -> Response:
        """Start a run. The same Idempotency-Key with the same body gives the first run again."""
        form = NewRunShape(data=request.data)
        form.is_valid(raise_exception=True)
        check_storable(form.validated_data["input"])
        started = start_run(
            user=user_of(request),
            key=key_of(request),
            idempotency_key=_idempotency_key(request),
            **form.validated_data,
        )
        return _accepted(started)

    @extend_schema(
        operation_id="runs_list", parameters=[_RunFilter], responses=RunShape(many=True), filters=True
    )
    def get(self, request: Request) -> Response:
        """Newest first."""
        wanted = _RunFilter(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        runs = runs_of(request)
        if state := wanted.validated_data.get("state"):
            runs = runs.filter(state=state)
        if chain := wanted.validated_data.get("chain"):
            runs = runs.filter(chain__name=chain)
        pages = NewestFirst()
        page: list[Run] = pages.paginate_queryset(runs, request, self) or []
        return pages.get_paginated_response(some_runs(page))


class OneRun(APIView):
    """A run."""

    @extend_schema(operation_id="runs_read", responses=RunShape)
    def get(self, request: Request, run_id: UUID) -> Response:
        """Its state, folded from its events up to `last_seq`."""
        return Response(one_run(run_of(request, run_id)))

    @extend_schema(operation_id="runs_delete", responses={204: OpenApiResponse(description="Deleted")})
    def delete(self, request: Request, run_id: UUID) -> Response:
        """Cancel it if it goes on, and remove it with its files."""
        delete_run(run=run_of(request, run_id), by=user_of(request).username)
        return Response(status=204)


class RunEvents(APIView):
    """A run's history."""

    @extend_schema(operation_id="runs_events", parameters=[_EventsWanted], responses=EventsShape)
    def get(self, request: Request, run_id: UUID) -> Response:
        """Events with a `seq` greater than `after`, in order."""
        wanted = _EventsWanted(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        run = run_of(request, run_id)
        events = events_after(run_id=run.id, **wanted.validated_data)
        return Response({"events": [event_json(event) for event in events], "last_seq": run.last_seq})


class RunInvocations(APIView):
    """A run's invocations."""

    @extend_schema(operation_id="runs_invocations", responses=InvocationShape(many=True))
    def get(self, request: Request, run_id: UUID) -> Response:
        """Every call of a chainlet in this run, with its attempts."""
        pages = OldestFirst()
        page: list[Invocation] | None = pages.paginate_queryset(
            run_of(request, run_id).invocations.prefetch_related("attempts"), request, self
        )
        return pages.get_paginated_response(calls(page or []))


class CancelRun(APIView):
    """Cancels a run."""

    @extend_schema(operation_id="runs_cancel", request=None, responses=RunShape)
    def post(self, request: Request, run_id: UUID) -> Response:
        """Stop it and everything it has called."""
        run = cancel_run(run=run_of(request, run_id), by=user_of(request).username)
        return Response(one_run(run))


class ResumeRun(APIView):
    """Resumes a run."""

    @extend_schema(
        operation_id="runs_resume", request=ResumeShape, responses={202: RunShape, 429: NOT_NOW[429]}
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        """Go on where it stopped; finished calls are kept."""
        run = run_of(request, run_id)
        form = ResumeShape(data=request.data)
        form.is_valid(raise_exception=True)
        run = resume_run(run=run, by=user_of(request).username, **form.validated_data)
        return Response(one_run(run), status=202)


class RerunRun(APIView):
    """Runs a run again."""

    @extend_schema(
        operation_id="runs_rerun",
        request=RerunShape,
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
        responses={202: RunShape, 200: RunShape, **NOT_NOW},
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        """Start a new run of the chain as it is now, with the same input or another.

        Calls that the old run has finished are not made again where their input and their code are the same,
        but for `from` and all below it.
        """
        run = run_to_repeat(request, run_id)
        form = RerunShape(data=request.data)
        form.is_valid(raise_exception=True)
        check_storable(form.validated_data["input"])
        started = rerun(
            run=run,
            by=user_of(request).username,
            key=key_of(request),
            idempotency_key=_idempotency_key(request),
            **form.validated_data,
        )
        return _accepted(started)
