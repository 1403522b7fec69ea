"""The rows of packaging jobs. The row is the truth, the queue a hint."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from mobile_models.models import Bundle


class PackagingJob(models.Model):
    """One bundle to be made with a recipe. Whoever holds the unexpired lease works on it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    recipe = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING, db_index=True)
    stage = models.CharField(max_length=100, blank=True)
    progress = models.PositiveSmallIntegerField(default=0, help_text="Per cent.")
    message = models.TextField(blank=True, help_text="What it does, or why it failed.")
    log = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.CharField(max_length=32, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    bundle = models.ForeignKey(Bundle, null=True, blank=True, on_delete=models.PROTECT, related_name="jobs")
    created = models.DateTimeField(auto_now_add=True)
    resent = models.DateTimeField(null=True, blank=True, help_text="When the sweep last told the queue.")
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created", "-pk"]

    def __str__(self) -> str:
        return f"Job {self.pk}: {self.recipe}"
