"""What is delivered: bundles, releases of bundles, and the rollouts that offer a release to a channel."""

from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from mobile_models.rollout import EVERYONE

CHANNEL_NAME = r"[a-z][a-z0-9-]{0,39}"
DEFAULT_CHANNEL = "stable"


class Bundle(models.Model):
    """One variant in its archive. The bytes lie in the blob store under `sha256`."""

    class State(models.TextChoices):
        VERIFIED = "verified"
        REFUSED = "refused"

    sha256 = models.CharField("SHA-256", max_length=64, unique=True, editable=False)
    size = models.PositiveBigIntegerField(help_text="Bytes of the archive.")
    wire_sha256 = models.CharField("SHA-256 of the zstd form", max_length=64, editable=False)
    wire_size = models.PositiveBigIntegerField(help_text="Bytes under zstd: what a phone downloads.")
    name = models.CharField(max_length=100)
    variant = models.CharField(
        max_length=100, db_index=True, help_text="How it was made: format, then precision."
    )
    format = models.CharField(max_length=20)
    platforms = models.JSONField(default=list, help_text="Platforms that it may be offered to.")
    contract_sha256 = models.CharField("contract", max_length=64)
    manifest = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.VERIFIED)
    refused_because = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created", "variant"]

    def __str__(self) -> str:
        return f"{self.variant} {self.sha256[:12]}"

    @property
    def contract(self) -> dict[str, Any]:
        """Name, version and SHA-256 of the contract that it fulfils."""
        return dict(self.manifest["contract"])

    @property
    def engine_min(self) -> dict[str, Any]:
        """Oldest engine or system version that runs it."""
        return dict(self.manifest["engine_min"])


class Release(models.Model):
    """A set of bundles, one per variant, that forecast with one generation; fixed once approved."""

    class State(models.TextChoices):
        DRAFT = "draft"
        APPROVED = "approved"
        LIVE = "live"
        SUPERSEDED = "superseded"
        WITHDRAWN = "withdrawn"

    version = models.CharField(max_length=40, unique=True)
    state = models.CharField(max_length=12, choices=State, default=State.DRAFT)
    notes = models.TextField(blank=True)
    bundles = models.ManyToManyField(Bundle, related_name="releases")
    withdrawn_because = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)
    state_changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created", "-pk"]

    def __str__(self) -> str:
        return self.version


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

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Rollout(models.Model):
    """A release offered to a share of a channel. The counter only grows, so a phone can refuse to go back."""

    class State(models.TextChoices):
        ACTIVE = "active"
        HALTED = "halted"
        COMPLETE = "complete"

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="rollouts")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="rollouts")
    basis_points = models.PositiveIntegerField(
        "share",
        validators=[MinValueValidator(1), MaxValueValidator(EVERYONE)],
        help_text="10000 is everyone.",
    )
    salt = models.CharField(max_length=32, editable=False)
    release_counter = models.PositiveIntegerField(editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    halt_reason = models.TextField(blank=True)
    started = models.DateTimeField(auto_now_add=True)
    state_changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-release_counter"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["channel", "release_counter"], name="release_counter_once_per_channel"
            ),
            models.UniqueConstraint(
                fields=["channel", "release"],
                condition=Q(state="active"),
                name="one_active_rollout_per_release",
            ),
            models.CheckConstraint(
                condition=Q(basis_points__gte=1, basis_points__lte=EVERYONE), name="basis_points_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.release} to {self.basis_points / 100:g} % of {self.channel}"
