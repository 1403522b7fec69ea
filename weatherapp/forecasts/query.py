"""The grammar of `/v1/forecast`: parameters in, a checked query out. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from weatherapp.core import units
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.variables import HOURLY

Parameters = Mapping[str, list[str]]

PLACES = 1000
PAST_DAYS, FORECAST_DAYS = 93, 16
CELLS = ("land", "sea", "nearest")
TIME_FORMATS = ("iso8601", "unixtime")
# Known to clients of this grammar, not served by this version; silently ignoring them would mislead.
NOT_SERVED = (
    "current", "current_weather", "daily", "minutely_15", "start_date", "end_date", "start_hour", "end_hour",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where; `elevation` in metres, None if not given, NaN for no downscaling. `zone` is auto or a name."""

    latitude: float
    longitude: float
    elevation: float | None
    zone: str


@dataclass(frozen=True)
class Query:
    """A checked request; `unit` holds the chosen unit per quantity of `variables.Quantity`."""

    places: tuple[Place, ...]
    hourly: tuple[str, ...]
    unit: Mapping[str, units.Unit]
    unixtime: bool
    past_days: int
    forecast_days: int
    past_hours: int | None
    forecast_hours: int | None
    model: str


def split_lists(pairs: Iterable[tuple[str, Any]]) -> dict[str, list[str]]:
    """Collect values by name: repeated keys, commas and JSON lists mix freely; empty items vanish."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        values = value if isinstance(value, list) else [value]
        items = [item.strip() for one in values for item in _text(one).split(",")]
        found.setdefault(name, []).extend(item for item in items if item)
    return found


def parse_query(parameters: Parameters) -> Query:
    """Check every parameter.

    Raises:
        QueryInvalid: says which parameter, what was given and what is allowed.
    """
    for name in NOT_SERVED:
        if any(value not in {"false", "0"} for value in parameters.get(name, ())):
            raise QueryInvalid(
                f"Parameter '{name}' is not served; ask for 'hourly' with forecast_days or past_days."
            )
    _choice(parameters, "format", ("json",))
    _choice(parameters, "cell_selection", CELLS)
    return Query(
        places=_places(parameters),
        hourly=_variables(parameters),
        unit=_units(parameters),
        unixtime=_choice(parameters, "timeformat", TIME_FORMATS) == "unixtime",
        past_days=_integer(parameters, "past_days", PAST_DAYS) or 0,
        forecast_days=_or(_integer(parameters, "forecast_days", FORECAST_DAYS), 7),
        past_hours=_integer(parameters, "past_hours", 24 * PAST_DAYS),
        forecast_hours=_integer(parameters, "forecast_hours", 24 * FORECAST_DAYS),
        model=_single(parameters, "models", "best_match"),
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, dict | list):
        raise QueryInvalid(
            f"A value must be a text, a number or a list of those; {str(value)[:60]!r} was given."
        )
    return str(value)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _single(parameters: Parameters, name: str, default: str) -> str:
    values = parameters.get(name) or [default]
    if len(values) > 1:
        raise QueryInvalid(f"Parameter '{name}' takes one value; {len(values)} were given.")
    return values[0]


def _choice(parameters: Parameters, name: str, allowed: Iterable[str], alias: str = "") -> str:
    choices = list(allowed)
    given = alias if parameters.get(alias) else name
    value = _single(parameters, given, choices[0])
    if value not in choices:
        raise QueryInvalid(f"Parameter '{given}' is {value[:60]!r}; allowed: {', '.join(choices)}.")
    return value


def _integer(parameters: Parameters, name: str, most: int) -> int | None:
    if not parameters.get(name):
        return None
    text = _single(parameters, name, "")
    if not text.isascii() or not text.isdigit() or int(text[:9]) > most:
        raise QueryInvalid(f"Parameter '{name}' is {text[:60]!r}; allowed: whole numbers from 0 to {most}.")
    return int(text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise QueryInvalid(f"Parameter '{name}' has {text[:60]!r}; numbers are allowed.") from error


def _coordinates(parameters: Parameters, name: str, most: float) -> list[float]:
    values = [_number(name, text) for text in parameters.get(name, ())]
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
    values = [_number("elevation", text) for text in texts]
    if len(values) != count:
        raise QueryInvalid(
            f"Parameter 'elevation' has {len(values)} values for {count} places; give one per place or none."
        )
    for value in values:
        if math.isinf(value) or not (math.isnan(value) or -500 <= value <= 9000):
            raise QueryInvalid(f"Parameter 'elevation' has {value}; allowed: -500 to 9000 metres, or nan.")
    return list(values)


def _places(parameters: Parameters) -> tuple[Place, ...]:
    latitudes, longitudes = (
        _coordinates(parameters, "latitude", 90),
        _coordinates(parameters, "longitude", 180),
    )
    count = len(latitudes)
    if len(longitudes) != count:
        raise QueryInvalid(
            f"Parameters 'latitude' and 'longitude' must have the same number of elements; "
            f"{count} and {len(longitudes)} were given."
        )
    if count > PLACES:
        raise QueryInvalid(f"{count} places were given; at most {PLACES} are allowed in one request.")
    zones = [_zone(name) for name in parameters.get("timezone") or ["GMT"]]
    if len(zones) not in {1, count}:
        raise QueryInvalid(
            f"Parameter 'timezone' has {len(zones)} values for {count} places; give one, or one per place."
        )
    zones = zones * count if len(zones) == 1 else zones
    elevations = _elevations(parameters, count)
    return tuple(map(Place, latitudes, longitudes, elevations, zones))


def _zone(name: str) -> str:
    if name not in {"auto", "GMT"} and name not in _known_zones():
        raise QueryInvalid(
            f"Invalid timezone {name[:60]!r}; allowed: auto, GMT or an IANA name such as Europe/Berlin."
        )
    return name


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def zone_info(name: str) -> ZoneInfo:
    """The rules of a checked zone name."""
    return ZoneInfo(name)


def _variables(parameters: Parameters) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(parameters.get("hourly", ())))
    for name in names:
        if name not in HOURLY:
            raise QueryInvalid(
                f"Unknown hourly variable {name[:60]!r}; allowed: {', '.join(sorted(HOURLY))}."
            )
    return names


def _units(parameters: Parameters) -> dict[str, units.Unit]:
    choose: Callable[..., str] = _choice
    water = choose(parameters, "precipitation_unit", units.WATER)
    length = choose(parameters, "length_unit", units.LENGTH)
    return {
        "temperature": units.TEMPERATURE[choose(parameters, "temperature_unit", units.TEMPERATURE)],
        "speed": units.SPEED[choose(parameters, "wind_speed_unit", units.SPEED, "windspeed_unit")],
        "water": units.WATER[water],
        # Asking for inches of rain turns the other lengths too.
        "length": units.LENGTH["imperial" if water == "inch" else length],
        "pressure": units.PRESSURE["hpa"],
        "percent": units.PERCENT["percent"],
        "angle": units.ANGLE["degree"],
        "code": units.CODE["wmo"],
    }
