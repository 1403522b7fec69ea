"""Stations, their hourly reports, what was refused, guidance for them, and how their feeds do."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

# The contract's history channels; an observation has a column for each.
VARIABLES = (
    "temperature",
    "dew_point",
    "pressure_msl",
    "wind_u",
    "wind_v",
    "precipitation",
    "cloud_cover",
    "cloud_base",
    "visibility",
)

# The contract's guidance channels (packager.contract.GUIDANCE_VARIABLES); a test holds the two together.
GUIDANCE_VARIABLES = (
    "temperature",
    "dew_point",
    "pressure_msl",
    "wind_u",
    "wind_v",
    "precipitation",
    "cloud_cover",
)


class Station(models.Model):
    """A place that reports."""

    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=120)
    latitude = models.FloatField(
        help_text="Degrees north.", validators=[MinValueValidator(-90), MaxValueValidator(90)]
    )
    longitude = models.FloatField(
        help_text="Degrees east.", validators=[MinValueValidator(-180), MaxValueValidator(180)]
    )
    elevation = models.FloatField(help_text="Metres above mean sea level.")
    source = models.CharField(max_length=120, help_text="Who measured.")
    active = models.BooleanField(default=True, help_text="Inactive stations are not forecast.")

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.code if self.name == self.code else f"{self.code} {self.name}"


class Observation(models.Model):
    """What a station reported for an hour; null where it said nothing or quality control refused it."""

    class PrecipitationType(models.IntegerChoices):
        """The contract's classes, in its order."""

        NONE = 0, "none"
        RAIN = 1, "rain"
        SNOW = 2, "snow"
        MIXED = 3, "mixed or freezing"

    station = models.ForeignKey(Station, on_delete=models.CASCADE, related_name="observations")
    valid_time = models.DateTimeField(help_text="The full hour, UTC; precipitation is of the hour before.")
    temperature = models.FloatField(null=True, blank=True, help_text="°C")
    dew_point = models.FloatField(null=True, blank=True, help_text="°C")
    pressure_msl = models.FloatField(null=True, blank=True, help_text="hPa")
    wind_u = models.FloatField(null=True, blank=True, help_text="m/s eastward")
    wind_v = models.FloatField(null=True, blank=True, help_text="m/s northward")
    precipitation = models.FloatField(null=True, blank=True, help_text="mm")
    cloud_cover = models.FloatField(null=True, blank=True, help_text="0–1")
    cloud_base = models.FloatField(
        null=True, blank=True, help_text="Metres above ground; 20000 says that there is no ceiling."
    )
    visibility = models.FloatField(null=True, blank=True, help_text="Metres")
    precipitation_type = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        choices=PrecipitationType,
        help_text="From present weather; null: not reported.",
    )
    series = models.BigIntegerField(
        default=0, help_text="Hours of different series did not follow each other in nature."
    )
    feed = models.CharField(max_length=32)
    received = models.DateTimeField(
        help_text="When what stands here was first known; the same report again does not move it."
    )
    corrected = models.BooleanField(
        default=False, help_text="A correction, which no routine report replaces."
    )
    revision = models.PositiveIntegerField(default=0, help_text="How often the report has changed.")

    class Meta:
        ordering = ("-valid_time", "station")
        constraints = (
            models.UniqueConstraint(fields=("station", "valid_time"), name="one_report_per_station_and_hour"),
        )
        indexes = (
            models.Index(fields=("valid_time",), name="observation_valid_time"),
            models.Index(fields=("received",), name="observation_received"),
        )

    def __str__(self) -> str:
        return f"{self.station_id} {self.valid_time:%Y-%m-%dT%H}Z"


