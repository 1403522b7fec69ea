"""How good each hour is for an activity, what stands in its way, and the best window of each day.

Each factor of an activity rates an hour from 0 (impossible) to 1 (nothing to wish for), as the mean over the
forecast's quantiles, so that doubt costs points. The score is that of the worst factor, which is named: no
other one could better it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from types import MappingProxyType

import numpy as np

from weatherapp.core import solar
from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.personal import localtime
from weatherapp.core.personal.errors import RequestInvalid
from weatherapp.core.personal.hours import HOUR, PersonalHours
from weatherapp.core.thermo import saturation_vapour_pressure
from weatherapp.core.weather_code import MIXED, SNOW

Factor = Callable[[PersonalHours], FloatArray]
WORTHWHILE = 40.0  # a window with a lower score is not recommended


@dataclass(frozen=True)
class Activity:
    """What an activity asks of the weather.

    Attributes:
        factors: by the name that is shown when it limits: rates every hour 0–1.
        duration: h of a window.
        clock: local clock times between which a window may lie; the whole day when they are the same. A clock
            that ends before it starts is a night, which belongs to the day on which it starts.
    """

    factors: Mapping[str, Factor]
    duration: int
    clock: tuple[time, time]


@dataclass(frozen=True)
class ActivityScore:
    """Scores of an activity.

    Attributes:
        activity: its name.
        score: (hour,) 0–100; NaN where there is no forecast. Of the hour that ends at the valid time.
        limiting: (hour,) name of the factor that the score comes from; "" where nothing limits (100) or
            nothing is known.
    """

    activity: str
    score: FloatArray
    limiting: tuple[str, ...]


@dataclass(frozen=True)
class BestWindow:
    """The best time of a day.

    Attributes:
        day: local; of a night the day on which it starts.
        start: Unix s.
        end: Unix s.
        score: 0–100, the mean over its hours.
        limiting: the factor that limits its worst hour, "" if none does.
    """

    day: date
    start: int
    end: int
    score: float
    limiting: str


def score(activity: str, hours: PersonalHours) -> ActivityScore:
    """Rate every hour for an activity.

    Args:
        activity: one of ACTIVITIES.
        hours: of the place; feels-like counts in place of the temperature where it is known.

    Raises:
        RequestInvalid: no such activity.
    """
    factors = _activity(activity).factors
    names = list(factors)
    rated = np.stack([factors[name](hours) for name in names])  # (factor, hour)
    rated[:, ~np.isfinite(rated).all(axis=0)] = np.nan
    worst = np.argmin(np.nan_to_num(rated, nan=0.0), axis=0)
    lowest = rated[worst, np.arange(len(hours))]
    limiting = tuple(
        names[index] if value < 0.995 else "" for index, value in zip(worst, lowest.tolist(), strict=True)
    )
    return ActivityScore(activity, np.clip(lowest, 0.0, 1.0) * 100, limiting)


def best_window(scored: ActivityScore, times: IntArray, zone: str) -> list[BestWindow]:
    """The best window of each local day.

    Args:
        scored: what `score` gave.
        times: (hour,) valid times of the hours, Unix s.
        zone: IANA name.

    Returns:
        At most one window per day, in order: the one with the highest mean score, the earliest if several
        have it. Days whose best window is below WORTHWHILE, or that have no whole window left, are left out.

    Raises:
        RequestInvalid: no such activity or zone.
    """
    activity = _activity(scored.activity)
    info = localtime.zone_info(zone)
    if not len(times):
        return []
    found = []
    first, last = int(times[0]) - HOUR, int(times[-1])
    for day in localtime.days(first - 24 * HOUR, last, info):
        opens, closes = activity.clock
        end_day = day if closes > opens else day + timedelta(days=1)
        start, end = localtime.unix(day, opens, info), localtime.unix(end_day, closes, info, last=True)
        window = _best(scored, times, activity.duration, (start, end), day)
        if window and window.score >= WORTHWHILE:
            found.append(window)
    return found


def _best(
    scored: ActivityScore, times: IntArray, duration: int, bounds: tuple[int, int], day: date
) -> BestWindow | None:
    best: BestWindow | None = None
    inside = np.flatnonzero((times - HOUR >= bounds[0]) & (times <= bounds[1]))
    for first in inside.tolist():
        rows = slice(first, first + duration)
        values = scored.score[rows]
        whole = (
            len(values) == duration and times[first + duration - 1] - times[first] == (duration - 1) * HOUR
        )
        if not whole or times[first + duration - 1] > bounds[1] or not np.isfinite(values).all():
            continue
        mean = float(values.mean())
        if best is None or mean > best.score + 1e-9:
            limiting = scored.limiting[first + int(np.argmin(values))]
            end = int(times[first + duration - 1])
            best = BestWindow(day, int(times[first]) - HOUR, end, mean, limiting)
    return best


def _activity(name: str) -> Activity:
    if name not in ACTIVITIES:
        raise RequestInvalid(f"{name!r} is not an activity; choose one of {', '.join(ACTIVITIES)}.")
    return ACTIVITIES[name]


def _ramp(values: FloatArray, worst: float, best: float) -> FloatArray:
    """0 at `worst` and beyond, 1 at `best` and beyond, linear between; the two may be either way round."""
    return np.asarray(np.clip((values - worst) / (best - worst), 0.0, 1.0))


def _mean(rated: FloatArray, levels: FloatArray) -> FloatArray:
    """(hour,) mean over the distribution: each quantile stands for the share nearest to it."""
    middle = (levels[1:] + levels[:-1]) / 2
    weights = np.diff(np.concatenate([[0.0], middle, [1.0]]))
    return np.asarray(rated @ weights)


def _spread(variable: str, worst: float, best: float) -> Factor:
    def rate(hours: PersonalHours) -> FloatArray:
        return _mean(_ramp(hours.quantiles[variable], worst, best), hours.levels[variable])

    return rate


def _warmth(worst: float, best: float) -> Factor:
    """Feels-like where it is known, else temperature: outside the limits of the index there is only that."""

    def rate(hours: PersonalHours) -> FloatArray:
        values, levels = hours.quantiles["temperature"], hours.levels["temperature"]
        if "feels_like" in hours.quantiles:
            felt = hours.quantiles["feels_like"]
            values = np.where(np.isfinite(felt).all(axis=1, keepdims=True), felt, values)
        return _mean(_ramp(values, worst, best), levels)

    return rate


def _dry(worst: float, best: float) -> Factor:
    def rate(hours: PersonalHours) -> FloatArray:
        return _ramp(hours.precipitation_probability, worst, best)

    return rate


def _no_ice(hours: PersonalHours) -> FloatArray:
    slippery = hours.type_probability[:, SNOW] + hours.type_probability[:, MIXED]
    return _ramp(slippery, 0.5, 0.05)


def _sun(hours: PersonalHours) -> FloatArray:
    """(hour,) cosine of the sun's zenith angle in the middle of the hour."""
    return solar.cos_solar_zenith(hours.times / HOUR - 0.5, hours.latitude, hours.longitude)


