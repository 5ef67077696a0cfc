"""Runs, their invocations, the attempts at those, and the append-only history."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class State(models.TextChoices):
    """States of a run, of an invocation, and of an attempt that was not cut off."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = (State.SUCCEEDED, State.FAILED, State.CANCELLED)
OPEN = (State.QUEUED, State.RUNNING)


class AttemptState(models.TextChoices):
    """How an attempt ended, or that it goes on."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    HANDED_BACK = "handed_back"


#: What `Invocation.spilled` is the sum of.
INPUT_SPILLED, RESULT_SPILLED = 1, 2


class Reuse(models.TextChoices):
    """What stands in for calls that a run makes for the first time."""

    CACHE = "cache"  # for chainlets that allow it: what another run got for the same input
    KEPT = "kept"  # what was kept of the run that this one repeats
    NOTHING = "nothing"


class Priority(models.TextChoices):
    """Whose calls are taken first, where several wait on a queue."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Run(models.Model):
    """One execution of a chain with one input.

    Attributes:
        input: as submitted, never changed; files are ids.
        output: the entrypoint's value once it succeeded; if it is `output_spilled`, its file's handle.
        progress: the last progress event, {done, total, message}.
        last_seq: number of the newest event; grows by one with each.
        deadline_at: when it fails if it has not ended by then.
        priority: its calls are taken before those of lower priority, and after those of a higher one.
        bells: by queue, how many of its queued calls have a bell out, and whether others are held back.
        rerun_of: the run that this one repeats; it may have been deleted since.
        api_key: the key that started it, if one did.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="runs")
    api_key = models.ForeignKey(
        "accounts.ApiKey",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="runs",
        db_index=False,
    )
    chain = models.ForeignKey("catalog.Chain", on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey("catalog.ChainVersion", on_delete=models.PROTECT, related_name="runs")
    title = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    input = models.JSONField()
    output = models.JSONField(null=True, blank=True)
    output_spilled = models.BooleanField(default=False, db_default=False, editable=False)
    error = models.JSONField(null=True, blank=True)
    progress = models.JSONField(null=True, blank=True)
    warnings = models.JSONField(default=list, blank=True)
    last_seq = models.PositiveBigIntegerField(default=0)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    input_digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    priority = models.CharField(
        max_length=6, choices=Priority.choices, default=Priority.NORMAL, db_default=Priority.NORMAL
    )
    bells = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField()), editable=False, blank=True
    )
    rerun_of = models.UUIDField(null=True, blank=True, editable=False)
    reuse = models.CharField(max_length=7, choices=Reuse.choices, default=Reuse.CACHE, db_default=Reuse.CACHE)

    class Meta:
        """Newest first; one run for an owner's idempotency key."""

        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["owner", "-created_at"]),
            models.Index(fields=["state"]),
            models.Index(fields=["owner", "state"], name="run_of_a_user_by_state"),
            models.Index(
                fields=["api_key", "state"],
                condition=models.Q(api_key__isnull=False),
                name="run_of_a_key_by_state",
            ),
            models.Index(
                fields=["state", "deadline_at"],
                condition=models.Q(deadline_at__isnull=False),
                name="run_with_a_deadline",
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "idempotency_key"], name="run_once_for_a_key"),
        ]

    def __str__(self) -> str:
        """Its title."""
        return self.title or str(self.id)


