"""Django's name for this app."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    """Runs, invocations, events."""

    name = "webapp.runs"
    verbose_name = "Runs"
