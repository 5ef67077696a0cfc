"""Names this app to Django."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and their API keys."""

    name = "webapp.accounts"
