"""Files for operators: what there is, and whose it is."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from webapp.errors import WebappError
from webapp.files.errors import readable_size
from webapp.files.models import File
from webapp.files.services import delete_file

if TYPE_CHECKING:
    ReadFiles = admin.ModelAdmin[File]
else:
    ReadFiles = admin.ModelAdmin


@admin.register(File)
class FileAdmin(ReadFiles):
    """Files of all users. They are removed with their bytes, unless a run is using them."""

    list_display = ["name", "size_shown", "media_type", "owner", "keep", "run", "created_at"]
    list_filter = ["media_type", "keep", "owner"]
    list_select_related = ["owner", "run"]
    search_fields = ["id", "name", "sha256", "owner__username"]
    actions = ["remove"]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Nobody: files are uploaded."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Not the plain way, which would leave the bytes; see `remove`."""
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may remove other people's files."""
        return request.user.has_perm("files.delete_file")

    @admin.display(description="size", ordering="size")
    def size_shown(self, file: File) -> str:
        """As people write it."""
        return readable_size(file.size)

    @admin.action(description="Remove the chosen files and their bytes", permissions=["operate"])
    def remove(self, request: HttpRequest, queryset: QuerySet[File]) -> None:
        """Remove each; those in use are named."""
        for file in queryset:
            try:
                delete_file(file=file)
            except WebappError as error:
                self.message_user(request, f"{file}: {error.detail}", messages.WARNING)
            else:
                self.message_user(request, f"{file} is removed.", messages.SUCCESS)
