"""Releases: sets of bundles that forecast with one generation."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.signals import m2m_changed
from django.dispatch import receiver

from mobile_models.errors import StateConflict
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


@receiver(m2m_changed, sender=Release.bundles.through)
def refuse_other_bundles(
    instance: Release | Bundle, action: str, reverse: bool, pk_set: set[int] | None, **_: Any
) -> None:
    """Keep what was reviewed: only a draft's bundles change, whichever side somebody comes from.

    A release without any may be given them, as when rows are loaded from a back-up.

    Raises:
        StateConflict: one of the releases is no draft; nothing was changed.
    """
    if not action.startswith("pre_"):
        return
    keys = {instance.pk} if not reverse else pk_set
    if keys is None:  # a bundle leaves all its releases
        keys = set(Release.objects.filter(bundles=instance.pk).values_list("pk", flat=True))
    locked = Release.objects.select_for_update().filter(pk__in=keys).order_by("pk")
    for release in locked.exclude(state=Release.State.DRAFT):
        if release.bundles.exists():
            raise StateConflict(
                f"Release {release} is {release.get_state_display().lower()}; only a draft's bundles change. "
                "Return it to draft if it is in review, or draft another release."
            )
