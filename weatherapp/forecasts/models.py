"""Forecast runs: the rows; the numbers lie in the store. And how good they were, as sums that add up."""

from django.db import models

from mobile_models.models import Release
from weatherapp.observations.models import Station


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
    seconds = models.JSONField(default=dict, blank=True, help_text="How long each part took.")

    class Meta:
        ordering = ("-init_time", "-pk")
        indexes = (models.Index(fields=("state", "-init_time", "-id"), name="run_current"),)

    def __str__(self) -> str:
        return self.folder or f"run {self.pk}"


class Verification(models.Model):
    """How far the run of an init time is counted: each of its hours once, whatever is repeated or killed."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="verifications")
    init_time = models.DateTimeField(help_text="Of the run, UTC.")
    leads = models.PositiveSmallIntegerField(default=0, help_text="Leads 1 to this one are counted.")
    replay = models.BooleanField(default=False, help_text="Made from replayed observations.")
    hindcast = models.BooleanField(default=False, help_text="Forecast after the fact; nobody was served it.")
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "verification"
        ordering = ("-init_time",)
        constraints = (
            models.UniqueConstraint(fields=("release", "init_time"), name="one_verification_per_run"),
        )
        indexes = (models.Index(fields=("init_time",), name="verification_init_time"),)

    def __str__(self) -> str:
        return f"{self.init_time:%Y-%m-%dT%H}Z, {self.leads} h"


class ScoreSums(models.Model):
    """Sums over pairs of a forecast and a report; the mean of any group is one sum of these by another."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="+")
    variable = models.CharField(max_length=32, help_text="An output of the contract, or one made of it.")
    day = models.DateField(help_text="Of the valid time, UTC.")
    n = models.PositiveBigIntegerField(help_text="Pairs.")
    error = models.FloatField(help_text="Sum of forecast − reported.")
    abs_error = models.FloatField(help_text="Sum of |forecast − reported|.")
    squared_error = models.FloatField(help_text="Sum of (forecast − reported)².")
    score = models.FloatField(help_text="Sum of the variable's score; lower is better.")
    paired = models.PositiveBigIntegerField(help_text="Pairs for which the reference has something to say.")
    paired_score = models.FloatField(help_text="Sum of the score over those.")
    reference_score = models.FloatField(help_text="The same for the reference: the same hour yesterday.")

    class Meta:
        abstract = True


class LeadScore(ScoreSums):
    """Sums over all stations, by lead."""

    lead = models.PositiveSmallIntegerField(help_text="Hours.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("day", "variable", "lead", "release"), name="one_sum_per_lead"),
        )

    def __str__(self) -> str:
        return f"{self.variable} {self.day} +{self.lead} h"


class StationScore(ScoreSums):
    """Sums of one station, by lead bucket."""

    station = models.ForeignKey(Station, on_delete=models.CASCADE, related_name="+")
    bucket = models.CharField(max_length=8, help_text="First and last lead in hours, such as 1-6.")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("day", "variable", "station", "bucket", "release"), name="one_sum_per_station"
            ),
        )
        indexes = (models.Index(fields=("station", "day"), name="station_score_station"),)

    def __str__(self) -> str:
        return f"{self.variable} {self.day} {self.station_id} {self.bucket} h"


class ReliabilityBin(models.Model):
    """How often it rained when the probability of precipitation was about so much."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="+")
    bucket = models.CharField(max_length=8, help_text="First and last lead in hours, such as 1-6.")
    day = models.DateField(help_text="Of the valid time, UTC.")
    tenth = models.PositiveSmallIntegerField(help_text="0: probabilities below 0.1, 9: from 0.9 on.")
    n = models.PositiveBigIntegerField(help_text="Pairs.")
    probability = models.FloatField(help_text="Sum of the forecast probabilities.")
    occurred = models.FloatField(help_text="How often it was wet.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("day", "bucket", "tenth", "release"), name="one_sum_per_tenth"),
        )

    def __str__(self) -> str:
        return f"{self.day} {self.bucket} h, {self.tenth}/10"


class DriftAlarm(models.Model):
    """A variable is forecast worse than it was; open until it is not."""

    variable = models.CharField(max_length=32)
    opened = models.DateTimeField()
    closed = models.DateTimeField(null=True, blank=True)
    checked = models.DateTimeField(help_text="When the figures were last looked at.")
    statistic = models.FloatField(
        help_text="How far recent days stand from those before, in standard errors."
    )
    recent = models.FloatField(help_text="Score ÷ the reference's score, over the recent days.")
    before = models.FloatField(help_text="The same, over the days before.")

    class Meta:
        ordering = ("-opened",)
        constraints = (
            models.UniqueConstraint(
                fields=("variable",), condition=models.Q(closed=None), name="one_open_alarm_per_variable"
            ),
        )

    def __str__(self) -> str:
        worse = (self.recent / self.before - 1) * 100 if self.before else 0.0
        return f"{self.variable} is forecast {worse:.0f} % worse against its reference than before"
