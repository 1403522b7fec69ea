"""Stations and their hourly reports."""

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
        return f"{self.code} {self.name}"


class Observation(models.Model):
    """What a station reported for an hour; null where it said nothing or quality control refused it."""

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
    series = models.BigIntegerField(
        default=0, help_text="Hours of different series did not follow each other in nature."
    )
    feed = models.CharField(max_length=32)
    received = models.DateTimeField(help_text="When the feed last brought this hour.")

    class Meta:
        ordering = ("-valid_time", "station")
        constraints = (
            models.UniqueConstraint(fields=("station", "valid_time"), name="one_report_per_station_and_hour"),
        )
        indexes = (models.Index(fields=("valid_time",), name="observation_valid_time"),)

    def __str__(self) -> str:
        return f"{self.station_id} {self.valid_time:%Y-%m-%dT%H}Z"
