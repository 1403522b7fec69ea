"""The days of a place: values of its hours put together, and the sun. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from weatherapp.core import solar, wind
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.forecasts import foreign
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.moments import HOUR, Moments
from weatherapp.forecasts.variables import HOURLY, LONGEST_NAME, Variable, find_hourly, nearest, unknown_name

LONGEST_DAY = 26  # hours: when clocks go back, by two hours in Antarctica
LOWEST_WET_CODE = 51
KNOWN_SHARE = 0.75  # of a past day's hours, for it to have values


@dataclass(frozen=True)
class Days:
    """Days of places, with the hours that they are made of.

    Attributes:
        moments: hours in a row, at least all those of the days.
        bounds: (day + 1,) Unix seconds: where each day begins, and where the last one ends.
        today: index of today among the days; may lie outside.
    """

    moments: Moments
    bounds: IntArray
    today: int

    @cached_property
    def rows(self) -> IntArray:
        """(day, 26) which moment is the hour of a day; −1 beyond its last one."""
        edges = self.bounds // HOUR - self.moments.times[0] // HOUR
        rows = edges[:-1, None] + np.arange(LONGEST_DAY)
        return np.asarray(np.where(rows < edges[1:, None], rows, -1))

    def of(self, values: FloatArray) -> FloatArray:
        """(place, day, 26) from (case,); NaN where nothing is known or the day has no such hour."""
        return np.where(self.rows >= 0, self.moments.by_place(values)[:, self.rows], np.nan)

    def enough(self, values: FloatArray) -> BoolArray:
        """(place, day) whether enough of the hours, (place, day, 26), are known for the day to have a value.

        A day ahead needs all of them, today what there is, a past day three quarters.
        """
        known, there = np.isfinite(values).sum(axis=-1), (self.rows >= 0).sum(axis=-1)
        day = np.arange(len(there))
        least = np.where(day > self.today, there, np.ceil(KNOWN_SHARE * there))
        return np.asarray(known >= np.where(day == self.today, 1, np.maximum(least, 1)))

    @cached_property
    def sun(self) -> solar.SunDays:
        """The sun of each day, (place, day)."""
        middle = (self.bounds[:-1] + self.bounds[1:]) / 2 / HOUR
        return solar.sun_days(middle, self.moments.latitudes[:, None], self.moments.longitudes[:, None])


DayValues = Callable[[Days], FloatArray]


@dataclass(frozen=True, slots=True)
class DayVariable:
    """A series of days that can be asked for; as `variables.Variable`, (place, day) instead of (case,)."""

    name: str
    quantity: str
    needs: frozenset[str] = frozenset()
    values: DayValues | None = None


def resolve_daily(name: str) -> DayVariable:
    """The variable of a name in a list of days.

    Raises:
        QueryInvalid: no such variable; names the nearest ones.
    """
    found = find_daily(name)
    if found is None:
        raise _unknown(name)
    return found


def find_daily(name: str) -> DayVariable | None:
    """As `resolve_daily`; None without such a variable."""
    return _find(name) if len(name) <= LONGEST_NAME else None


@lru_cache(maxsize=2048)
def _find(name: str) -> DayVariable | None:
    modern = foreign.modern(name)
    if modern in DAILY:
        return DAILY[modern]
    if modern in NULL:
        return DayVariable(modern, NULL[modern])
    base, _, ending = modern.rpartition("_")
    hourly = find_hourly(base) if ending in ENDINGS else None
    if hourly is None:
        return None
    if ending == "sum" and hourly.quantity == "radiation":
        return DayVariable(modern, "exposure")
    return DayVariable(modern, hourly.quantity)


def reduce(values: FloatArray, enough: BoolArray, how: str) -> FloatArray:
    """Put the known hours of each day together.

    Args:
        values: (place, day, hour), NaN where unknown.
        enough: (place, day) which days have a value.
        how: max, min, mean or sum.

    Returns:
        (place, day) NaN where a day has no value.
    """
    known = np.isfinite(values)
    if how in {"max", "min"}:
        limit = -np.inf if how == "max" else np.inf
        filled = np.where(known, values, limit)
        found = filled.max(axis=-1) if how == "max" else filled.min(axis=-1)
    else:
        found = np.where(known, values, 0.0).sum(axis=-1)
        if how == "mean":
            found = found / np.maximum(known.sum(axis=-1), 1)
    return np.where(enough, found, np.nan)


def _unknown(name: str) -> QueryInvalid:
    if find_hourly(name) is not None:
        return unknown_name("daily", name, "hourly")
    known = (*DAILY, *NULL)
    return nearest("daily", name, DAILY, known)


def _reduced(variable: Variable, how: str) -> DayVariable:
    give = variable.values
    assert give is not None  # noqa: S101  (only variables that have values are put together)

    def values(days: Days) -> FloatArray:
        by_day = days.of(give(days.moments))
        return reduce(by_day, days.enough(by_day), how)

    return DayVariable(f"{variable.name}_{how}", variable.quantity, variable.needs, values)


def _code(days: Days) -> FloatArray:
    """The most severe code of the day.

    Codes of what falls are the highest: on a wet day the sky of its dry hours need not be known.
    """
    codes, amounts = (
        days.of(values) for values in (days.moments.hours.weather_code, days.moments.hours.precipitation)
    )
    worst = reduce(codes, np.asarray(np.isfinite(codes).any(axis=-1)), "max")
    enough = days.enough(codes) | (days.enough(amounts) & (worst >= LOWEST_WET_CODE))
    return np.where(enough, worst, np.nan)


def _wet_hours(days: Days) -> FloatArray:
    amounts = days.of(days.moments.hours.precipitation)
    wet = np.where(np.isfinite(amounts), (amounts > 0).astype(np.float64), np.nan)
    return reduce(wet, days.enough(amounts), "sum")


def _dominant(days: Days) -> FloatArray:
    """Where the day's air came from: the direction of the sum of its winds."""
    vector = days.moments.hours.outputs["wind"]
    u, v = days.of(vector[:, 0]), days.of(vector[:, 1])
    enough = days.enough(u)
    total = [reduce(component, enough, "sum") for component in (u, v)]
    return np.where(enough, wind.direction(*(np.nan_to_num(part) for part in total)), np.nan)