class Guidance(models.Model):
    """What a numerical model said would happen at a station's place in an hour."""

    station = models.ForeignKey(Station, on_delete=models.CASCADE, related_name="guidance")
    source = models.CharField(max_length=32, help_text="The numerical model.")
    init_time = models.DateTimeField(help_text="When the numerical model's run started, UTC.")
    valid_time = models.DateTimeField(help_text="The full hour, UTC; precipitation is of the hour before.")
    available_time = models.DateTimeField(help_text="When this server could first know it.")
    temperature = models.FloatField(null=True, blank=True, help_text="°C")
    dew_point = models.FloatField(null=True, blank=True, help_text="°C")
    pressure_msl = models.FloatField(null=True, blank=True, help_text="hPa")
    wind_u = models.FloatField(null=True, blank=True, help_text="m/s eastward")
    wind_v = models.FloatField(null=True, blank=True, help_text="m/s northward")
    precipitation = models.FloatField(null=True, blank=True, help_text="mm")
    cloud_cover = models.FloatField(null=True, blank=True, help_text="0–1")

    class Meta:
        verbose_name_plural = "guidance"
        ordering = ("-init_time", "station", "valid_time")
        constraints = (
            models.UniqueConstraint(
                fields=("station", "source", "init_time", "valid_time"), name="one_guidance_per_run_and_hour"
            ),
        )
        indexes = (models.Index(fields=("valid_time",), name="guidance_valid_time"),)

    def __str__(self) -> str:
        return f"{self.source} {self.init_time:%Y-%m-%dT%H}Z for {self.valid_time:%Y-%m-%dT%H}Z"


class Rejection(models.Model):
    """A value or a whole report that was not believed or could not be read, kept so that one can look."""

    station = models.ForeignKey(
        Station, null=True, blank=True, on_delete=models.CASCADE, related_name="rejections"
    )
    station_code = models.CharField(
        max_length=32, blank=True, help_text="As reported; the station may be unknown here."
    )
    feed = models.CharField(max_length=32)
    valid_time = models.DateTimeField(null=True, blank=True, help_text="The hour spoken of, if known.")
    variable = models.CharField(max_length=32, blank=True, help_text="Empty: the whole report.")
    value = models.FloatField(null=True, blank=True, help_text="As read, in the variable's unit.")
    text = models.CharField(
        max_length=200, blank=True, help_text="The report's text, if it could not be read."
    )
    # "check" is a method of every Django model.
    check_name = models.CharField("check", max_length=64, help_text="Which check refused it.")
    received = models.DateTimeField(help_text="When the feed first brought it.")
    digest = models.CharField(
        max_length=32, unique=True, editable=False, help_text="Says whether the same was refused before."
    )

    class Meta:
        ordering = ("-received", "-pk")
        indexes = (
            models.Index(fields=("received",), name="rejection_received"),
            models.Index(fields=("check_name", "received"), name="rejection_check_received"),
        )

    def __str__(self) -> str:
        return f"{self.station_code} {self.variable} {self.check_name}".strip()


class FeedState(models.Model):
    """How a feed does: one row per feed that was ever asked."""

    class State(models.TextChoices):
        NEVER = "never", "never asked"
        UP = "up", "up"
        DEGRADED = "degraded", "degraded"
        DOWN = "down", "down"

    feed = models.CharField(max_length=32, unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.NEVER)
    last_attempt = models.DateTimeField(null=True, blank=True)
    last_success = models.DateTimeField(null=True, blank=True)
    last_report_time = models.DateTimeField(null=True, blank=True, help_text="The newest hour it brought.")
    consecutive_failures = models.PositiveIntegerField(default=0)
    reason = models.TextField(blank=True, help_text="Why it is not up.")
    validators = models.JSONField(
        default=dict, blank=True, help_text="ETag and Last-Modified of each URL, for conditional requests."
    )
    reports = models.PositiveIntegerField(default=0, help_text="Reports of the last pass.")
    rejected = models.PositiveIntegerField(default=0, help_text="Values refused in the last pass.")

    class Meta:
        ordering = ("feed",)

    def __str__(self) -> str:
        return f"{self.feed}: {self.get_state_display()}"
