"""What a device has told about itself. Every row hangs on its device, and goes with it.

Coordinates are rounded before they come here; a token is kept as its SHA-256; nothing names a person.
"""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.db.models import Q

# Degrees that coordinates are rounded to: 0.01 is about a kilometre, 1 about a hundred.
PRECISIONS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
DEFAULT_PRECISION = 0.05
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Device(models.Model):
    """An app on one phone or machine. It is known by its token only."""

    class Language(models.TextChoices):
        ENGLISH = "en"
        CHINESE = "zh"

    class Headline(models.TextChoices):
        TEMPERATURE = "temperature"
        FEELS_LIKE = "feels_like"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    token_prefix = models.CharField(max_length=16, unique=True, help_text="Finds the row; no secret.")
    token_sha256 = models.CharField(max_length=64, help_text="Of the whole token, which has 256 random bits.")
    created = models.DateField(help_text="Day of registration, UTC; no closer time is kept.")
    last_seen = models.DateField(db_index=True, help_text="Day of the last call, UTC.")
    precision = models.FloatField(default=DEFAULT_PRECISION, help_text="Degrees.")
    temperature_unit = models.CharField(max_length=12, default="celsius")
    wind_speed_unit = models.CharField(max_length=12, default="kmh")
    precipitation_unit = models.CharField(max_length=12, default="mm")
    length_unit = models.CharField(max_length=12, default="metric")
    language = models.CharField(
        max_length=2, choices=Language, blank=True, help_text="Empty: what Accept-Language says."
    )
    time_zone = models.CharField(max_length=64, default="UTC")
    headline = models.CharField(max_length=12, choices=Headline, default=Headline.TEMPERATURE)
    activities = models.JSONField(default=list)
    quiet_start = models.CharField(max_length=5, blank=True, help_text="HH:MM in the device's zone.")
    quiet_end = models.CharField(max_length=5, blank=True)
    comfort = models.JSONField(default=dict, help_text="What its votes taught about feels-like.")
    feed_sequence = models.PositiveIntegerField(default=0, help_text="Number of its last feed entry.")
    evaluated_run = models.CharField(
        max_length=40, blank=True, help_text="Run that its rules were last held against."
    )

    class Meta:
        ordering: ClassVar = ["-created", "pk"]

    def __str__(self) -> str:
        return f"device {self.token_prefix}"


class Place(models.Model):
    """A place that a device cares about, rounded to the device's precision."""

    class Kind(models.TextChoices):
        HOME = "home"
        WORK = "work"
        OTHER = "other"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="places")
    number = models.PositiveIntegerField(help_text="Order in which it was made.")
    label = models.CharField(max_length=40, blank=True)
    kind = models.CharField(max_length=5, choices=Kind, default=Kind.OTHER)
    latitude = models.FloatField(help_text="Degrees north, rounded.")
    longitude = models.FloatField(help_text="Degrees east, rounded.")
    elevation = models.FloatField(null=True, blank=True, help_text="Metres.")
    own_station = models.BooleanField(default=False, help_text="The device measures here itself.")

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "number"], name="personal_place_number"),
        ]

    def __str__(self) -> str:
        return f"place {self.pk}"


