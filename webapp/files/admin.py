"""Files for operators: what there is, and whose it is."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, path

from webapp.errors import WebappError
from webapp.files.errors import FileNotFound, readable_size
from webapp.files.models import File
from webapp.files.responses import content_response
from webapp.files.services import delete_file, local_path

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

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the bytes."""
        view = self.admin_site.admin_view(self.content_view)
        return [path("<uuid:file_id>/content/", view, name="files_file_content"), *super().get_urls()]

    def content_view(self, request: HttpRequest, file_id: UUID) -> HttpResponseBase:
        """The bytes, for those who may see the file."""
        file = self.get_object(request, str(file_id))
        if not self.has_view_permission(request, file):
            raise PermissionDenied
        try:
            if file is not None:
                return content_response(request, file, local_path(file_id=str(file_id)))
        except FileNotFound as error:
            raise Http404 from error
        raise Http404

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
