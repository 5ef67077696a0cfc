"""Definitions of chains, one numbered version for each content that was seen."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class Chain(models.Model):
    """A chain by name, over all its versions."""

    name = models.CharField(max_length=200, unique=True)

    class Meta:
        """By name."""

        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        """Its name."""
        return self.name


class ChainVersion(models.Model):
    """What a chain looked like while its source had one digest."""

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    entrypoint = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    graph = models.JSONField()
    input_schema = models.JSONField()
    output_schema = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        """Newest first; a number and a digest occur once a chain."""

        ordering: ClassVar = ["chain__name", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chain", "number"], name="version_number_once"),
            models.UniqueConstraint(fields=["chain", "digest"], name="version_digest_once"),
        ]

    def __str__(self) -> str:
        """Name and number."""
        return f"{self.chain} v{self.number}"
