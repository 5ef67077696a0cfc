"""Names this app to Django."""

from django.apps import AppConfig


class FilesConfig(AppConfig):
    """Uploads, the file store and byte ranges."""

    name = "webapp.files"