def _moment(hours: FloatArray) -> FloatArray:
    """Hours since 1970 as Unix seconds of a full minute: the sun is not known more exactly."""
    return np.asarray(np.round(hours * 60) * 60)


def _sunrise(days: Days) -> FloatArray:
    return _moment(days.sun.sunrise)


def _sunset(days: Days) -> FloatArray:
    return _moment(days.sun.sunset)


def _daylight(days: Days) -> FloatArray:
    """Seconds; where the sun does not set, those of the whole day."""
    sun, whole = days.sun, np.diff(days.bounds)
    turning = np.nan_to_num((sun.sunset - sun.sunrise) * HOUR)
    return np.where(np.isnan(sun.sunrise), np.where(sun.always_up, whole, 0.0), turning)


def _table() -> dict[str, DayVariable]:
    ranges = (
        "temperature_2m", "apparent_temperature", "dew_point_2m", "wet_bulb_temperature_2m",
        "relative_humidity_2m", "vapour_pressure_deficit", "cloud_cover", "pressure_msl", "surface_pressure",
        "wind_speed_10m", "precipitation_probability",
    )  # fmt: skip
    sums = ("precipitation", "rain", "snowfall", "snowfall_water_equivalent")
    decided, sky = HOURLY["weather_code"].needs, HOURLY["sunshine_duration"]
    made = [_reduced(HOURLY[name], how) for name in ranges for how in ("max", "min", "mean")]
    made += [_reduced(HOURLY[name], "sum") for name in sums]
    sunshine = _reduced(sky, "sum")
    made += [
        DayVariable("weather_code", "code", decided, _code),
        DayVariable("precipitation_hours", "hours", decided, _wet_hours),
        DayVariable("wind_direction_10m_dominant", "angle", frozenset({"wind"}), _dominant),
        DayVariable("sunrise", "time", frozenset(), _sunrise),
        DayVariable("sunset", "time", frozenset(), _sunset),
        DayVariable("daylight_duration", "seconds", frozenset(), _daylight),
        DayVariable("sunshine_duration", "seconds", sky.needs, sunshine.values),
    ]
    return {variable.name: variable for variable in made}


ENDINGS = frozenset({"max", "min", "mean", "sum", "dominant"})
# Of that API, without values here; a name ending in one of ENDINGS needs no line.
NULL = {
    "et0_fao_evapotranspiration": "water",
    "growing_degree_days_base_0_limit_50": "undefined",
    "moonrise": "time",
    "moonset": "time",
    "moon_phase": "undefined",
}
DAILY = _table()
