"""The page that people see first."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from weatherapp.core.errors import NothingNear
from weatherapp.core.hourly import Hours
from weatherapp.forecasts import query, replies, selectors, store, timeline
from weatherapp.forecasts.errors import NoCurrentRun, QueryInvalid
from weatherapp.forecasts.models import ForecastRun
from weatherapp.web import chart

BANDS = ((0.05, 0.95), (0.25, 0.75))
EXAMPLE_VARIABLES = "temperature_2m,precipitation,precipitation_probability,weather_code,wind_speed_10m"


@dataclass(frozen=True)
class Shown:
    """The place on the page, with its drawing and the stations it came from."""

    place: query.Place
    zone: str
    svg: str
    stations: list[tuple[str, float]]


def home(request: HttpRequest) -> HttpResponse:
    """The current run, and a place's forecast as a drawing."""
    context: dict[str, Any] = {
        "chosen": {name: request.GET.get(name, "") for name in ("latitude", "longitude")}
    }
    try:
        run = selectors.current_run()
        stored = store.open_run(str(run.folder))
    except NoCurrentRun as error:
        return render(request, "web/home.html", context | {"waiting": str(error)}, status=503)
    context |= {"run": run, "stations": stored.stations}
    try:
        shown = _show(run, stored, _place(request, stored))
    except (QueryInvalid, NothingNear) as error:
        return render(request, "web/home.html", context | {"refused": str(error)}, status=400)
    context |= {"shown": shown, "example": _example(shown.place), "cell": _cell(shown.place)}
    return render(request, "web/home.html", context)


def _place(request: HttpRequest, stored: store.StoredRun) -> query.Place:
    """The place in the query; the first station where there is none."""
    given = {name: request.GET.getlist(name) for name in ("latitude", "longitude", "elevation")}
    given = {name: [value.strip() for value in values if value.strip()] for name, values in given.items()}
    if not given["latitude"] and not given["longitude"]:
        first = stored.stations[0]
        return query.Place(first.latitude, first.longitude, first.elevation, "auto")
    return query.parse_query({**given, "timezone": ["auto"]}).places[0]


def _show(run: ForecastRun, stored: store.StoredRun, place: query.Place) -> Shown:
    blend = replies.place_blend(stored, place)
    hours = replies.place_hours(stored, blend)
    zone = timeline.place_zone(place)
    names = [stored.stations[index].name for index in blend.stations.tolist()]
    title = f"48 hours from {run.init_time:%d %B %Y %H:%M} UTC for {place.latitude:g}, {place.longitude:g}"
    return Shown(
        place=place,
        zone=zone,
        svg=chart.draw(_data(hours, run.init_time, zone), title),
        stations=list(zip(names, blend.distances.tolist(), strict=True)),
    )


def _data(hours: Hours, init_time: datetime, zone: str) -> chart.ChartData:
    info = query.zone_info(zone)
    first = init_time.astimezone(UTC) + timedelta(hours=1)
    return chart.ChartData(
        times=[(first + timedelta(hours=lead)).astimezone(info) for lead in range(len(hours.temperature))],
        bands=[
            (hours.quantile("temperature", low), hours.quantile("temperature", high)) for low, high in BANDS
        ],
        median=hours.temperature,
        precipitation=hours.precipitation,
        probability=hours.precipitation_probability,
    )


def _example(place: query.Place) -> str:
    asked = {
        "latitude": f"{place.latitude:g}",
        "longitude": f"{place.longitude:g}",
        "hourly": EXAMPLE_VARIABLES,
        "timezone": "auto",
        "forecast_days": 2,
    }
    return f"{reverse('forecast')}?{urlencode(asked, safe=',')}"


def _cell(place: query.Place) -> str:
    from weatherapp.forecasts.cells import Cell

    south, west = min(int(place.latitude // 1), 89), min(int(place.longitude // 1), 179)
    return reverse("cell-inputs", args=[Cell(south, west).name])
