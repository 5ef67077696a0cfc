"""Names this app to Django."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The REST interface."""

    name = "webapp.api"

    def ready(self) -> None:
        """Make the schema's extensions known, which are found by being imported."""
        import webapp.api.schema  # noqa: F401
