"""`/locationforecast/2.0/compact` and `/complete`, with MET Norway's rules for caches."""

import math
from collections.abc import Mapping
from datetime import datetime

import orjson
from django.http import HttpResponse, HttpResponseNotModified
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from weatherapp.forecasts import caching, limits, selectors, store
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.metno import reference
from weatherapp.forecasts.metno.document import HOUR, Site, document
from weatherapp.forecasts.models import ForecastRun
from weatherapp.forecasts.query import Place
from weatherapp.forecasts.series import place_blend, place_series, wrap
from weatherapp.forecasts.views import AnyAccept

FORMS = ("compact", "complete")
DECIMALS = 4  # more say nothing about the weather and defeat caches
LOWEST, HIGHEST = -500.0, 9000.0


class Locationforecast(APIView):
    """Forecasts in the format of MET Norway."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="locationforecast",
        tags=["forecast"],
        parameters=[*reference.PARAMETERS, *reference.HEADERS],
        responses=reference.RESPONSES,
    )
    def get(self, request: Request, form: str) -> HttpResponse:
        """Forecast one place, for clients of MET Norway's Locationforecast 2.0.

        Ask again after `Expires`, with `If-Modified-Since`. The series starts with the current hour and goes
        on by hours as far as the forecast does.
        """
        limits.check_rate(request)
        if form not in FORMS:
            raise NotFound(f"There is no form {form[:40]!r}; {' and '.join(FORMS)} are served.")
        place = _place(request.query_params)
        now = timezone.now()
        run = selectors.current_run()
        modified = _modified(run, now)
        etag = caching.tag(str(run.folder), form, repr(place), str(modified))
        if caching.is_fresh(request, etag, modified):
            response: HttpResponse = HttpResponseNotModified()
        else:
            response = HttpResponse(_body(run, place, now, form), content_type="application/json")
        response["Access-Control-Allow-Origin"] = "*"
        response["Vary"] = "Accept-Encoding"
        return caching.describe(caching.stamp(response, run, etag, now, modified=modified), run, now)


def _body(run: ForecastRun, place: Place, now: datetime, form: str) -> bytes:
    stored = store.open_run(str(run.folder))
    blend = place_blend(stored, place)
    first = int(now.timestamp()) // HOUR
    count = max(0, stored.init_hour + 1 + stored.contract.lead_hours - first)
    needs = {spec.name for spec in stored.contract.outputs}
    series = place_series([stored], [blend], [place], needs=needs, first=first, count=count)
    made = document(
        wrap({name: values[0] for name, values in series.outputs.items()}, stored.contract),
        first_hour=first,
        from_hour=first,
        site=Site(place.latitude, place.longitude, float(series.elevations[0])),
        updated=run.stored or run.init_time,
        complete=form == "complete",
    )
    return orjson.dumps(made)


def _modified(run: ForecastRun, now: datetime) -> int:
    """The document changes with a new run and, as its series starts there, with the hour; Unix seconds."""
    stored = int(run.stored.timestamp()) if run.stored else 0
    return max(stored, int(now.timestamp()) // HOUR * HOUR)


def _place(given: Mapping[str, str]) -> Place:
    return Place(
        latitude=_number(given, "lat", -90, 90),
        longitude=_number(given, "lon", -180, 180),
        elevation=_number(given, "altitude", LOWEST, HIGHEST) if given.get("altitude") else None,
        zone="GMT",
    )


def _number(given: Mapping[str, str], name: str, low: float, high: float) -> float:
    text = given.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        seen = f"{text[:40]!r} was given" if text else "it is missing"
        raise QueryInvalid(f"Parameter '{name}': {seen}; allowed are numbers from {low:g} to {high:g}.")
    return round(value, DECIMALS)