def _daylight(hours: PersonalHours) -> FloatArray:
    return _ramp(_sun(hours), np.sin(np.deg2rad(-6.0)), np.sin(np.deg2rad(0.0)))


def _dark(hours: PersonalHours) -> FloatArray:
    return _ramp(_sun(hours), np.sin(np.deg2rad(-6.0)), np.sin(np.deg2rad(-18.0)))


def _drying(hours: PersonalHours) -> FloatArray:
    return _ramp(drying_power(hours), 0.02, 0.25)


def drying_power(hours: PersonalHours) -> FloatArray:
    """(hour,) mm of water per hour that wet cloth can lose to the air, at the medians.

    Source: the aerodynamic term of Penman (1948), doi:10.1098/rspa.1948.0037, with his wind function.
    """
    deficit = saturation_vapour_pressure(hours.temperature) - saturation_vapour_pressure(hours.dew_point)
    return np.asarray(0.26 * (1 + 0.54 * hours.wind_speed) * np.maximum(deficit, 0.0) / 24)


def _no_dew(hours: PersonalHours) -> FloatArray:
    return _ramp(hours.temperature - hours.dew_point, 0.5, 3.0)


def _sight(hours: PersonalHours) -> FloatArray:
    near = _ramp(hours.temperature - hours.dew_point, 4.0, 1.0)  # fog needs damp air, a low ceiling does not
    return _ramp(hours.fog_probability * near, 0.8, 0.1)


_DAY = (time(6), time(22))

ACTIVITIES: Mapping[str, Activity] = MappingProxyType(
    {
        "running": Activity(
            {
                "rain": _dry(0.8, 0.1),
                "ice": _no_ice,
                "cold": _warmth(-15.0, 5.0),
                "heat": _warmth(34.0, 20.0),
                "wind": _spread("wind_speed", 16.0, 6.0),
                "daylight": _daylight,
            },
            duration=1,
            clock=_DAY,
        ),
        "cycling": Activity(
            {
                "rain": _dry(0.6, 0.1),
                "ice": _no_ice,
                "cold": _warmth(-8.0, 10.0),
                "heat": _warmth(37.0, 25.0),
                "wind": _spread("wind_speed", 12.0, 4.0),
                "daylight": _daylight,
            },
            duration=2,
            clock=_DAY,
        ),
        "laundry": Activity(
            {
                "rain": _dry(0.4, 0.05),
                "drying": _drying,
                "wind": _spread("wind_speed", 16.0, 10.0),
                "daylight": _daylight,
            },
            duration=4,
            clock=_DAY,
        ),
        "commuting": Activity(
            {
                "rain": _dry(1.0, 0.2),
                "ice": _no_ice,
                "fog": _sight,
                "cold": _warmth(-25.0, 0.0),
                "heat": _warmth(42.0, 30.0),
                "wind": _spread("wind_speed", 20.0, 9.0),
            },
            duration=1,
            clock=(time(0), time(0)),
        ),
        "stargazing": Activity(
            {
                "dark": _dark,
                "cloud": _spread("cloud_cover", 0.7, 0.1),
                "rain": _dry(0.4, 0.05),
                "dew": _no_dew,
                "wind": _spread("wind_speed", 12.0, 5.0),
                "cold": _warmth(-25.0, -5.0),
            },
            duration=2,
            clock=(time(15), time(9)),
        ),
    }
)
