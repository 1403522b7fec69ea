"""A device's own forecast: the public one, what was learned, and the difference, hour by hour."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np

from weatherapp.core import units
from weatherapp.core.arrays import FloatArray
from weatherapp.core.errors import NothingNear
from weatherapp.core.personal import activities, bias, rules
from weatherapp.core.personal.hours import HOUR, PersonalHours
from weatherapp.core.personal.localtime import zone_info
from weatherapp.forecasts.store import StoredRun
from weatherapp.personal import reasons, selectors, shapes, weather
from weatherapp.personal.models import DAYS, Commute, Device, Place
from weatherapp.personal.variables import unit_of
from weatherapp.personal.weather import Learned, PlaceWeather

Body = dict[str, Any]
Getter = Callable[[PersonalHours], FloatArray]
DEFAULT_DAYS, MOST_DAYS = 2, 3
# Of the quantiles, the ones between which four of five outcomes lie.
LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True, slots=True)
class Series:
    """A variable of the reply. `differs` says whether the difference is worth showing: an angle's is not."""

    values: Getter
    unit: Callable[[Device], units.Unit]
    differs: bool = True


def _felt(hours: PersonalHours) -> FloatArray:
    return hours.quantile("feels_like", 0.5)


SERIES: Mapping[str, Series] = MappingProxyType(
    {
        "temperature": Series(lambda h: h.temperature, lambda d: unit_of(d, "temperature")),
        "feels_like": Series(_felt, lambda d: unit_of(d, "feels_like")),
        "wind_speed": Series(lambda h: h.wind_speed, lambda d: unit_of(d, "wind_speed")),
        "pressure_msl": Series(lambda h: h.pressure_msl, lambda _: units.PRESSURE["hpa"]),
        "precipitation": Series(lambda h: h.precipitation, lambda d: unit_of(d, "precipitation")),
        "precipitation_probability": Series(
            lambda h: h.precipitation_probability * 100, lambda _: units.PERCENT["percent"]
        ),
        "cloud_cover": Series(lambda h: h.cloud_cover * 100, lambda _: units.PERCENT["percent"]),
        "wind_direction": Series(lambda h: h.wind_direction, lambda _: units.ANGLE["degree"], differs=False),
        "weather_code": Series(lambda h: h.weather_code, lambda _: units.CODE["wmo"], differs=False),
    }
)


def forecast_body(
    device: Device, places: Iterable[Place], *, days: int, language: str, now: datetime
) -> Body:
    """Everything applied, for some of a device's places.

    Args:
        device: whose.
        places: of it.
        days: local days from today on, 1 to 3; the model's horizon may end sooner.
        language: en or zh, of the reasons.
        now: aware.

    Raises:
        NoCurrentRun: there is no run.
    """
    run, stored = weather.current()
    until = _midnight(device, now, days)
    found = place_weathers(device, places, stored, language, now)
    return {
        "run": run.folder,
        "init_time": f"{run.init_time:%Y-%m-%dT%H:%MZ}",
        "release": run.release.version,
        "replay": run.replay,
        "time_zone": device.time_zone,
        "places": [_place(device, place, found[place.pk], until, language, now) for place in places],
        "commutes": [
            _commute(device, commute, found, until, now)
            for commute in device.commutes.select_related("origin", "destination")
            if commute.origin_id in found and commute.destination_id in found
        ],
    }


def place_weathers(
    device: Device, places: Iterable[Place], stored: StoredRun, language: str, now: datetime
) -> dict[Any, PlaceWeather | str]:
    """The weather of places by key; a sentence where there is none."""
    states, person = selectors.states_by_place(device), weather.comfort_of(device)
    found: dict[Any, PlaceWeather | str] = {}
    for place in places:
        try:
            found[place.pk] = weather.place_weather(
                stored, place, states=states.get(place.pk, ()), person=person, now=now
            )
        except NothingNear:
            found[place.pk] = reasons.unavailable(language, place)
    return found


def written(values: FloatArray, unit: units.Unit) -> list[float | int | None]:
    """Inside values in a unit, rounded as it says; None where unknown."""
    numbers = np.round(units.convert(values, unit), unit.decimals) + 0.0
    kind = int if unit.decimals == 0 else float
    return [kind(number) if np.isfinite(number) else None for number in numbers.tolist()]


def _midnight(device: Device, now: datetime, days: int) -> int:
    """Unix s of the local midnight that ends the last day."""
    zone = zone_info(device.time_zone)
    local = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return int((local + timedelta(days=days)).timestamp())


def _place(
    device: Device, place: Place, found: PlaceWeather | str, until: int, language: str, now: datetime
) -> Body:
    body: Body = {"place": shapes.place_body(place)}
    if isinstance(found, str):
        return {**body, "unavailable": found}
    shown = found.personal.times <= until
    hours = found.personal.between(0, until)
    body["elevation"] = None if np.isnan(found.elevation) else round(found.elevation, 1)
    body["headline"] = _headline(device, found)
    body["corrections"] = [
        _correction(device, name, one, language, now) for name, one in found.learned.items()
    ]
    body["feels_like"] = _feels_like(device, found, language)
    body["hourly"] = {
        "time": labels(device, hours),
        **{name: _series(device, name, found, shown) for name in SERIES},
    }
    body["activities"] = [_activity(device, name, hours) for name in device.activities]
    return body


