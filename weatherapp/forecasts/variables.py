"""The variables of the API: from a name, in any spelling, to a quantity and to what gives its values."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache, partial

import numpy as np

from weatherapp.core import solar, weather_code
from weatherapp.core.arrays import FloatArray
from weatherapp.forecasts import foreign
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.moments import Moments

Values = Callable[[Moments], FloatArray]

SUNNY_ALTITUDE = (
    3.0  # degrees: from here on a clear sky gives the 120 W/m² that count as sunshine (WMO-No. 8)
)
LEVELS = ("05", "10", "25", "50", "75", "90", "95")
QUANTILES = {
    "temperature_2m": "temperature",
    "wind_speed_10m": "speed",
    "precipitation": "water",
    "cloud_cover": "percent",
}
NEAREST = 3
LONGEST_NAME = 80  # characters; longer ones are nobody's and not worth remembering

_DRY = frozenset({"temperature", "dew_point"})
_DECIDED = _DRY | {"precipitation_type", "precipitation", "cloud_cover", "cloud_base"}


@dataclass(frozen=True, slots=True)
class Variable:
    """A series that can be asked for.

    Attributes:
        name: in today's spelling.
        quantity: chooses its unit.
        needs: the model's outputs that it is made of, by contract name.
        values: gives (case,) in the quantity's inside unit; None for what this project cannot produce.
    """

    name: str
    quantity: str
    needs: frozenset[str] = frozenset()
    values: Values | None = None


def resolve_hourly(name: str) -> Variable:
    """The variable of a name in a list of hours or moments.

    Raises:
        QueryInvalid: no such variable; names the nearest ones.
    """
    found = find_hourly(name)
    if found is None:
        raise nearest("hourly", name, produced(), (*produced(), *foreign.names()))
    return found


def find_hourly(name: str) -> Variable | None:
    """As `resolve_hourly`; None without such a variable."""
    return _find(name) if len(name) <= LONGEST_NAME else None


@lru_cache(maxsize=2048)
def _find(name: str) -> Variable | None:
    modern = foreign.modern(name)
    found = HOURLY.get(modern)
    if found is None:
        quantity = foreign.quantity(modern)
        found = Variable(modern, quantity) if quantity else None
    base, earlier, _ = modern.partition("_previous_day")
    if found is None and earlier and PREVIOUS_DAY.fullmatch(modern):
        now = find_hourly(base)
        found = now and replace(now, name=modern, needs=frozenset(), values=None)
    return found


def produced() -> list[str]:
    """Names of all variables that have values, but for their quantiles."""
    return [variable.name for variable in VARIABLES]


def unknown_name(kind: str, name: str, other: str) -> QueryInvalid:
    """Say that a name stands in the wrong list."""
    return QueryInvalid(f"Unknown {kind} variable {name[:60]!r}; ask for it with '{other}'.")


def nearest(kind: str, name: str, produced: Iterable[str], known: Iterable[str]) -> QueryInvalid:
    """Say that there is no such variable, and what may have been meant."""
    near = get_close_matches(foreign.modern(name[:60]), known, n=NEAREST, cutoff=0.6)
    meant = f" Did you mean {', '.join(near)}?" if near else ""
    return QueryInvalid(
        f"Unknown {kind} variable {name[:60]!r}.{meant} Values are known of: {', '.join(sorted(produced))}."
    )


def _plain(attribute: str, moments: Moments) -> FloatArray:
    return np.asarray(getattr(moments.hours, attribute))


def _amount(attribute: str, moments: Moments) -> FloatArray:
    return np.asarray(getattr(moments.hours, attribute) * moments.share)


def _chance(kind: int, moments: Moments) -> FloatArray:
    return moments.hours.type_probability(kind)


def _quantile(output: str, level: float, factor: float, moments: Moments) -> FloatArray:
    return moments.hours.quantile(output, level) * factor


def _amount_quantile(level: float, moments: Moments) -> FloatArray:
    return moments.hours.precipitation_quantile(level) * moments.share


def _surface_pressure(moments: Moments) -> FloatArray:
    return moments.hours.surface_pressure(moments.each(moments.elevations))


def _is_day(moments: Moments) -> FloatArray:
    where = moments.each(moments.latitudes), moments.each(moments.longitudes)
    return solar.is_day(moments.clock, *where).astype(np.float64)


def _sunshine(moments: Moments) -> FloatArray:
    """Seconds: as much of the time that the sun is high enough as the sky is open."""
    where = moments.each(moments.latitudes), moments.each(moments.longitudes)
    up = solar.seconds_above(moments.clock, moments.share, *where, SUNNY_ALTITUDE)
    return np.asarray(np.where(up > 0, up * (1.0 - moments.hours.cloud_cover / 100), 0.0))


def _table() -> tuple[Variable, ...]:
    def plain(name: str, quantity: str, attribute: str, *needs: str) -> Variable:
        return Variable(name, quantity, frozenset(needs), partial(_plain, attribute))

    def decided(name: str, quantity: str, values: Values) -> Variable:
        return Variable(name, quantity, _DECIDED, values)

    return (
        plain("temperature_2m", "temperature", "temperature", "temperature"),
        plain("relative_humidity_2m", "percent", "relative_humidity", *_DRY),
        plain("dew_point_2m", "temperature", "dew_point", *_DRY),
        plain("apparent_temperature", "temperature", "apparent_temperature", *_DRY, "wind_speed"),
        plain("wet_bulb_temperature_2m", "temperature", "wet_bulb_temperature", *_DRY),
        plain("vapour_pressure_deficit", "kilopascal", "vapour_pressure_deficit", *_DRY),
        decided("precipitation", "water", partial(_amount, "precipitation")),
        decided("precipitation_probability", "percent", partial(_plain, "precipitation_probability")),
        decided("precipitation_type", "code", partial(_plain, "precipitation_type")),
        decided("rain", "water", partial(_amount, "rain")),
        decided("snowfall", "snow", partial(_amount, "snowfall")),
        decided("snowfall_water_equivalent", "water", partial(_amount, "snowfall_water")),
        decided("rain_probability", "percent", partial(_chance, weather_code.RAIN)),
        decided("snowfall_probability", "percent", partial(_chance, weather_code.SNOW)),
        decided("freezing_rain_probability", "percent", partial(_chance, weather_code.MIXED)),
        decided("weather_code", "code", partial(_plain, "weather_code")),
        plain("wind_speed_10m", "speed", "wind_speed", "wind_speed"),
        plain("wind_direction_10m", "angle", "wind_direction", "wind"),
        plain("cloud_cover", "percent", "cloud_cover", "cloud_cover"),
        plain("cloud_base", "length", "cloud_base", "cloud_base"),
        plain("pressure_msl", "pressure", "pressure_msl", "pressure_msl"),
        Variable("surface_pressure", "pressure", _DRY | {"pressure_msl"}, _surface_pressure),
        Variable("is_day", "flag", frozenset(), _is_day),
        Variable("sunshine_duration", "seconds", frozenset({"cloud_cover"}), _sunshine),
    )


def _quantiles() -> Iterable[Variable]:
    outputs = {"temperature_2m": "temperature", "wind_speed_10m": "wind_speed", "cloud_cover": "cloud_cover"}
    for base, quantity in QUANTILES.items():
        for level in LEVELS:
            share = int(level) / 100
            if base in outputs:
                # Shares of sky are 0..1 in the model and % here.
                factor = 100.0 if quantity == "percent" else 1.0
                values: Values = partial(_quantile, outputs[base], share, factor)
                needs = frozenset({outputs[base]})
            else:
                values, needs = partial(_amount_quantile, share), _DECIDED
            yield Variable(f"{base}_p{level}", quantity, needs, values)


PREVIOUS_DAY = re.compile(r"[a-z0-9_]+_previous_day[1-7]")
VARIABLES = _table()
HOURLY: dict[str, Variable] = {variable.name: variable for variable in (*VARIABLES, *_quantiles())}
