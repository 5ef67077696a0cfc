"""Files over REST."""

from uuid import UUID

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webapp.api.access import file_of, user_of
from webapp.api.shapes import FileShape
from webapp.files.responses import content_response
from webapp.files.services import delete_file, local_path
from webapp.files.uploads import receive_upload

_UPLOAD = {
    "multipart/form-data": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    },
}


class Files(APIView):
    """Uploads."""

    parser_classes = []  # the body is not DRF's to read: it is stored while it arrives

    @extend_schema(operation_id="files_create", request=_UPLOAD, responses={201: FileShape})
    def post(self, request: Request) -> Response:
        """Store one recording. What it is, its first bytes decide."""
        if not (request.content_type or "").startswith("multipart/form-data"):
            raise UnsupportedMediaType(
                request.content_type, "Send the file as multipart/form-data in the field `file`."
            )
        file = receive_upload(owner=user_of(request), request=request._request)  # noqa: SLF001
        return Response(FileShape(file).data, status=201, headers={"Location": f"/api/files/{file.id}"})


class OneFile(APIView):
    """A file."""

    @extend_schema(operation_id="files_read", responses=FileShape)
    def get(self, request: Request, file_id: UUID) -> Response:
        """Its name, size and kind."""
        return Response(FileShape(file_of(request, file_id)).data)

    @extend_schema(operation_id="files_delete", responses={204: OpenApiResponse(description="Deleted")})
    def delete(self, request: Request, file_id: UUID) -> Response:
        """Remove it, unless a run that has not ended uses it."""
        delete_file(file=file_of(request, file_id))
        return Response(status=204)


class FileContent(APIView):
    """A file's bytes."""

    @extend_schema(
        operation_id="files_content",
        parameters=[
            OpenApiParameter(
                "Range", str, OpenApiParameter.HEADER, description="one range, as `bytes=0-499`"
            ),
            OpenApiParameter("download", str, description="any value: save it instead of playing it"),
        ],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (206, "application/octet-stream"): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request, file_id: UUID) -> HttpResponseBase:
        """The bytes, or the range that is asked for."""
        file = file_of(request, file_id)
        return content_response(request._request, file, local_path(file_id=str(file.id)))  # noqa: SLF001
