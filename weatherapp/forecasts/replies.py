"""The body of `/v1/forecast` from a stored run. Pure but for the run's memory-mapped arrays."""

from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

import numpy as np

from weatherapp.core import units
from weatherapp.core.arrays import FloatArray
from weatherapp.core.blend import Blend, blend_outputs, plan_blend
from weatherapp.core.hourly import Hours
from weatherapp.forecasts.query import Place, Query
from weatherapp.forecasts.store import StoredRun
from weatherapp.forecasts.timeline import HOUR, Timeline, plan_timeline
from weatherapp.forecasts.variables import HOURLY


@dataclass(frozen=True)
class Answer:
    """A place's body, and the blend that it came from."""

    body: dict[str, Any]
    blend: Blend


def place_blend(run: StoredRun, place: Place) -> Blend:
    """The stations of a run that speak for a place.

    Raises:
        NothingNear: no station within reach.
    """
    return plan_blend(
        place.latitude,
        place.longitude,
        place.elevation,
        station_latitudes=run.latitudes,
        station_longitudes=run.longitudes,
        station_elevations=run.elevations,
        station_vectors=run.vectors,
    )


def place_hours(run: StoredRun, blend: Blend) -> Hours:
    """The run's leads for a place."""
    specs = run.contract.outputs
    return Hours(
        blend_outputs(run.outputs, blend),
        levels={spec.name: spec.levels for spec in specs if spec.levels},
        ceiling_thresholds=run.contract.output("cloud_base").thresholds,
    )


def answer(run: StoredRun, query: Query, place: Place, *, index: int, now: datetime, replay: bool) -> Answer:
    """Build one place's body.

    Args:
        run: an open run.
        query: the checked request.
        place: one of its places.
        index: position of the place in the request.
        now: aware; decides what today is.
        replay: whether the run was made from replayed observations.

    Returns:
        The body with its keys in order, and the blend.

    Raises:
        NothingNear: no station within reach of the place.
    """
    began = perf_counter()
    timeline = plan_timeline(query, place, now)
    blend = place_blend(run, place)
    series = _series(run, query, timeline, place_hours(run, blend)) if query.hourly else None
    body: dict[str, Any] = {
        "latitude": place.latitude,
        "longitude": place.longitude,
        "generationtime_ms": (perf_counter() - began) * 1000,
        "utc_offset_seconds": timeline.offset,
        "timezone": timeline.zone,
        "timezone_abbreviation": timeline.abbreviation,
    }
    if not np.isnan(blend.elevation):
        body["elevation"] = round(blend.elevation, 1)
    if replay:
        body["replay"] = True
    if index:
        body["location_id"] = index
    if series is not None:
        time_unit = "unixtime" if query.unixtime else "iso8601"
        unit = {name: query.unit[HOURLY[name].quantity].label for name in query.hourly}
        body["hourly_units"] = {"time": time_unit, **unit}
        body["hourly"] = series
    return Answer(body, blend)


def _series(run: StoredRun, query: Query, timeline: Timeline, hours: Hours) -> dict[str, Any]:
    # The first lead is the hour after init; zones off the full hour take the full hour before.
    first = timeline.start // HOUR - (int(run.init_time.timestamp()) // HOUR + 1)
    series: dict[str, Any] = {"time": timeline.labels(unixtime=query.unixtime)}
    for name in query.hourly:
        variable = HOURLY[name]
        series[name] = _written(variable.values(hours), query.unit[variable.quantity], first, timeline.hours)
    return series


def _written(values: FloatArray, unit: units.Unit, first: int, count: int) -> list[float | int | None]:
    """Values of `count` hours from lead index `first` on, rounded as the unit says; None where unknown."""
    row: list[float | int | None] = [None] * count
    low, high = max(0, -first), min(count, len(values) - first)
    if low < high:
        # Adding zero turns a rounded −0.0 into 0.0.
        rounded = np.round(units.convert(values[first + low : first + high], unit), unit.decimals) + 0.0
        finite = np.isfinite(rounded).tolist()
        numbers = rounded.tolist()
        if not unit.decimals:
            numbers = [int(number) if known else None for number, known in zip(numbers, finite, strict=True)]
        row[low:high] = [number if known else None for number, known in zip(numbers, finite, strict=True)]
    return row
