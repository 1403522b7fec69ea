"""Channels, and the rollouts that offer a release to a share of one."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from mobile_models.errors import ParameterInvalid
from mobile_models.models.releases import Release
from mobile_models.policy import parse_policy
from mobile_models.rollout import EVERYONE

CHANNEL_NAME = r"[a-z][a-z0-9-]{0,39}"
DEFAULT_CHANNEL = "stable"


class Channel(models.Model):
    """An audience, such as stable or beta."""

    name = models.CharField(
        max_length=40,
        unique=True,
        validators=[
            RegexValidator(rf"^{CHANNEL_NAME}\Z", "Lower-case letters, digits and dashes, a letter first.")
        ],
    )
    description = models.CharField(max_length=200, blank=True)
    policy = models.JSONField(
        default=dict, blank=True, help_text="When phones may download; empty for the defaults."
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a policy that phones could not follow."""
        try:
            parse_policy(self.policy)
        except ParameterInvalid as error:
            raise ValidationError({"policy": str(error)}) from error


class Rollout(models.Model):
    """A release offered to a share of a channel. The counter only grows, so a phone can refuse to go back."""

    class State(models.TextChoices):
        SCHEDULED = "scheduled"
        ACTIVE = "active"
        PAUSED = "paused"
        HALTED = "halted"
        COMPLETE = "complete"
        ROLLED_BACK = "rolled_back", "rolled back"

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="rollouts")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="rollouts")
    basis_points = models.PositiveIntegerField(
        "share",
        validators=[MinValueValidator(1), MaxValueValidator(EVERYONE)],
        help_text="10000 is everyone.",
    )
    conditions = models.JSONField(
        default=dict, blank=True, help_text="Which devices it is for; empty for all."
    )
    stages = models.JSONField(
        default=list, blank=True, help_text="What follows: basis_points, after_hours, if_healthy."
    )
    stage = models.PositiveSmallIntegerField(default=0, help_text="Stages done so far.")
    starts_at = models.DateTimeField(null=True, blank=True)
    next_stage_at = models.DateTimeField(null=True, blank=True)
    roll_back_on_halt = models.BooleanField(
        default=True, help_text="Whether a halt by the health test also rolls back."
    )
    salt = models.CharField(max_length=32, editable=False)
    release_counter = models.PositiveIntegerField(editable=False)
    state = models.CharField(max_length=12, choices=State, default=State.ACTIVE)
    halt_reason = models.TextField(blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    started = models.DateTimeField(auto_now_add=True)
    state_changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-release_counter"]
        permissions: ClassVar = [
            ("start_rollout", "Can start rollouts"),
            ("widen_rollout", "Can widen rollouts"),
            ("pause_rollout", "Can pause rollouts"),
            ("resume_rollout", "Can resume rollouts"),
            ("halt_rollout", "Can halt rollouts"),
            ("roll_back", "Can roll back rollouts"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["channel", "release_counter"], name="release_counter_once_per_channel"
            ),
            models.CheckConstraint(
                condition=Q(basis_points__gte=1, basis_points__lte=EVERYONE), name="basis_points_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.release} to {self.basis_points / 100:g} % of {self.channel}"
