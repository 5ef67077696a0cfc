"""The JSON of the interface: what comes in is checked here, what goes out has this form."""

import math
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import OpenApiResponse, extend_schema_field
from rest_framework import serializers

from webapp.files.models import File
from webapp.runs.deadlines import MOST_S
from webapp.runs.models import Attempt, Event, Invocation, Priority, Run, WhyUnserved
from webapp.runs.reading import error_text
from webapp.runs.values import Stored, ValueGone, input_of, output_of, result_of

STATES = ("queued", "running", "succeeded", "failed", "cancelled")


class ProblemShape(serializers.Serializer[Any]):
    """An error; `detail` says what to do, `errors` says it by field."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # the problem's own word
        child=serializers.ListField(child=serializers.CharField())
    )


#: How the schema tells that a run may be refused for now.
NOT_NOW = {
    429: OpenApiResponse(
        ProblemShape,
        "The user or the key has too many open runs (`too_many_open_runs`), or has started too many in a minute "
        "(`too_many_runs_per_minute`). Nothing was stored. `Retry-After` says after how many seconds to try again.",
    ),
    503: OpenApiResponse(
        ProblemShape,
        "Too many calls are queued (`system_busy`), or the database does not answer (`unavailable`). Nothing was "
        "stored. `Retry-After` says after how many seconds to try again.",
    ),
}


class FileShape(serializers.ModelSerializer[File]):
    """A stored file."""

    url = serializers.SerializerMethodField()

    class Meta:
        """Fields."""

        model = File
        fields = ("id", "name", "size", "media_type", "sha256", "created_at", "url")
        read_only_fields = fields

    def get_url(self, file: File) -> str:
        """Where its bytes are."""
        return f"/api/files/{file.id}/content"


class ProgressShape(serializers.Serializer[Any]):
    """How far a run is, in units of its own, such as seconds of sound."""

    done = serializers.FloatField()
    total = serializers.FloatField()
    message = serializers.CharField(allow_blank=True)


class WaitingShape(serializers.Serializer[Any]):
    """Work on a queue that no live worker serves."""

    queue = serializers.CharField()
    count = serializers.IntegerField(help_text="Calls that wait there.")
    since = serializers.DateTimeField(help_text="When the oldest of them entered the queue.")
    reason = serializers.ChoiceField(
        choices=WhyUnserved.choices, help_text="What became of the worker that served the queue last."
    )


class FrameShape(serializers.Serializer[Any]):
    """One of the author's lines on the way to a failure."""

    file = serializers.CharField()
    line = serializers.IntegerField()
    name = serializers.CharField()
    code = serializers.CharField(allow_blank=True)


class FailureShape(serializers.Serializer[Any]):
    """Why something failed, as data and as text. Runs of earlier versions may lack some fields."""

    type = serializers.CharField(help_text="Class of the exception.")
    module = serializers.CharField(help_text="Where that class lives.")
    message = serializers.CharField(allow_blank=True)
    chainlet = serializers.CharField(
        allow_null=True, help_text="Null if it happened in the chainlet of the failure above."
    )
    invocation = serializers.UUIDField(allow_null=True)
    attempt = serializers.IntegerField(allow_null=True)
    worker = serializers.CharField(allow_null=True, required=False)
    retryable = serializers.BooleanField(help_text="Whether a second try may help.")
    status = serializers.IntegerField(
        allow_null=True, required=False, help_text="The HTTP status that the exception asks for."
    )
    frames = FrameShape(many=True, help_text="The author's lines, outermost first.")
    cause = serializers.DictField(
        allow_null=True, help_text="The failure that led to this one, of the same form but without `text`."
    )
    text = serializers.CharField(help_text="The whole story for a person; its last line is the root cause.")


def failure_shown(error: Any) -> Any:
    """A recorded failure, with the story that a person reads as `text`."""
    return {**error, "text": error_text(error)} if isinstance(error, dict) else error


_MISSING = "Why a value is not shown although there is one; null if all are."
_TOO_MUCH = "Its values are too much for this page. Ask for fewer at a time with `limit`."


