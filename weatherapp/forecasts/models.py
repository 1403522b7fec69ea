"""Forecast runs: the rows; the numbers lie in the store."""

from django.db import models

from mobile_models.models import Release


class ForecastRun(models.Model):
    """One forecast cycle. The newest stored run is current; the one change of its state makes it so."""

    class State(models.TextChoices):
        STORING = "storing"
        STORED = "stored"
        FAILED = "failed"

    init_time = models.DateTimeField(help_text="Last hour of the observations; leads count from here. UTC.")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="runs")
    bundle_sha256 = models.CharField(max_length=64, help_text="The server model that was run.")
    folder = models.CharField(
        max_length=40, unique=True, null=True, blank=True, help_text="Name in the store."
    )
    state = models.CharField(max_length=8, choices=State, default=State.STORING)
    stations = models.PositiveIntegerField(default=0, help_text="How many were forecast.")
    replay = models.BooleanField(default=False, help_text="Made from replayed observations.")
    reason = models.TextField(blank=True, help_text="Why it failed.")
    created = models.DateTimeField(auto_now_add=True)
    stored = models.DateTimeField(null=True, blank=True, help_text="When it became readable.")

    class Meta:
        ordering = ("-init_time", "-pk")
        indexes = (models.Index(fields=("state", "-init_time", "-id"), name="run_current"),)

    def __str__(self) -> str:
        return self.folder or f"run {self.pk}"
