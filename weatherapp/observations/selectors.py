"""Questions about stations, observations and guidance."""

from datetime import datetime, timedelta

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from weatherapp.observations.models import Guidance, Observation, Station


def active_stations() -> QuerySet[Station]:
    """Stations that are forecast, in a stable order."""
    return Station.objects.filter(active=True).order_by("code")


def reports_between(first: datetime, last: datetime) -> QuerySet[Observation]:
    """Reports of active stations, both ends included, oldest first."""
    return Observation.objects.filter(
        station__active=True, valid_time__gte=first, valid_time__lte=last
    ).order_by("valid_time")


def late_since(*, since: datetime, init_time: datetime, hours: int) -> int:
    """How many reports of a run's history came or changed after the run had read them.

    Args:
        since: when the run was stored; what was received later, the run did not see.
        init_time: of the run, a full hour; the last hour of its history.
        hours: length of the history.

    Returns:
        A count of active stations' reports, values withdrawn by quality control included.
    """
    first = init_time - timedelta(hours=hours - 1)
    return reports_between(first, init_time).filter(received__gt=since).count()


def guidance_known_at(init_time: datetime, hours: int) -> QuerySet[Guidance]:
    """Guidance that a run may use: per station and hour one row, of the newest model run then known.

    Args:
        init_time: a full hour, aware UTC; what became available later is not looked at.
        hours: length of the forecast; rows are for the hours after `init_time` up to it.

    Returns:
        Rows of active stations. Of two models' runs with the same start the later available one speaks.
    """
    newest = Window(
        RowNumber(),
        partition_by=[F("station_id"), F("valid_time")],
        order_by=[F("init_time").desc(), F("available_time").desc(), F("pk").asc()],
    )
    return (
        Guidance.objects.filter(
            station__active=True,
            available_time__lte=init_time,
            valid_time__gt=init_time,
            valid_time__lte=init_time + timedelta(hours=hours),
        )
        .alias(rank=newest)
        .filter(rank=1)
        .order_by("station_id", "valid_time")
    )
