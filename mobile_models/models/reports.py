"""What devices report: counts, and for a limited time the batches that they came in. No device ids."""

from typing import ClassVar

from django.db import models

from mobile_models.models.rollouts import Rollout


class Arm(models.TextChoices):
    """The side of a staged rollout that a device says it is on."""

    EXPOSED = "exposed"
    CONTROL = "control"


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

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="counts")
    release = models.CharField(max_length=40, blank=True, help_text="What the devices ran.")
    variant = models.CharField(max_length=100, blank=True)
    arm = models.CharField(max_length=10, choices=Arm, blank=True, help_text="Empty: on neither side.")
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


class ReportToken(models.Model):
    """How much came with one report token this hour. The token names no device and ends after two days."""

    token_hash = models.CharField(max_length=64, unique=True)
    expires = models.DateTimeField(db_index=True)
    hour = models.DateTimeField()
    batches = models.PositiveIntegerField(default=0, help_text="Accepted in this hour.")
    operations = models.PositiveBigIntegerField(default=0, help_text="Counted in this hour.")

    def __str__(self) -> str:
        return self.token_hash[:12]


class TokenClaim(models.Model):
    """What a token said of one rollout: its side, and what was counted of it already."""

    token = models.ForeignKey(ReportToken, on_delete=models.CASCADE, related_name="claims")
    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="claims")
    arm = models.CharField(max_length=10, choices=Arm)
    share = models.PositiveIntegerField(help_text="Basis points of the rollout when it said so last.")
    window = models.PositiveBigIntegerField(help_text="The report window in which it was counted last.")
    failed = models.JSONField(default=list, help_text="Figures in which its failure was counted.")
    measured = models.JSONField(default=dict, help_text="Per measured figure, the window it was counted in.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["token", "rollout"], name="one_claim_per_token_and_rollout")
        ]
        indexes: ClassVar = [models.Index(fields=["rollout", "share", "arm"])]

    def __str__(self) -> str:
        return f"{self.token}: {self.arm}"


class HealthCount(models.Model):
    """One figure of the health test per group of devices: devices, not what each of them did.

    `count` devices gave `total`: how many failed, or the sum of what was measured. The health test takes what
    came since it looked last, and notes in `folded_…` how far it is.
    """

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="device_counts")
    metric = models.CharField(max_length=20)
    arm = models.CharField(max_length=10, choices=Arm)
    platform = models.CharField(max_length=10)
    perf_class = models.CharField(max_length=4, blank=True)
    cell = models.CharField(max_length=10, blank=True)
    count = models.PositiveBigIntegerField(default=0)
    total = models.FloatField(default=0.0)
    squares = models.FloatField(default=0.0)
    folded_count = models.PositiveBigIntegerField(default=0)
    folded_total = models.FloatField(default=0.0)
    folded_squares = models.FloatField(default=0.0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rollout", "metric", "arm", "platform", "perf_class", "cell"],
                name="one_health_count_per_group",
            )
        ]

    def __str__(self) -> str:
        return f"{self.metric}: {self.total:g} of {self.count}"


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
