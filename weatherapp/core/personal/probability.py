"""The chance that a variable is above a threshold, from quantiles and from the chances of classes.

Between two quantiles the distribution is linear. Beyond the outermost ones the model says nothing, so a tail
is assumed that continues the last step: normal for temperatures, exponential for what cannot be negative.
"""

from collections.abc import Callable, Mapping
from statistics import NormalDist
from types import MappingProxyType

import numpy as np

from weatherapp.core.arrays import FloatArray
from weatherapp.core.personal.errors import RequestInvalid
from weatherapp.core.personal.hours import PersonalHours
from weatherapp.core.weather_code import MIXED, RAIN, SNOW

# What can be asked for, with the unit of the threshold.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "temperature": "°C",
        "feels_like": "°C",
        "wind_speed": "m/s",
        "cloud_cover": "0–1",
        "precipitation": "mm in the hour",
        "rain": "mm in the hour",
        "snowfall": "mm of water in the hour",
        "freezing_rain": "mm in the hour",
    }
)
# The variables whose values describe the hour that ends at the valid time, not the moment.
OVER_THE_HOUR = frozenset({"precipitation", "rain", "snowfall", "freezing_rain"})
_CLASSES = MappingProxyType({"rain": RAIN, "snowfall": SNOW, "freezing_rain": MIXED})


def exceedance(hours: PersonalHours, variable: str, threshold: float) -> FloatArray:
    """Chance that a variable is above a threshold, per hour.

    Args:
        hours: of the place.
        variable: one of VARIABLES.
        threshold: in the unit of VARIABLES.

    Returns:
        (hour,) 0–1; NaN where there is no forecast. Not rising when the threshold rises. At a threshold of 0
        mm it is the chance of the kind of precipitation.

    Raises:
        RequestInvalid: no such variable, no feels-like in these hours, or a threshold that is not finite.
    """
    check_variable(variable)
    if not np.isfinite(threshold):
        raise RequestInvalid(f"The threshold {threshold} is not a number; give one in {VARIABLES[variable]}.")
    if variable in OVER_THE_HOUR:
        return _of_amount(hours, variable, threshold)
    if variable not in hours.quantiles:
        raise RequestInvalid(f"These hours have no {variable}; work it out first (with_feels_like).")
    values, levels = hours.quantiles[variable], hours.levels[variable]
    if variable in {"temperature", "feels_like"}:
        return _above(values, levels, threshold, _normal_tail, _normal_low_tail)
    if threshold < 0:
        return np.where(np.isfinite(values[:, 0]), 1.0, np.nan)
    if variable == "cloud_cover" and threshold >= 1:
        return np.where(np.isfinite(values[:, 0]), 0.0, np.nan)
    return _above(values, levels, threshold, _exponential_tail, _low_share)


def check_variable(variable: str) -> None:
    """Refuse what `exceedance` knows nothing about.

    Raises:
        RequestInvalid: no such variable.
    """
    if variable not in VARIABLES:
        raise RequestInvalid(f"{variable!r} is not a variable; choose one of {', '.join(VARIABLES)}.")


def _of_amount(hours: PersonalHours, variable: str, threshold: float) -> FloatArray:
    chance = (
        hours.precipitation_probability
        if variable == "precipitation"
        else hours.type_probability[:, _CLASSES[variable]]
    )
    if threshold < 0:
        return np.where(np.isfinite(chance), 1.0, np.nan)
    values, levels = hours.quantiles["precipitation"], hours.levels["precipitation"]
    more = _above(values, levels, threshold, _exponential_tail, _low_share) if threshold else 1.0
    return np.asarray(chance * more)


_Tail = Callable[[FloatArray, FloatArray, float], FloatArray]


def _above(values: FloatArray, levels: FloatArray, threshold: float, high: _Tail, low: _Tail) -> FloatArray:
    """(hour,) 1 − F(threshold), F linear between quantiles and right-continuous where several are equal."""
    below = (values <= threshold).sum(axis=1)  # how many quantiles the threshold has reached
    row = np.arange(len(values))
    upper = np.clip(below, 1, len(levels) - 1)
    left, right = values[row, upper - 1], values[row, upper]
    width = np.where(right > left, right - left, 1.0)
    inside = levels[upper - 1] + (levels[upper] - levels[upper - 1]) * (threshold - left) / width
    reached = np.where(below == len(levels), high(values, levels, threshold), inside)
    reached = np.where(below == 0, low(values, levels, threshold), reached)
    return np.where(np.isfinite(values).all(axis=1), np.clip(1.0 - reached, 0.0, 1.0), np.nan)


def _normal_tail(values: FloatArray, levels: FloatArray, threshold: float) -> FloatArray:
    """F above the highest quantile: the normal distribution through the highest two."""
    return _normal(values[:, -2:], levels[-2:], threshold, anchor=1)


def _normal_low_tail(values: FloatArray, levels: FloatArray, threshold: float) -> FloatArray:
    """F below the lowest quantile: the normal distribution through the lowest two."""
    return _normal(values[:, :2], levels[:2], threshold, anchor=0)


def _normal(pair: FloatArray, levels: FloatArray, threshold: float, *, anchor: int) -> FloatArray:
    scores = np.array([NormalDist().inv_cdf(float(level)) for level in levels])
    spread = np.maximum((pair[:, 1] - pair[:, 0]) / (scores[1] - scores[0]), 1e-6)
    score = scores[anchor] + (threshold - pair[:, anchor]) / spread
    return np.array([NormalDist().cdf(value) if np.isfinite(value) else np.nan for value in score.tolist()])


def _exponential_tail(values: FloatArray, levels: FloatArray, threshold: float) -> FloatArray:
    """F above the highest quantile: what is left falls at the rate of the last step."""
    step = np.maximum(values[:, -1] - values[:, -2], 1e-6)
    rate = np.log((1 - levels[-2]) / (1 - levels[-1])) / step
    return np.asarray(1 - (1 - levels[-1]) * np.exp(-rate * np.maximum(threshold - values[:, -1], 0.0)))


def _low_share(values: FloatArray, levels: FloatArray, threshold: float) -> FloatArray:
    """F below the lowest quantile of what cannot be negative: linear from 0."""
    lowest = np.where(values[:, 0] > 0, values[:, 0], 1.0)
    return np.asarray(levels[0] * np.clip(threshold / lowest, 0.0, 1.0))