class ValueField(serializers.JSONField):
    """A value that may lie in a file; null if that is gone, or too much for this page, which `missing` then says."""

    def __init__(self, of: Callable[[Any], Stored]) -> None:
        """`of` finds it in a row."""
        super().__init__(read_only=True, allow_null=True)
        self._of = of

    def get_attribute(self, instance: Any) -> Any:
        """The value."""
        if instance.id in self.context["hidden"]:
            return None
        try:
            return self._of(instance).value()
        except ValueGone:
            return None


class RunShape(serializers.ModelSerializer[Run]):
    """A run. Needs `files` and `waiting` by run id, and `hidden` ids in the context; see `present.runs`."""

    chain = serializers.CharField(source="chain.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    state = serializers.ChoiceField(choices=STATES, read_only=True)
    input = serializers.JSONField(read_only=True)
    output = ValueField(output_of)
    missing = serializers.SerializerMethodField(help_text=_MISSING)
    error = serializers.SerializerMethodField()
    warnings = serializers.ListField(child=serializers.CharField(), read_only=True)
    progress = serializers.SerializerMethodField()
    waiting_for = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()
    files = serializers.SerializerMethodField()

    class Meta:
        """Fields."""

        model = Run
        fields = (
            "id",
            "chain",
            "version",
            "state",
            "title",
            "input",
            "output",
            "missing",
            "error",
            "progress",
            "warnings",
            "waiting_for",
            "last_seq",
            "created_at",
            "started_at",
            "ended_at",
            "deadline_at",
            "priority",
            "rerun_of",
            "url",
            "files",
        )
        read_only_fields = fields

    def get_url(self, run: Run) -> str:
        """The run's page."""
        return f"/runs/{run.id}"

    def get_missing(self, run: Run) -> str | None:
        """The sentence."""
        return _TOO_MUCH if run.id in self.context["hidden"] else output_of(run).missing()

    @extend_schema_field(FailureShape(allow_null=True))
    def get_error(self, run: Run) -> Any:
        """Why it failed, from the entrypoint down to the root cause."""
        return failure_shown(run.error)

    @extend_schema_field(ProgressShape(allow_null=True))
    def get_progress(self, run: Run) -> Any:
        """As the chain last reported it."""
        return run.progress

    @extend_schema_field(WaitingShape(many=True))
    def get_waiting_for(self, run: Run) -> Any:
        """Queues on which the run's work waits for a worker that is not there."""
        return self.context["waiting"].get(run.id, [])

    @extend_schema_field(FileShape(many=True))
    def get_files(self, run: Run) -> Any:
        """The files in its input."""
        return self.context["files"].get(run.id, [])


class SecondsField(serializers.FloatField):
    """A time to be waited: more than nothing, and less than a year."""

    def to_internal_value(self, data: Any) -> float:
        """Seconds."""
        seconds = math.nan if isinstance(data, bool) else super().to_internal_value(data)
        if not 0 < seconds <= MOST_S:
            raise serializers.ValidationError(f"Write a number of seconds, above 0 and at most {MOST_S}.")
        return seconds


class NewRunShape(serializers.Serializer[Any]):
    """What starts a run."""

    chain = serializers.CharField(max_length=200)
    input = serializers.DictField(default=dict)
    title = serializers.CharField(max_length=200, allow_blank=True, default="")
    deadline_s = SecondsField(
        allow_null=True,
        default=None,
        help_text="Seconds from now after which the run fails if it has not ended. No limit by default.",
    )
    priority = serializers.ChoiceField(
        choices=Priority.values,
        default=Priority.NORMAL,
        help_text="Whose calls are taken first where several wait. Only staff may ask for `high`.",
    )


class ResumeShape(serializers.Serializer[Any]):
    """How a run goes on."""

    deadline_s = SecondsField(
        allow_null=True,
        default=None,
        help_text="Seconds from now that it may take. A deadline that it had before counts no more.",
    )


class RerunShape(serializers.Serializer[Any]):
    """How a run is repeated."""

    input = serializers.DictField(
        allow_null=True, default=None, help_text="Another input. By default the same."
    )
    title = serializers.CharField(max_length=200, allow_blank=True, default="")
    deadline_s = SecondsField(
        allow_null=True,
        default=None,
        help_text="Seconds from now after which the new run fails if it has not ended. No limit by default.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """With `from`, which is a keyword of Python."""
        start = serializers.UUIDField(
            source="start",
            allow_null=True,
            default=None,
            help_text="An invocation of the old run that is made anew, with everything below it. The "
            "entrypoint's: nothing is kept.",
        )
        return {"from": start, **super().get_fields()}


class EventShape(serializers.ModelSerializer[Event]):
    """One line of a run's history."""

    invocation = serializers.UUIDField(source="invocation_id", allow_null=True, read_only=True)
    data = serializers.JSONField(read_only=True)  # type: ignore[assignment]  # the event's own word

    class Meta:
        """Fields."""

        model = Event
        fields = ("seq", "at", "type", "invocation", "data")
        read_only_fields = fields


class EventsShape(serializers.Serializer[Any]):
    """Some events, and the number of the run's last one."""

    events = EventShape(many=True)
    last_seq = serializers.IntegerField()


class AttemptShape(serializers.ModelSerializer[Attempt]):
    """One try of an invocation."""

    error = serializers.JSONField(read_only=True, allow_null=True)

    class Meta:
        """Fields."""

        model = Attempt
        fields = ("number", "worker", "hardware", "state", "started_at", "ended_at", "error")
        read_only_fields = fields


class InvocationShape(serializers.ModelSerializer[Invocation]):
    """One call of one chainlet. Needs `hidden` ids in the context; see `present.calls`."""

    parent = serializers.UUIDField(  # type: ignore[assignment]  # the invocation's own word
        source="parent_id", allow_null=True, read_only=True
    )
    input = ValueField(input_of)
    output = ValueField(result_of)
    missing = serializers.SerializerMethodField(help_text=_MISSING)
    error = serializers.SerializerMethodField()
    attempts = AttemptShape(many=True, read_only=True)

    class Meta:
        """Fields."""

        model = Invocation
        fields = (
            "id",
            "parent",
            "chainlet",
            "queue",
            "state",
            "attempt",
            "attempts",
            "created_at",
            "started_at",
            "ended_at",
            "input",
            "output",
            "missing",
            "error",
        )
        read_only_fields = fields

    def get_missing(self, invocation: Invocation) -> str | None:
        """The sentence."""
        if invocation.id in self.context["hidden"]:
            return _TOO_MUCH
        return input_of(invocation).missing() or result_of(invocation).missing()

    @extend_schema_field(FailureShape(allow_null=True))
    def get_error(self, invocation: Invocation) -> Any:
        """Why it failed, from this call down to the root cause."""
        return failure_shown(invocation.error)


class NodeShape(serializers.Serializer[Any]):
    """One chainlet of a chain."""

    chainlet = serializers.CharField()
    queue = serializers.CharField()
    description = serializers.CharField(allow_blank=True)


class GraphShape(serializers.Serializer[Any]):
    """Chainlets, and who calls whom."""

    nodes = NodeShape(many=True)
    edges = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(), min_length=2, max_length=2)
    )


