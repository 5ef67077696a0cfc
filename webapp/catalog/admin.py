"""Chains for operators: what was found in the source, version by version."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from webapp.catalog.models import Chain, ChainVersion
from webapp.runs.reading import pretty

if TYPE_CHECKING:
    ReadChains = admin.ModelAdmin[Chain]
    ReadVersions = admin.TabularInline[ChainVersion, Chain]
else:
    ReadChains = admin.ModelAdmin
    ReadVersions = admin.TabularInline


class VersionInline(ReadVersions):
    """The versions of one chain."""

    model = ChainVersion
    extra = 0
    can_delete = False
    fields = ["number", "entrypoint", "description", "created_at", "graph_shown", "schemas_shown"]
    readonly_fields = ["number", "entrypoint", "description", "created_at", "graph_shown", "schemas_shown"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody: versions come from the source."""
        return False

    @admin.display(description="graph")
    def graph_shown(self, version: ChainVersion) -> SafeString:
        """Chainlets with their queues, and calls."""
        return format_html("<details><summary>show</summary><pre>{}</pre></details>", pretty(version.graph))

    @admin.display(description="schemas")
    def schemas_shown(self, version: ChainVersion) -> SafeString:
        """Input and output."""
        both = {"input": version.input_schema, "output": version.output_schema}
        return format_html("<details><summary>show</summary><pre>{}</pre></details>", pretty(both))


@admin.register(Chain)
class ChainAdmin(ReadChains):
    """Chains with their versions and number of runs."""

    list_display = ["name", "versions_counted", "runs_counted"]
    search_fields = ["name"]
    readonly_fields = ["name"]
    inlines = [VersionInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Chain]:
        """Count as we read."""
        counts = {
            "version_count": Count("versions", distinct=True),
            "run_count": Count("runs", distinct=True),
        }
        return super().get_queryset(request).annotate(**counts)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Nobody: chains come from the source."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody: runs refer to them."""
        return False

    @admin.display(description="versions", ordering="version_count")
    def versions_counted(self, chain: Any) -> int:
        """How many contents were seen."""
        return int(chain.version_count)

    @admin.display(description="runs", ordering="run_count")
    def runs_counted(self, chain: Any) -> int:
        """How often it was run."""
        return int(chain.run_count)
