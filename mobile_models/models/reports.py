"""What devices report: counts, and for a limited time the batches that they came in. No device ids."""

from typing import ClassVar

from django.db import models

from mobile_models.models.rollouts import Rollout


class ReportBatch(models.Model):
    """One batch as it was sent; kept for a limited time, so that counts can be explained."""

    batch_id = models.UUIDField(unique=True)
    token_hash = models.CharField(max_length=64, db_index=True, help_text="Of the report token.")
    rollout = models.ForeignKey(Rollout, null=True, on_delete=models.CASCADE, related_name="batches")
    body = models.JSONField()
    received = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering: ClassVar = ["-received"]
        verbose_name_plural = "report batches"

    def __str__(self) -> str:
        return str(self.batch_id)


class ReportCount(models.Model):
    """How often an operation ended in an outcome, per hour and group of devices."""

    class Arm(models.TextChoices):
        EXPOSED = "exposed"
        CONTROL = "control"

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="counts")
    release = models.CharField(max_length=40, help_text="What the devices ran.")
    variant = models.CharField(max_length=100)
    arm = models.CharField(max_length=10, choices=Arm)
    platform = models.CharField(max_length=10)
    perf_class = models.CharField(max_length=4, blank=True)
    cell = models.CharField(
        max_length=10, blank=True, help_text="One degree, named by its south-west corner."
    )
    hour = models.DateTimeField()
    operation = models.CharField(max_length=20)
    outcome = models.CharField(max_length=20)
    count = models.PositiveBigIntegerField(default=0)
    total = models.FloatField(default=0.0, help_text="Sum of what was measured, for means.")
    squares = models.FloatField(default=0.0, help_text="Sum of its squares.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=[
                    "rollout", "release", "variant", "arm", "platform", "perf_class", "cell", "hour",
                    "operation", "outcome",
                ],
                name="one_count_per_group",
            )
        ]  # fmt: skip
        indexes: ClassVar = [models.Index(fields=["rollout", "operation", "hour"])]

    def __str__(self) -> str:
        return f"{self.operation} {self.outcome}: {self.count}"


class RolloutHealth(models.Model):
    """What the health test saw of one figure of a rollout when it looked last."""

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="health")
    metric = models.CharField(max_length=40)
    group = models.CharField(max_length=40, blank=True, help_text="A performance class, or empty for all.")
    state = models.JSONField(default=dict, help_text="What the sequential test carries on from.")
    exposed = models.JSONField(default=dict, help_text="Count and failures, or count, mean and deviation.")
    control = models.JSONField(default=dict)
    evidence = models.FloatField(default=1.0, help_text="E-value against `no worse than the control`.")
    decision = models.CharField(max_length=20, blank=True)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["metric", "group"]
        verbose_name_plural = "rollout health"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rollout", "metric", "group"], name="one_health_per_metric")
        ]

    def __str__(self) -> str:
        return f"{self.rollout}: {self.metric} {self.group}".strip()
