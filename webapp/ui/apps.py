"""Names this app to Django."""

from django.apps import AppConfig


class UiConfig(AppConfig):
    """Serves the built page and the headers that guard it."""

    name = "webapp.ui"
