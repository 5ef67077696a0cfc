"""Name and password, throttled, for every login form alike."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from webapp.accounts import throttle


class ThrottledBackend(ModelBackend):
    """Django's own backend behind the throttle."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The user, or None; a blocked name is not even looked up."""
        if request is None or username is None:
            return super().authenticate(request, username, password, **kwargs)
        address = str(request.META.get("REMOTE_ADDR", ""))
        if throttle.blocked(username=username, address=address):
            return None
        user = super().authenticate(request, username, password, **kwargs)
        if user is None:
            throttle.failed(username=username, address=address)
        else:
            throttle.passed(username=username, address=address)
        return user
