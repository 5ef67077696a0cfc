"""Worker processes, live and gone."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class WorkerState(models.TextChoices):
    """What is known of a worker."""

    LIVE = "live"
    STOPPED = "stopped"
    LOST = "lost"


class Worker(models.Model):
    """One worker process, from its start to its end.

    Attributes:
        name: unique over all processes ever; what invocations refer to.
        slots: calls it executes at a time.
        warm: tasks whose chainlets it has built, as far as that took long.
        slot: its place on its machine, such as "model-1"; the process that follows it takes the same.
    """

    name = models.CharField(max_length=200, unique=True)
    slot = models.CharField(max_length=100)
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    hardware = models.CharField(max_length=50)
    queues = models.JSONField(default=list)
    slots = models.PositiveIntegerField(default=1, db_default=1)
    # A default in the database too, for workers of the release before.
    warm = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    state = models.CharField(max_length=10, choices=WorkerState.choices, default=WorkerState.LIVE)
    started_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """Newest first."""

        ordering: ClassVar = ["-started_at"]
        indexes: ClassVar = [models.Index(fields=["state", "heartbeat_at"])]

    def __str__(self) -> str:
        """Its name."""
        return self.name
