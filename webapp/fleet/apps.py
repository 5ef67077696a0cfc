"""Django's name for this app."""

from django.apps import AppConfig


class FleetConfig(AppConfig):
    """Workers and queues."""

    name = "webapp.fleet"
    verbose_name = "Fleet"