def _series(device: Device, name: str, found: PlaceWeather, shown: Any) -> Body:
    series = SERIES[name]
    unit = series.unit(device)
    public, personal = (
        written(series.values(hours)[shown], unit) for hours in (found.public, found.personal)
    )
    body: Body = {"unit": unit.label, "public": public}
    if series.differs:
        # Of the rounded values, so that public and correction add up to personal on the screen.
        body["correction"] = [
            None if a is None or b is None else round(b - a, unit.decimals) + 0
            for a, b in zip(public, personal, strict=True)
        ]
    body["personal"] = personal
    if name in found.personal.quantiles and name != "precipitation":
        scale = 100.0 if name == "cloud_cover" else 1.0
        for key, level in (("p10", LOW), ("p90", HIGH)):
            body[key] = written(found.personal.quantile(name, level)[shown] * scale, unit)
    return body


def _headline(device: Device, found: PlaceWeather) -> Body | None:
    """The one number to show large: of the current hour's end."""
    if not len(found.personal):
        return None
    unit = unit_of(device, device.headline)
    value = SERIES[device.headline].values(found.personal)[:1]
    return {"variable": device.headline, "unit": unit.label, "value": written(value, unit)[0]}


def _correction(device: Device, variable: str, one: Learned, language: str, now: datetime) -> Body:
    """What was learned about a variable, and since when nothing was reported."""
    model = bias.MODELS[variable]
    hours = max(0.0, now.timestamp() - (one.state.updated or 0)) / HOUR
    first = float(one.amounts[0]) if len(one.amounts) else (1.0 if model.ratio else 0.0)
    unit = units.Unit("×", 2) if model.ratio else _difference(unit_of(device, variable))
    changes = bool(np.any(one.amounts != (1.0 if model.ratio else 0.0)))
    return {
        "variable": variable,
        "unit": unit.label,
        "now": written(np.array([first]), unit)[0],
        "reports": one.state.reports,
        "why": reasons.correction(language, reports=one.state.reports, hours=hours, changes=changes),
    }


def _feels_like(device: Device, found: PlaceWeather, language: str) -> Body:
    """How much the person's own votes change, and how sure that is."""
    votes = weather.comfort_of(device).votes
    unit = _difference(unit_of(device, "feels_like"))
    sure = found.feels_spread[:1]
    return {
        "votes": votes,
        "spread": written(sure, unit)[0] if len(sure) else None,
        "unit": unit.label,
        "why": reasons.feels_like(language, votes=votes),
    }


def _difference(unit: units.Unit) -> units.Unit:
    """A unit for differences: a degree Fahrenheit of difference has no offset."""
    return units.Unit(unit.label, unit.decimals, unit.factor)


def _activity(device: Device, name: str, hours: PersonalHours) -> Body:
    scored = activities.score(name, hours)
    best = activities.best_window(scored, hours.times, device.time_zone)
    return {
        "activity": name,
        "score": written(scored.score, units.PERCENT["percent"]),
        "limiting": list(scored.limiting),
        "best": [
            {
                "day": window.day.isoformat(),
                "start": _label(device, window.start),
                "end": _label(device, window.end),
                "score": round(window.score),
                "limiting": window.limiting,
            }
            for window in best
        ],
    }


def _commute(
    device: Device, commute: Commute, found: Mapping[Any, PlaceWeather | str], until: int, now: datetime
) -> Body:
    """The hours of each coming way, at both of its ends."""
    window = rules.Window(
        days=tuple(DAYS.index(day) for day in commute.days),
        start=commute.start,
        end=commute.end,
        zone=device.time_zone,
    )
    ends = {"origin": found[commute.origin_id], "destination": found[commute.destination_id]}
    return {
        "commute": shapes.commute_body(commute),
        "ways": [
            {
                "day": day.isoformat(),
                "start": _label(device, start),
                "end": _label(device, end),
                **{name: _way(device, one, start, end) for name, one in ends.items()},
            }
            for day, start, end in window.occasions(int(now.timestamp()), until)
        ],
    }


def _way(device: Device, found: PlaceWeather | str, start: int, end: int) -> Body | None:
    """The least pleasant values of the hours that a way touches; None without a forecast for them."""
    if isinstance(found, str):
        return None
    # An hour's amounts fall in the hour before its time.
    hours = found.personal.between(start + 1, end + HOUR - 1)
    if not len(hours) or not hours.known.all():
        return None
    temperature, speed = unit_of(device, "temperature"), unit_of(device, "wind_speed")
    scored = activities.score("commuting", hours)
    if not np.isfinite(scored.score).all():
        return None
    worst = int(np.argmin(scored.score))
    return {
        "temperature": written(np.array([hours.temperature.min(), hours.temperature.max()]), temperature),
        "feels_like": written(np.array([_felt(hours).min(), _felt(hours).max()]), temperature),
        "temperature_unit": temperature.label,
        "wind_speed": written(hours.wind_speed.max(keepdims=True), speed)[0],
        "wind_speed_unit": speed.label,
        "precipitation_probability": round(float(hours.precipitation_probability.max()) * 100),
        "score": round(float(scored.score[worst])),
        "limiting": scored.limiting[worst],
    }


def labels(device: Device, hours: PersonalHours) -> list[str]:
    """Local times with their own offset."""
    return [_label(device, stamp) for stamp in hours.times.tolist()]


def _label(device: Device, stamp: int) -> str:
    return datetime.fromtimestamp(stamp, zone_info(device.time_zone)).isoformat(timespec="minutes")
