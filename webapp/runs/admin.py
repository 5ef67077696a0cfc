"""Runs for operators: everything readable, nothing writable, and two things to do."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from webapp.errors import WebappError
from webapp.runs.admin_html import calls_html, error_html, notes_html, state_mark, value_html
from webapp.runs.models import FINAL, Event, Invocation, Run, State
from webapp.runs.reading import moment, pretty, start_command, took, waits_for
from webapp.runs.services import cancel_run, resume_run
from webapp.runs.values import input_of, output_of, result_of

if TYPE_CHECKING:
    ReadRuns = admin.ModelAdmin[Run]
    ReadInvocations = admin.ModelAdmin[Invocation]
    ReadEvents = admin.ModelAdmin[Event]
else:
    ReadRuns = ReadInvocations = ReadEvents = admin.ModelAdmin


class ReadOnly:
    """Records of what happened: nobody adds to them or changes them by hand."""

    class Media:
        css = {"all": ["runs/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody: a run is deleted over the interface, which also takes its files."""
        return False


@admin.register(Run)
class RunAdmin(ReadOnly, ReadRuns):
    """Runs of all users."""

    list_display = ["state_shown", "title_shown", "chain_shown", "owner", "age", "length"]
    list_display_links = ["state_shown", "title_shown"]
    list_filter = ["state", "chain", "owner"]
    list_select_related = ["chain", "version", "owner"]
    list_per_page = 50
    search_fields = ["id", "title", "owner__username"]
    date_hierarchy = "created_at"
    actions = ["cancel", "resume"]
    change_form_template = "admin/runs/run/page.html"
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "state_shown",
                    "title_shown",
                    "chain_shown",
                    "owner",
                    "api_key",
                    "id",
                    "repeats",
                    "events_shown",
                ]
            },
        ),
        ("Waiting for a worker", {"fields": ["waiting_shown"]}),
        ("Times", {"fields": ["created", "started", "ended", "deadline", "length", "progress_shown"]}),
        ("What went wrong", {"fields": ["error_shown", "warnings_shown"]}),
        ("Invocations", {"fields": ["invocations_shown"], "classes": ["run-calls"]}),
        ("Input and output", {"fields": ["input_shown", "output_shown"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        """Add the two buttons' addresses."""
        view = self.admin_site.admin_view
        own = [
            path("<uuid:run_id>/cancel/", view(require_POST(self.cancel_view)), name="runs_run_cancel"),
            path("<uuid:run_id>/resume/", view(require_POST(self.resume_view)), name="runs_run_resume"),
        ]
        return own + super().get_urls()

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may cancel and resume other people's runs."""
        return request.user.has_perm("runs.change_run")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Tell the template which buttons make sense."""
        run: Run | None = kwargs.get("obj")
        may = run is not None and self.has_operate_permission(request)
        context["may_cancel"] = may and run is not None and run.state not in FINAL
        context["may_resume"] = may and run is not None and run.state in (State.FAILED, State.CANCELLED)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.action(description="Cancel the chosen runs", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Cancel each; those that have ended are named."""
        for run in queryset:
            self._do(request, run, "cancel")

    @admin.action(description="Resume the chosen runs", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Resume each; those that cannot be are named."""
        for run in queryset:
            self._do(request, run, "resume")

    def cancel_view(self, request: HttpRequest, run_id: UUID) -> HttpResponseRedirect:
        """The button on the run's page."""
        return self._button(request, run_id, "cancel")

    def resume_view(self, request: HttpRequest, run_id: UUID) -> HttpResponseRedirect:
        """The button on the run's page."""
        return self._button(request, run_id, "resume")

    def _button(self, request: HttpRequest, run_id: UUID, what: str) -> HttpResponseRedirect:
        if not self.has_operate_permission(request):
            raise PermissionDenied
        run = Run.objects.filter(id=run_id).first()
        if run is None:
            raise Http404
        self._do(request, run, what)
        return HttpResponseRedirect(reverse("admin:runs_run_change", args=[run_id]))

    def _do(self, request: HttpRequest, run: Run, what: str) -> None:
        service = cancel_run if what == "cancel" else resume_run
        try:
            service(run=run, by=request.user.get_username())
        except WebappError as error:
            self.message_user(request, f"{run}: {error.detail}", messages.WARNING)
        else:
            done = "cancelled" if what == "cancel" else "resumed"
            self.message_user(request, f"{run} is {done}.", messages.SUCCESS)

    @admin.display(description="state", ordering="state")
    def state_shown(self, run: Run) -> SafeString:
        """Word, sign and colour."""
        return state_mark(run.state)

    @admin.display(description="title", ordering="title")
    def title_shown(self, run: Run) -> str:
        """Its title, or its id."""
        return str(run)

    @admin.display(description="chain", ordering="chain__name")
    def chain_shown(self, run: Run) -> str:
        """Name and version."""
        return str(run.version)

    @admin.display(ordering="-created_at")
    def age(self, run: Run) -> str:
        """Since it was created."""
        return f"{took(run.created_at, None, now=timezone.now())} ago"

    @admin.display
    def length(self, run: Run) -> str:
        """From its start to its end, or until now."""
        return took(run.started_at, run.ended_at, now=timezone.now())

    @admin.display
    def created(self, run: Run) -> str:
        """When it was accepted."""
        return moment(run.created_at)

    @admin.display
    def started(self, run: Run) -> str:
        """When its first work began."""
        return moment(run.started_at)

    @admin.display
    def ended(self, run: Run) -> str:
        """When it came to its end."""
        return moment(run.ended_at)

    @admin.display
    def deadline(self, run: Run) -> str:
        """By when it has to end."""
        return moment(run.deadline_at)

    @admin.display(description="progress")
    def progress_shown(self, run: Run) -> str:
        """As the chain last reported it."""
        if not run.progress:
            return "–"
        return "{message} {done:g} of {total:g}".format(**run.progress).strip()

    def get_fieldsets(self, request: HttpRequest, obj: Run | None = None) -> Any:
        """Leave out that it waits, if it does not."""
        found = super().get_fieldsets(request, obj)
        waits = obj is not None and obj.state not in FINAL and obj.unserved.exists()
        return [
            (name, options) for name, options in found if waits or "waiting_shown" not in options["fields"]
        ]

    @admin.display(description="queues without a worker")
    def waiting_shown(self, run: Run) -> SafeString:
        """What waits, why, and what to type."""
        return format_html_join(
            "\n",
            "<div>{} Start one with <code>{}</code>.</div>",
            ((waits_for(wait), start_command(wait.queue)) for wait in run.unserved.all()),
        )

    @admin.display(description="error")
    def error_shown(self, run: Run) -> SafeString | str:
        """From the entrypoint down to the root cause."""
        return error_html(run.error)

    @admin.display(description="warnings")
    def warnings_shown(self, run: Run) -> str:
        """One sentence each."""
        return "\n".join(map(str, run.warnings)) or "–"

    @admin.display(description="input")
    def input_shown(self, run: Run) -> SafeString:
        """As submitted."""
        return format_html("<pre>{}</pre>", pretty(run.input))

    @admin.display(description="output")
    def output_shown(self, run: Run) -> SafeString:
        """The entrypoint's value."""
        return value_html(output_of(run))

    @admin.display
    def repeats(self, run: Run) -> SafeString | str:
        """The run that this one repeats."""
        if run.rerun_of is None:
            return "–"
        address = reverse("admin:runs_run_change", args=[run.rerun_of])
        return format_html('<a href="{}">{}</a>', address, run.rerun_of)

    @admin.display(description="history")
    def events_shown(self, run: Run) -> SafeString:
        """A link to the events."""
        address = reverse("admin:runs_event_changelist")
        return format_html('<a href="{}?run__id__exact={}">{} events</a>', address, run.id, run.last_seq)

    @admin.display(description="calls")
    def invocations_shown(self, run: Run) -> SafeString:
        """All calls of the run, nested as they were made, each with its attempts."""
        return calls_html(run)


@admin.register(Invocation)
class InvocationAdmin(ReadOnly, ReadInvocations):
    """Calls of all runs."""

    list_display = ["state_shown", "chainlet", "queue", "attempt", "worker", "run", "created_at", "length"]
    list_filter = ["state", "queue", "chainlet"]
    list_select_related = ["run"]
    search_fields = ["id", "run__id", "run__title", "worker"]
    ordering = ["-created_at"]
    show_full_result_count = False
    exclude = ["input", "result", "error"]
    readonly_fields = ["state_shown", "length", "error_shown", "notes_shown", "input_shown", "result_shown"]

    @admin.display(description="state", ordering="state")
    def state_shown(self, invocation: Invocation) -> SafeString:
        """Word, sign and colour."""
        return state_mark(invocation.state)

    @admin.display
    def length(self, invocation: Invocation) -> str:
        """From its start to its end, or until now."""
        return took(invocation.started_at, invocation.ended_at, now=timezone.now())

    @admin.display(description="error")
    def error_shown(self, invocation: Invocation) -> SafeString | str:
        """From this call down to the root cause."""
        return error_html(invocation.error)

    @admin.display(description="log")
    def notes_shown(self, invocation: Invocation) -> SafeString:
        """Its log, and where it blocked its loop."""
        return notes_html(invocation)

    @admin.display(description="input")
    def input_shown(self, invocation: Invocation) -> SafeString:
        """As it was called."""
        return value_html(input_of(invocation))

    @admin.display(description="result")
    def result_shown(self, invocation: Invocation) -> SafeString:
        """What it gave."""
        return value_html(result_of(invocation))


@admin.register(Event)
class EventAdmin(ReadOnly, ReadEvents):
    """The history; best opened from a run."""

    list_display = ["seq", "moment_shown", "type", "invocation_short", "data_shown"]
    list_display_links = None
    list_filter = ["type"]
    list_per_page = 500
    ordering = ["-run__created_at", "seq"]
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The run's page links to its own events."""
        return lookup == "run__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="at", ordering="at")
    def moment_shown(self, event: Event) -> str:
        """To the millisecond."""
        return moment(event.at)

    @admin.display(description="invocation")
    def invocation_short(self, event: Event) -> str:
        """The beginning of its id."""
        return str(event.invocation_id)[:8] if event.invocation_id else "–"

    @admin.display(description="data")
    def data_shown(self, event: Event) -> SafeString:
        """As JSON."""
        return format_html("<code>{}</code>", pretty(event.data)[:2000])
