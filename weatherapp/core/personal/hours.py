"""The hours of a place as the personal logic reads them: quantiles, chances and the sun, in inside units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from weatherapp.core import solar
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.core.hourly import Hours
from weatherapp.core.personal.errors import RequestInvalid

HOUR = 3600  # s
# Contract outputs that come as quantiles.
SPREAD = ("temperature", "wind_speed", "cloud_cover", "precipitation")
MEDIAN = 0.5


@dataclass(frozen=True)
class PersonalHours:
    """What is forecast for a place, hour by hour; NaN where there is no forecast.

    Attributes:
        times: (hour,) valid times, Unix s, increasing by whole hours.
        latitude: degrees north.
        longitude: degrees east.
        quantiles: (hour, level) by variable: temperature °C, wind_speed m/s, cloud_cover 0–1, precipitation
            mm in the hour before given that it is wet, and feels_like °C once `with_feels_like` was called.
        levels: (level,) of each of `quantiles`, increasing, inside 0..1.
        dew_point: (hour,) °C, median.
        pressure_msl: (hour,) hPa, median.
        wind_direction: (hour,) degrees that the wind blows from.
        precipitation: (hour,) mm in the hour before; 0 in an hour that is not called wet.
        precipitation_probability: (hour,) 0–1, of any precipitation in the hour before.
        type_probability: (hour, 4) of none, rain, snow, freezing or mixed.
        weather_code: (hour,) WMO code as a float, NaN unknown.
        fog_probability: (hour,) 0–1, of a ceiling in the lowest class.
        cos_zenith: (hour,) cosine of the sun's zenith angle.
    """

    times: IntArray
    latitude: float
    longitude: float
    quantiles: Mapping[str, FloatArray]
    levels: Mapping[str, FloatArray]
    dew_point: FloatArray
    pressure_msl: FloatArray
    wind_direction: FloatArray
    precipitation: FloatArray
    precipitation_probability: FloatArray
    type_probability: FloatArray
    weather_code: FloatArray
    fog_probability: FloatArray
    cos_zenith: FloatArray

    def __len__(self) -> int:
        return len(self.times)

    @property
    def temperature(self) -> FloatArray:
        """(hour,) °C, median."""
        return self.quantile("temperature", MEDIAN)

    @property
    def wind_speed(self) -> FloatArray:
        """(hour,) m/s at 10 m, median."""
        return self.quantile("wind_speed", MEDIAN)

    @property
    def cloud_cover(self) -> FloatArray:
        """(hour,) 0–1, median."""
        return self.quantile("cloud_cover", MEDIAN)

    @property
    def feels_like(self) -> FloatArray | None:
        """(hour,) °C, median; None until `with_feels_like` was called."""
        return self.quantile("feels_like", MEDIAN) if "feels_like" in self.quantiles else None

    @property
    def known(self) -> BoolArray:
        """(hour,) whether there is a forecast."""
        return np.isfinite(self.temperature) & np.isfinite(self.precipitation_probability)

    def quantile(self, variable: str, level: float) -> FloatArray:
        """(hour,) one quantile, interpolated between the levels that the model has.

        Raises:
            RequestInvalid: no quantiles of that variable, or a level outside those that the model has.
        """
        if variable not in self.quantiles:
            raise RequestInvalid(
                f"There are no quantiles of {variable!r}, only of {', '.join(sorted(self.quantiles))}."
            )
        levels = self.levels[variable]
        if not levels[0] <= level <= levels[-1]:
            raise RequestInvalid(
                f"Level {level} of {variable} is not among {levels[0]:g}–{levels[-1]:g}: "
                "the model says nothing beyond them."
            )
        above = min(max(int(np.searchsorted(levels, level - 1e-9)), 1), len(levels) - 1)
        share = (level - levels[above - 1]) / (levels[above] - levels[above - 1])
        values = self.quantiles[variable]
        return np.asarray(values[:, above - 1] * (1 - share) + values[:, above] * share)

    def with_feels_like(self, quantiles: FloatArray) -> Self:
        """A copy that knows what it feels like.

        Args:
            quantiles: (hour, level) °C at the levels of temperature.

        Raises:
            RequestInvalid: another shape than temperature's.
        """
        if quantiles.shape != self.quantiles["temperature"].shape:
            raise RequestInvalid(
                f"Feels-like has the shape {quantiles.shape}; temperature has "
                f"{self.quantiles['temperature'].shape}."
            )
        return replace(
            self,
            quantiles=MappingProxyType({**self.quantiles, "feels_like": np.asarray(quantiles)}),
            levels=MappingProxyType({**self.levels, "feels_like": self.levels["temperature"]}),
        )

    def between(self, first: int, last: int) -> Self:
        """A copy with the hours first <= time <= last, Unix s."""
        return self.take((self.times >= first) & (self.times <= last))

    def take(self, keep: BoolArray) -> Self:
        """A copy with some of the hours.

        Args:
            keep: (hour,) which.
        """
        arrays: dict[str, Any] = {
            name: value[keep] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        quantiles = {name: values[keep] for name, values in self.quantiles.items()}
        return replace(self, quantiles=MappingProxyType(quantiles), **arrays)


def from_hours(
    hours: Hours, times: Sequence[int] | IntArray, latitude: float, longitude: float
) -> PersonalHours:
    """Read what the personal logic needs from a place's hours.

    Args:
        hours: of the place, corrected or not.
        times: (hour,) valid times, Unix s.
        latitude: degrees north.
        longitude: degrees east.

    Raises:
        RequestInvalid: as many times as hours are needed, and they must increase by whole hours.
    """
    stamps = np.asarray(times, dtype=np.int64)
    count = len(hours.temperature)
    if stamps.shape != (count,) or np.any(np.diff(stamps) <= 0) or np.any(np.diff(stamps) % HOUR):
        raise RequestInvalid(
            f"{stamps.shape} times for {count} hours: give one Unix time per hour, increasing by whole hours."
        )
    decision = hours.decision
    return PersonalHours(
        times=stamps,
        latitude=float(latitude),
        longitude=float(longitude),
        quantiles=MappingProxyType({name: _ordered(hours.outputs[name]) for name in SPREAD}),
        levels=MappingProxyType({name: np.asarray(hours.levels[name], dtype=np.float64) for name in SPREAD}),
        dew_point=np.asarray(hours.dew_point, dtype=np.float64),
        pressure_msl=np.asarray(hours.pressure_msl, dtype=np.float64),
        wind_direction=np.asarray(hours.wind_direction, dtype=np.float64),
        precipitation=decision.amount,
        precipitation_probability=decision.probability,
        type_probability=decision.type_probability,
        weather_code=np.where(decision.code < 0, np.nan, decision.code.astype(np.float64)),
        fog_probability=np.asarray(hours.outputs["cloud_base"][:, 0], dtype=np.float64),
        cos_zenith=solar.cos_solar_zenith(stamps / HOUR, latitude, longitude),
    )


def _ordered(values: FloatArray) -> FloatArray:
    # A blend and a correction keep the order; rounding to float32 may not.
    return np.maximum.accumulate(np.asarray(values, dtype=np.float64), axis=1)
