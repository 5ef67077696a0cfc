"""Django's name for this app."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Definitions of chains."""

    name = "webapp.catalog"
    verbose_name = "Catalogue"
