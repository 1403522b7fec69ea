"""The grammar of `/v1/forecast`: parameters in, a checked query out. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, partial
from typing import TypeVar
from zoneinfo import ZoneInfo, available_timezones

from weatherapp.core import units
from weatherapp.forecasts.daily import find_daily, resolve_daily
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.parameters import (
    SHOWN,
    Parameters,
    choice,
    day,
    integer,
    moment,
    number,
    single,
    split_lists,
    switch,
)
from weatherapp.forecasts.variables import find_hourly, resolve_hourly, unknown_name

__all__ = ["Parameters", "Place", "Query", "parse_query", "split_lists", "zone_info"]

PLACES = 1000
VARIABLES = 500  # of one list
MODELS = 10
PAST_DAYS, FORECAST_DAYS = 93, 16
DAYS = 7
CELLS = ("land", "sea", "nearest")
TIME_FORMATS = ("iso8601", "unixtime")
FORMATS = ("json", "csv", "flatbuffers")
RESOLUTIONS = ("hourly", "hourly_1", "native")
BEST = "best_match"
RELATIVE = (
    "past_days", "forecast_days", "past_hours", "forecast_hours", "past_minutely_15", "forecast_minutely_15",
)  # fmt: skip

Moment = TypeVar("Moment", date, datetime)
Span = tuple[Moment, Moment]


@dataclass(frozen=True, slots=True)
class Place:
    """Where; `elevation` in metres, None if not given, NaN for no downscaling. `zone` is auto or a name."""

    latitude: float
    longitude: float
    elevation: float | None
    zone: str


@dataclass(frozen=True)
class Query:
    """A checked request.

    `unit` holds the chosen unit per quantity of `variables.Variable`. `dates`, `span_hours` and
    `span_minutes` are first and last, local to the place: none, one for all places, or one per place.
    """

    places: tuple[Place, ...]
    hourly: tuple[str, ...]
    daily: tuple[str, ...]
    current: tuple[str, ...]
    minutely_15: tuple[str, ...]
    current_weather: bool
    unit: Mapping[str, units.Unit]
    unixtime: bool
    past_days: int
    forecast_days: int
    past_hours: int | None
    forecast_hours: int | None
    past_minutely_15: int | None
    forecast_minutely_15: int | None
    dates: tuple[Span[date], ...]
    span_hours: tuple[Span[datetime], ...]
    span_minutes: tuple[Span[datetime], ...]
    models: tuple[str, ...]
    format: str


def parse_query(parameters: Parameters, *, days: int = DAYS) -> Query:
    """Check every parameter; what is not one of this grammar is ignored, as other servers of it do.

    Args:
        parameters: values by name.
        days: as many as a request without `forecast_days` gets.

    Raises:
        QueryInvalid: says which parameter, what was given and what is allowed.
    """
    choice(parameters, "cell_selection", CELLS)
    choice(parameters, "temporal_resolution", RESOLUTIONS)
    places = _places(parameters)
    hourly_names = partial(_variables, parameters, resolve=_hourly)
    return Query(
        places=places,
        hourly=hourly_names("hourly"),
        daily=_variables(parameters, "daily", resolve_daily),
        current=hourly_names("current"),
        minutely_15=hourly_names("minutely_15"),
        current_weather=switch(parameters, "current_weather"),
        unit=_units(parameters),
        unixtime=choice(parameters, "timeformat", TIME_FORMATS) == "unixtime",
        past_days=integer(parameters, "past_days", PAST_DAYS) or 0,
        forecast_days=_or(integer(parameters, "forecast_days", FORECAST_DAYS), days),
        past_hours=integer(parameters, "past_hours", 24 * PAST_DAYS),
        forecast_hours=integer(parameters, "forecast_hours", 24 * FORECAST_DAYS),
        past_minutely_15=integer(parameters, "past_minutely_15", 96 * PAST_DAYS),
        forecast_minutely_15=integer(parameters, "forecast_minutely_15", 96 * FORECAST_DAYS),
        dates=_spans(parameters, "date", day, len(places)),
        span_hours=_spans(parameters, "hour", partial(moment, minutes=60), len(places)),
        span_minutes=_spans(parameters, "minutely_15", partial(moment, minutes=15), len(places)),
        models=_models(parameters),
        format=choice(parameters, "format", FORMATS),
    )


def zone_name(name: str) -> str:
    """A zone's own spelling, or `auto`.

    Raises:
        QueryInvalid: no such zone.
    """
    if name in {"auto", "GMT"} or name in _known_zones():
        return name
    # A plus that was not encoded arrives as a space, and so does what some write for an underscore.
    for spelling in (name.replace(" ", "_"), name.replace(" ", "+")):
        found = _folded_zones().get(spelling.casefold())
        if found:
            return found
    raise QueryInvalid(
        f"Invalid timezone {name[:SHOWN]!r}; allowed: auto, GMT or an IANA name such as Europe/Berlin."
    )


@cache
def zone_info(name: str) -> ZoneInfo:
    """The rules of a checked zone name."""
    return ZoneInfo(name)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _coordinates(parameters: Parameters, name: str, most: float) -> list[float]:
    values = [number(name, value) for value in parameters.get(name, ())]
    if not values:
        raise QueryInvalid(
            f"Parameter '{name}' is required: degrees from -{most:g} to {most:g}, one per place."
        )
    for value in values:
        if not -most <= value <= most:
            raise QueryInvalid(
                f"{name.capitalize()} must be in range of -{most:g} to {most:g}°. Given: {value}."
            )
    return values


def _elevations(parameters: Parameters, count: int) -> list[float | None]:
    texts = parameters.get("elevation", ())
    if not texts:
        return [None] * count
    values = [number("elevation", value) for value in texts]
    if len(values) != count:
        raise QueryInvalid(
            f"Parameter 'elevation' has {len(values)} values for {count} places; give one per place or none."
        )
    for value in values:
        if math.isinf(value) or not (math.isnan(value) or -500 <= value <= 9000):
            raise QueryInvalid(f"Parameter 'elevation' has {value}; allowed: -500 to 9000 metres, or nan.")
    return list(values)


def _places(parameters: Parameters) -> tuple[Place, ...]:
    given = [len(parameters.get(name, ())) for name in ("latitude", "longitude")]
    if all(given) and given[0] != given[1]:
        raise QueryInvalid(
            f"Parameters 'latitude' and 'longitude' must have the same number of elements; "
            f"{given[0]} and {given[1]} were given."
        )
    if max(given) > PLACES:
        raise QueryInvalid(f"{max(given)} places were given; at most {PLACES} are allowed in one request.")
    latitudes = _coordinates(parameters, "latitude", 90)
    longitudes = _coordinates(parameters, "longitude", 180)
    count = len(latitudes)
    zones = [zone_name(name) for name in parameters.get("timezone") or ("GMT",)]
    if len(zones) not in {1, count}:
        raise QueryInvalid(
            f"Parameter 'timezone' has {len(zones)} values for {count} places; give one, or one per place."
        )
    zones = zones * count if len(zones) == 1 else zones
    elevations = _elevations(parameters, count)
    return tuple(map(Place, latitudes, longitudes, elevations, zones))


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _folded_zones() -> dict[str, str]:
    return {name.casefold(): name for name in _known_zones()}


def _hourly(name: str) -> object:
    if find_hourly(name) is None and find_daily(name) is not None:
        raise unknown_name("hourly", name, "daily")
    return resolve_hourly(name)


def _variables(parameters: Parameters, name: str, resolve: Callable[[str], object]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(parameters.get(name, ())))
    if len(names) > VARIABLES:
        raise QueryInvalid(
            f"Parameter '{name}' has {len(names)} variables; at most {VARIABLES} are allowed in one request."
        )
    for one in names:
        resolve(one)
    return names


def _models(parameters: Parameters) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(parameters.get("models") or (BEST,)))
    if len(names) > MODELS:
        raise QueryInvalid(
            f"Parameter 'models' has {len(names)} names; at most {MODELS} are allowed in one request."
        )
    return names


def _spans(
    parameters: Parameters, kind: str, read: Callable[[str, str], Moment], places: int
) -> tuple[Span[Moment], ...]:
    """First and last of `start_<kind>` and `end_<kind>`."""
    start, end = f"start_{kind}", f"end_{kind}"
    firsts, lasts = parameters.get(start, ()), parameters.get(end, ())
    if not firsts and not lasts:
        return ()
    if not (firsts and lasts):
        raise QueryInvalid(f"Parameters '{start}' and '{end}' go together; give both, or none.")
    if len(firsts) != len(lasts) or len(firsts) not in {1, places}:
        raise QueryInvalid(
            f"Parameters '{start}' and '{end}' have {len(firsts)} and {len(lasts)} values for {places} "
            "places; give one of each, or one of each per place."
        )
    for name in RELATIVE:
        if single(parameters, name, "0") not in {"0", "0.0"}:
            raise QueryInvalid(f"Parameters '{start}' and '{name}' are mutually exclusive; give one of them.")
    spans = [(read(start, first), read(end, last)) for first, last in zip(firsts, lasts, strict=True)]
    for first, last in spans:
        if last < first:
            raise QueryInvalid(
                f"Parameter '{end}' ({last.isoformat()[:16]}) lies before '{start}' "
                f"({first.isoformat()[:16]}); swap them."
            )
    return tuple(spans)


def _units(parameters: Parameters) -> dict[str, units.Unit]:
    water = choice(parameters, "precipitation_unit", units.WATER)
    length = choice(parameters, "length_unit", units.LENGTH)
    # Asking for inches of rain turns the other lengths too.
    length = "imperial" if water == "inch" else length
    time = choice(parameters, "timeformat", TIME_FORMATS)
    return {
        **units.FIXED,
        "temperature": units.TEMPERATURE[choice(parameters, "temperature_unit", units.TEMPERATURE)],
        "speed": units.SPEED[choice(parameters, "wind_speed_unit", units.SPEED, "windspeed_unit")],
        "water": units.WATER[water],
        "length": units.LENGTH[length],
        "snow": units.SNOW[length],
        "time": units.TIME[time],
    }