class ChainShape(serializers.Serializer[Any]):
    """A chain in its current version."""

    name = serializers.CharField()
    version = serializers.IntegerField()
    description = serializers.CharField(allow_blank=True)
    entrypoint = serializers.CharField()
    input_schema = serializers.DictField()
    output_schema = serializers.DictField()
    graph = GraphShape()
    created_at = serializers.DateTimeField()


class ChainProblemShape(serializers.Serializer[Any]):
    """A chain file that cannot be used, and why."""

    file = serializers.CharField()
    message = serializers.CharField()


class ChainsShape(serializers.Serializer[Any]):
    """All chains; they fit on one page."""

    results = ChainShape(many=True)
    problems = ChainProblemShape(many=True)
    next = serializers.CharField(allow_null=True)


class LoginShape(serializers.Serializer[Any]):
    """Name and password."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class UserShape(serializers.ModelSerializer[User]):
    """The user who asks."""

    class Meta:
        """Fields."""

        model = User
        fields = ("username", "is_staff")
        read_only_fields = fields


class LimitsShape(serializers.Serializer[Any]):
    """What this server takes."""

    max_upload_bytes = serializers.IntegerField()


class MachineShape(serializers.Serializer[Any]):
    """What this server has."""

    gpu = serializers.BooleanField()


class SessionShape(serializers.Serializer[Any]):
    """Who is logged in, and what the page needs to know at its start."""

    user = UserShape()
    csrf_token = serializers.CharField()
    limits = LimitsShape()
    machine = MachineShape()
