"""Questions about stations, observations and guidance."""

from collections import defaultdict
from datetime import date, datetime, timedelta

from django.db.models import Count, F, Max, OuterRef, QuerySet, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber, TruncDate

from weatherapp.observations.models import Guidance, Observation, Rejection, Station


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


def stations_counted(*, reports_since: datetime, refused_since: datetime) -> QuerySet[Station]:
    """Stations with `last_report`, how many `reports` and how much was `refused` since given times."""
    mine = Observation.objects.filter(station=OuterRef("pk")).order_by().values("station")
    refused = Rejection.objects.filter(station=OuterRef("pk"), received__gte=refused_since).order_by()
    reports = mine.filter(valid_time__gte=reports_since)
    return Station.objects.annotate(
        last_report=Subquery(mine.annotate(newest=Max("valid_time")).values("newest")),
        reports=Coalesce(Subquery(reports.annotate(count=Count("pk")).values("count")), 0),
        refused=Coalesce(Subquery(refused.values("station").annotate(count=Count("pk")).values("count")), 0),
    )


def refusals_per_check(refusals: QuerySet[Rejection]) -> list[tuple[str, int]]:
    """How many there are of each check, most first."""
    counted = refusals.order_by().values_list("check_name").annotate(count=Count("pk"))
    return [(name, count) for name, count in counted.order_by("-count", "check_name")]


def refusals_per_day(refusals: QuerySet[Rejection]) -> dict[str, dict[date, int]]:
    """How many there are of each check and UTC day of receipt."""
    days: defaultdict[str, dict[date, int]] = defaultdict(dict)
    counted = refusals.order_by().annotate(day=TruncDate("received")).values_list("check_name", "day")
    for name, day, count in counted.annotate(count=Count("pk")):
        days[name][day] = count
    return dict(days)
