"""API keys as they are kept, enough to recognise them, never enough to use them; and what users may start."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone


class Allowed(models.Model):
    """How many runs somebody may have open, and start in a minute.

    Attributes:
        recent_runs: when runs were started lately; kept only where a minute's number is limited.
    """

    max_open_runs = models.PositiveIntegerField(
        "open runs", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    runs_per_minute = models.PositiveIntegerField(
        "runs per minute", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    recent_runs = models.JSONField(
        default=list, db_default=models.Value([], models.JSONField()), editable=False, blank=True
    )

    class Meta:
        abstract = True


class ApiKey(Allowed):
    """One key of one user. The key itself was shown once and is nowhere stored.

    Its limits count the runs that it has started; the user's count them as well.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=24, unique=True, editable=False)
    hash = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        """Newest first, as people look for them."""

        ordering: ClassVar = ["-created_at"]
        verbose_name = "API key"

    def __str__(self) -> str:
        """Name and the part of the key that may be shown."""
        return f"{self.name} ({self.prefix}…)"

    @property
    def usable(self) -> bool:
        """Neither revoked nor expired; the user's own state is checked at login."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


class Allowance(Allowed):
    """What a user may start, by whatever key or page; where it is empty, what the settings say."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="allowance")

    def __str__(self) -> str:
        """Whose it is."""
        return str(self.user)
