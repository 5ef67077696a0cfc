"""Workers for operators."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from webapp.fleet.models import Worker
from webapp.runs.reading import took
from webapp.runs.unserved import unserved_queues

if TYPE_CHECKING:
    ReadWorkers = admin.ModelAdmin[Worker]
else:
    ReadWorkers = admin.ModelAdmin


@admin.register(Worker)
class WorkerAdmin(ReadWorkers):
    """Worker processes, live and gone."""

    list_display = ["name", "state", "hardware", "queues_shown", "host", "pid", "started_at", "last_seen"]
    list_filter = ["state", "hardware", "host"]
    search_fields = ["name", "host"]
    change_list_template = "admin/fleet/worker/change_list.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Above the workers that there are, the queues that lack one."""
        return super().changelist_view(request, {**(extra_context or {}), "unserved": unserved_queues()})

    @admin.display(description="queues")
    def queues_shown(self, worker: Worker) -> str:
        """Separated by commas."""
        return ", ".join(worker.queues)

    @admin.display(description="last heartbeat", ordering="heartbeat_at")
    def last_seen(self, worker: Worker) -> str:
        """How long ago."""
        return f"{took(worker.heartbeat_at, None, now=timezone.now())} ago"

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Nobody: workers make themselves known."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody."""
        return False
