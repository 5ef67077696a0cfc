"""Names this app to Django."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The REST interface."""

    name = "webapp.api"