class Invocation(models.Model):
    """One call of one chainlet inside a run; the one without a parent is the root.

    Attributes:
        attempt: number of the newest attempt, and the fence: a write by an older one is refused.
        failures: attempts that failed, since the last resume.
        deaths: workers that died over it, since the last resume.
        waiting: the attempt has begun to wait for dependencies and holds no slot.
        round: grows when it is tried again because it failed or was resumed, not because a worker died.
        caller_round: the caller's round in which the call was made; its failure counts for that round.
        timeout_s: seconds an attempt may take; none for the root.
        fleet_limit: calls of this chainlet that all workers together may have under way; none if unlimited.
        rate_limit: how many attempts all workers together may start in a time, as `10/s`; none if unlimited.
        code: digest of the chainlet's code when the call was made.
        cache_s: seconds for which the result may serve other runs; none if not, or if it came from one.
        lease_expires_at: until when `worker` holds it; renewed while it lives.
        available_at: not to be started before.
        rung_at: when a bell was last sent to its queue; none while it is held back, or not due.
        spilled: which of input and result is only the handle of the file that it lies in; see `values`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="invocations")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="calls")
    chainlet = models.CharField(max_length=200)
    queue = models.CharField(max_length=50)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    deaths = models.PositiveIntegerField(default=0)
    waiting = models.BooleanField(default=False)
    round = models.PositiveIntegerField(default=0)
    caller_round = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=1)
    timeout_s = models.FloatField(null=True, blank=True)
    fleet_limit = models.PositiveIntegerField(null=True, blank=True)
    rate_limit = models.CharField(max_length=16, null=True, blank=True)
    input = models.JSONField()
    input_hash = models.CharField(max_length=64)
    occurrence = models.PositiveIntegerField(default=0)
    code = models.CharField(max_length=32, blank=True, default="", db_default="")
    cache_s = models.FloatField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    spilled = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    error = models.JSONField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    available_at = models.DateTimeField(default=timezone.now)
    rung_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """In the order of creation; looked up by state for leases and bells."""

        ordering: ClassVar = ["created_at"]
        indexes: ClassVar = [
            models.Index(fields=["state", "lease_expires_at"]),
            models.Index(fields=["state", "queue", "available_at"]),
            models.Index(fields=["worker", "state"]),
            models.Index(
                fields=["run", "queue", "available_at"],
                condition=models.Q(state="queued", rung_at__isnull=True),
                name="call_that_is_held_back",
            ),
            models.Index(
                fields=["input_hash", "code", "ended_at"],
                condition=models.Q(cache_s__isnull=False),
                name="call_for_other_runs",
            ),
            models.Index(
                fields=["state", "chainlet", "available_at"],
                condition=models.Q(rate_limit__isnull=False),
                name="call_with_a_rate_limit",
            ),
        ]

    def __str__(self) -> str:
        """Chainlet and id."""
        return f"{self.chainlet} {self.id}"


class Pace(models.Model):
    """When attempts of a chainlet with a rate limit have started lately.

    Attributes:
        starts: moments, in seconds by the database's clock, and how many attempts started at each.
    """

    chain = models.ForeignKey("catalog.Chain", on_delete=models.CASCADE, related_name="paces")
    chainlet = models.CharField(max_length=200)
    starts = models.JSONField(default=list)

    class Meta:
        """One for a chainlet."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chain", "chainlet"], name="pace_once_for_a_chainlet"),
        ]

    def __str__(self) -> str:
        """Whose it is."""
        return self.chainlet


class KeptCall(models.Model):
    """A finished call of an earlier run, for when this run makes the same call.

    Attributes:
        id: that the call will have in this run.
        spilled: `result` is the handle of the file that it lies in.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="kept_calls")
    result = models.JSONField()
    spilled = models.BooleanField(default=False, db_default=False)
    from_run = models.UUIDField()
    from_invocation = models.UUIDField()

    def __str__(self) -> str:
        """Where it came from."""
        return f"{self.id} from {self.from_invocation}"


class Attempt(models.Model):
    """One try at an invocation, by one worker."""

    # The constraint below is an index that begins with it.
    invocation = models.ForeignKey(
        Invocation, on_delete=models.CASCADE, related_name="attempts", db_index=False
    )
    number = models.PositiveIntegerField()
    worker = models.CharField(max_length=200)
    hardware = models.CharField(max_length=50)
    state = models.CharField(max_length=12, choices=AttemptState.choices, default=AttemptState.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)

    class Meta:
        """By number."""

        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["invocation", "number"], name="attempt_number_once"),
        ]

    def __str__(self) -> str:
        """Its number."""
        return f"attempt {self.number}"


class Event(models.Model):
    """One line of a run's history."""

    # The constraint below is an index that begins with it.
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    type = models.CharField(max_length=50)
    # No foreign key: history is written often, and never changes after its invocation.
    invocation_id = models.UUIDField(null=True, blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        """In order; a number occurs once a run."""

        ordering: ClassVar = ["seq"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq_once")]

    def __str__(self) -> str:
        """Number and type."""
        return f"{self.seq} {self.type}"


class WhyUnserved(models.TextChoices):
    """Why no live worker serves a queue."""

    NO_WORKER = "no_worker"
    WORKER_STOPPED = "worker_stopped"
    WORKER_LOST = "worker_lost"


class Unserved(models.Model):
    """A queue that no live worker serves, as a run was last told of it.

    Attributes:
        count: calls of the run that wait there.
        since: when the oldest of them entered the queue.
        reason: what became of the worker that served it last.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="unserved")
    queue = models.CharField(max_length=50)
    count = models.PositiveIntegerField()
    since = models.DateTimeField()
    reason = models.CharField(max_length=20, choices=WhyUnserved.choices)

    class Meta:
        """By queue; one of each a run."""

        ordering: ClassVar = ["queue"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "queue"], name="unserved_once_a_run")]

    def __str__(self) -> str:
        """Its queue."""
        return self.queue
