"""The rows of packaging jobs and searches. The row is the truth, the queue a hint."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from mobile_models.models import Bundle


class LeasedRow(models.Model):
    """A piece of work for one worker. Whoever holds the unexpired lease works on it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    state = models.CharField(max_length=10, choices=State, default=State.WAITING, db_index=True)
    stage = models.CharField(max_length=100, blank=True)
    progress = models.PositiveSmallIntegerField(default=0, help_text="Per cent.")
    message = models.TextField(blank=True, help_text="What it does, or why it failed.")
    log = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.CharField(max_length=32, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    resent = models.DateTimeField(null=True, blank=True, help_text="When the sweep last told the queue.")
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class PackagingJob(LeasedRow):
    """One bundle to be made with a recipe."""

    recipe = models.CharField(max_length=100)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    bundle = models.ForeignKey(Bundle, null=True, blank=True, on_delete=models.PROTECT, related_name="jobs")

    class Meta:
        ordering: ClassVar = ["-created", "-pk"]

    def __str__(self) -> str:
        return f"Job {self.pk}: {self.recipe}"


class SearchStudy(models.Model):
    """A search for a recipe, and what came of it; its trials are rows of their own, and Optuna's."""

    class State(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    class Target(models.TextChoices):
        TFLITE = "tflite", "TFLite"
        COREML = "coreml", "Core ML"
        BOTH = "both", "both"

    name = models.SlugField(max_length=80, unique=True, help_text="Its name in the storage of trials.")
    target = models.CharField(max_length=10, choices=Target, default=Target.TFLITE)
    profile = models.CharField(max_length=20, default="demo")
    tier = models.CharField(max_length=20, blank=True, help_text="Gives limits that are not given.")
    budget_minutes = models.PositiveIntegerField(help_text="Wall time from the first trial on.")
    max_bytes = models.PositiveIntegerField(help_text="Of the bundle on the wire.")
    max_skill_loss_percent = models.FloatField(help_text="Against the teacher.")
    workers = models.PositiveSmallIntegerField(default=1, help_text="Trials at once.")
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING, db_index=True)
    message = models.TextField(blank=True, help_text="What was found, or why nothing was.")
    recipes = models.JSONField(default=list, blank=True, help_text="The winners' recipes.")
    page = models.TextField(blank=True, help_text="Front and importances, as HTML.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created", "-pk"]
        verbose_name_plural = "search studies"

    def __str__(self) -> str:
        return f"Search {self.name}"


class SearchTrial(LeasedRow):
    """One trial of a study, or the full training of its winners at the end."""

    class Kind(models.TextChoices):
        TRIAL = "trial"
        WINNER = "winner"

    study = models.ForeignKey(SearchStudy, on_delete=models.CASCADE, related_name="trials")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.TRIAL)
    number = models.PositiveIntegerField(null=True, blank=True, help_text="In the storage of trials.")
    outcome = models.CharField(max_length=10, blank=True, help_text="complete, pruned or fail.")
    figures = models.JSONField(default=dict, blank=True)
    recipe = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["study"], condition=models.Q(kind="winner"), name="one_winner_row_per_study"
            )
        ]

    def __str__(self) -> str:
        return f"{self.study.name}: {self.kind} {self.number if self.number is not None else ''}".strip()
