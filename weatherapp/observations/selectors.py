"""Questions about stations and observations."""

from datetime import datetime

from django.db.models import QuerySet

from weatherapp.observations.models import Observation, Station


def active_stations() -> QuerySet[Station]:
    """Stations that are forecast, in a stable order."""
    return Station.objects.filter(active=True).order_by("code")


def reports_between(first: datetime, last: datetime) -> QuerySet[Observation]:
    """Reports of active stations, both ends included, oldest first."""
    return Observation.objects.filter(
        station__active=True, valid_time__gte=first, valid_time__lte=last
    ).order_by("valid_time")