class Commute(models.Model):
    """A way that is gone on some days within a window of the device's local time."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="commutes")
    number = models.PositiveIntegerField()
    days = models.JSONField(help_text="Of mon … sun.")
    start = models.CharField(max_length=5, help_text="HH:MM")
    end = models.CharField(max_length=5, help_text="HH:MM; not later than start means the next day.")
    origin = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="commutes_from")
    destination = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="commutes_to")

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "number"], name="personal_commute_number"),
        ]

    def __str__(self) -> str:
        return f"commute {self.pk}"


class BiasFilter(models.Model):
    """What a place's own reports taught about one variable.

    `base` is what reports that are no longer kept taught; `state` adds those that are.
    """

    place = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="filters")
    variable = models.CharField(max_length=20)
    base = models.JSONField()
    state = models.JSONField()

    class Meta:
        ordering: ClassVar = ["variable"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["place", "variable"], name="personal_one_filter_per_variable"),
        ]

    def __str__(self) -> str:
        return f"{self.variable} at {self.place_id}"


class OwnReport(models.Model):
    """What a device measured or felt at one of its places, in inside units. Kept for a few days."""

    class Source(models.TextChoices):
        STATION = "station"
        BAROMETER = "barometer"
        THUMB = "thumb"

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="reports")
    place = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="reports")
    client_id = models.CharField(max_length=64, help_text="Made by the device: sent twice, counted once.")
    content = models.CharField(max_length=64, help_text="SHA-256 of what was sent.")
    source = models.CharField(max_length=9, choices=Source, default=Source.STATION)
    variable = models.CharField(max_length=20)
    time = models.DateTimeField()
    value = models.FloatField()
    forecast = models.FloatField(help_text="What the public forecast said.")
    accepted = models.BooleanField()
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["time", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "client_id"], name="personal_report_counted_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["time"], name="personal_report_time")]

    def __str__(self) -> str:
        return f"report {self.pk}"


class Vote(models.Model):
    """How a person felt: −3 (much too cold) to 3 (much too warm). Kept for a few days."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="votes")
    place = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="votes")
    client_id = models.CharField(max_length=64)
    content = models.CharField(max_length=64)
    time = models.DateTimeField()
    vote = models.SmallIntegerField()
    utci = models.FloatField(help_text="°C, of then.")

    class Meta:
        ordering: ClassVar = ["time", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "client_id"], name="personal_vote_counted_once"),
            models.CheckConstraint(condition=Q(vote__gte=-3, vote__lte=3), name="personal_vote_in_range"),
        ]
        indexes: ClassVar = [models.Index(fields=["time"], name="personal_vote_time")]

    def __str__(self) -> str:
        return f"vote {self.pk}"


class Rule(models.Model):
    """When to tell a device: a variable passes a threshold with some probability within a window."""

    class Comparison(models.TextChoices):
        ABOVE = "above"
        BELOW = "below"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="rules")
    number = models.PositiveIntegerField()
    place = models.ForeignKey(Place, on_delete=models.CASCADE, null=True, blank=True, related_name="rules")
    commute = models.ForeignKey(
        Commute, on_delete=models.CASCADE, null=True, blank=True, related_name="rules"
    )
    variable = models.CharField(max_length=20)
    comparison = models.CharField(max_length=5, choices=Comparison)
    threshold = models.FloatField(help_text="In `unit`.")
    unit = models.CharField(max_length=12)
    probability = models.FloatField(help_text="0–1: more likely than this.")
    days = models.JSONField(default=list, help_text="Of mon … sun; empty for every day. Not with a commute.")
    start = models.CharField(max_length=5, blank=True, help_text="HH:MM; empty for the whole day.")
    end = models.CharField(max_length=5, blank=True)
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "number"], name="personal_rule_number"),
            models.CheckConstraint(
                condition=Q(place__isnull=False, commute__isnull=True)
                | Q(place__isnull=True, commute__isnull=False),
                name="personal_rule_for_a_place_or_a_commute",
            ),
        ]

    def __str__(self) -> str:
        return f"rule {self.pk}"


class FeedEntry(models.Model):
    """Something that a rule found. `dedup_key` tells a finding from the one before."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="entries")
    sequence = models.PositiveIntegerField(
        help_text="Counts within the device, so that it says nothing else."
    )
    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="entries")
    place = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="entries")
    dedup_key = models.CharField(max_length=120)
    run = models.CharField(max_length=40)
    time = models.DateTimeField(help_text="First hour that the rule holds for.")
    probability = models.FloatField()
    finding = models.JSONField(help_text="The rule as it was, so that the sentence stays true.")
    created = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["sequence"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "sequence"], name="personal_entry_sequence"),
            models.UniqueConstraint(fields=["device", "dedup_key"], name="personal_entry_said_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["created"], name="personal_entry_created")]

    def __str__(self) -> str:
        return f"entry {self.pk}"


class Webhook(models.Model):
    """Where a device wants its entries sent. The secret signs, so it cannot be kept as a digest."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, related_name="webhook")
    url = models.CharField(max_length=500)
    secret = models.CharField(max_length=64)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    disabled_because = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"webhook {self.pk}"


class Delivery(models.Model):
    """One entry on its way to a webhook. The row is the truth, the queue a hint."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DELIVERED = "delivered"
        FAILED = "failed"

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    entry = models.ForeignKey(FeedEntry, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due = models.DateTimeField(help_text="Next attempt; a worker that takes it moves this first.")
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["webhook", "entry"], name="personal_entry_delivered_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "due"], name="personal_delivery_due")]

    def __str__(self) -> str:
        return f"delivery {self.pk}"
