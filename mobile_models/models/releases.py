"""Releases: sets of bundles that forecast with one generation."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from mobile_models.models.bundles import Bundle


class Release(models.Model):
    """A set of bundles, one per variant, that forecast with one generation; fixed once in review."""

    class State(models.TextChoices):
        DRAFT = "draft"
        IN_REVIEW = "in_review", "in review"
        APPROVED = "approved"
        LIVE = "live"
        SUPERSEDED = "superseded"
        WITHDRAWN = "withdrawn"

    version = models.CharField(max_length=40, unique=True)
    state = models.CharField(max_length=12, choices=State, default=State.DRAFT)
    notes = models.TextField(blank=True)
    bundles = models.ManyToManyField(Bundle, related_name="releases")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    approved_at = models.DateTimeField(null=True, blank=True)
    gate = models.JSONField(
        default=dict, blank=True, help_text="What the release gate measured when it was asked last."
    )
    override_reason = models.TextField(blank=True, help_text="Why it was approved although its gate failed.")
    signed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the offline keys had signed its bundles."
    )
    withdrawn_because = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)
    state_changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created", "-pk"]
        permissions: ClassVar = [
            ("create_release", "Can draft releases"),
            ("submit_release", "Can submit releases for review"),
            ("return_release", "Can return releases to draft"),
            ("approve_release", "Can approve releases"),
            ("override_gate", "Can approve releases that fail the gate"),
            ("withdraw_release", "Can withdraw releases"),
        ]

    def __str__(self) -> str:
        return self.version
