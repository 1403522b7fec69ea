"""The GeoJSON document of MET Norway's Locationforecast 2.0 from hourly values. Pure.

A time step says how it is at an hour and what the next one, six and twelve hours bring; our hourly amounts
are of the hour before, so the next hour's stand one step later.

Source: the data model of Locationforecast 2.0,
https://docs.api.met.no/doc/locationforecast/datamodel.html.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from weatherapp.core.arrays import FloatArray
from weatherapp.core.hourly import Hours
from weatherapp.forecasts.metno.symbols import symbol

HOUR = 3600
DETAILS: dict[str, Callable[[Hours], FloatArray]] = {
    "air_pressure_at_sea_level": lambda hours: hours.pressure_msl,
    "air_temperature": lambda hours: hours.temperature,
    "cloud_area_fraction": lambda hours: hours.cloud_cover,
    "relative_humidity": lambda hours: hours.relative_humidity,
    "wind_from_direction": lambda hours: hours.wind_direction,
    "wind_speed": lambda hours: hours.wind_speed,
}
MORE_DETAILS: dict[str, Callable[[Hours], FloatArray]] = {
    "air_temperature_percentile_10": lambda hours: hours.quantile("temperature", 0.1),
    "air_temperature_percentile_90": lambda hours: hours.quantile("temperature", 0.9),
    "dew_point_temperature": lambda hours: hours.dew_point,
    "wind_speed_percentile_10": lambda hours: hours.quantile("wind_speed", 0.1),
    "wind_speed_percentile_90": lambda hours: hours.quantile("wind_speed", 0.9),
}
UNITS = {
    "air_pressure_at_sea_level": "hPa",
    "air_temperature": "celsius",
    "cloud_area_fraction": "%",
    "precipitation_amount": "mm",
    "relative_humidity": "%",
    "wind_from_direction": "degrees",
    "wind_speed": "m/s",
}
MORE_UNITS = {
    "air_temperature_max": "celsius",
    "air_temperature_min": "celsius",
    "air_temperature_percentile_10": "celsius",
    "air_temperature_percentile_90": "celsius",
    "dew_point_temperature": "celsius",
    "precipitation_amount_max": "mm",
    "precipitation_amount_min": "mm",
    "probability_of_precipitation": "%",
    "wind_speed_percentile_10": "m/s",
    "wind_speed_percentile_90": "m/s",
}


@dataclass(frozen=True)
class Site:
    """Where; `altitude` is in metres."""

    latitude: float
    longitude: float
    altitude: float


def document(
    hours: Hours, *, first_hour: int, from_hour: int, site: Site, updated: datetime, complete: bool
) -> dict[str, Any]:
    """Write the document.

    Args:
        hours: consecutive hours.
        first_hour: the first of them, hours since 1970-01-01T00Z.
        from_hour: where the series starts.
        site: the place.
        updated: when the forecast was made, aware.
        complete: with everything that the model says, or the compact set.

    Returns:
        A GeoJSON feature. Steps without a temperature are left out, and so are values that are not known.
    """
    steps = _Steps(hours, first_hour, site, complete=complete)
    units = UNITS | MORE_UNITS if complete else UNITS
    return {
        "type": "Feature",
        "geometry": {
            "type": "Point",
            "coordinates": [site.longitude, site.latitude, round(site.altitude)],
        },
        "properties": {
            "meta": {"updated_at": _time(updated.timestamp()), "units": dict(sorted(units.items()))},
            "timeseries": list(steps.after(from_hour)),
        },
    }


class _Steps:
    def __init__(self, hours: Hours, first_hour: int, site: Site, *, complete: bool) -> None:
        self.first_hour = first_hour
        self.site = site
        self.complete = complete
        table = DETAILS | MORE_DETAILS if complete else DETAILS
        self.instant = {name: np.round(values(hours), 1) + 0.0 for name, values in sorted(table.items())}
        self.temperature = self.instant["air_temperature"]
        self.codes = hours.weather_code
        self.amounts = hours.precipitation
        self.chances = hours.precipitation_probability
        if complete:
            self.least = np.fmin(_falling(hours, 0.1), self.amounts)
            self.most = np.fmax(_falling(hours, 0.9), self.amounts)

    def after(self, from_hour: int) -> Iterator[dict[str, Any]]:
        for index in range(max(0, from_hour - self.first_hour), len(self.temperature)):
            if np.isfinite(self.temperature[index]):
                yield {"time": _time((self.first_hour + index) * HOUR), "data": self._step(index)}

    def _step(self, index: int) -> dict[str, Any]:
        details = {name: float(values[index]) for name, values in self.instant.items()}
        data: dict[str, Any] = {"instant": {"details": _known(details)}}
        for length, describe in ((12, self._half_day), (1, self._hour), (6, self._six_hours)):
            ahead = slice(index + 1, index + 1 + length)
            if index + length < len(self.codes):
                middle = self.first_hour + index + length / 2
                icon = symbol(
                    self.codes[ahead], self.amounts[ahead], middle, self.site.latitude, self.site.longitude
                )
                if icon:
                    data[f"next_{length}_hours"] = {
                        "summary": {"symbol_code": icon},
                        "details": describe(ahead),
                    }
        return data

    def _half_day(self, ahead: slice) -> dict[str, float]:  # noqa: ARG002
        return {}

    def _hour(self, ahead: slice) -> dict[str, float]:
        details = {"precipitation_amount": _total(self.amounts[ahead])}
        if self.complete:
            details |= {
                "precipitation_amount_max": _total(self.most[ahead]),
                "precipitation_amount_min": _total(self.least[ahead]),
                "probability_of_precipitation": _total(self.chances[ahead]),
            }
        return _known(details)

    def _six_hours(self, ahead: slice) -> dict[str, float]:
        details = {"precipitation_amount": _total(self.amounts[ahead])}
        if self.complete:
            temperatures = self.temperature[ahead]
            details |= {
                "air_temperature_max": float(np.max(temperatures)),
                "air_temperature_min": float(np.min(temperatures)),
            }
        return _known(details)


def _falling(hours: Hours, level: float) -> FloatArray:
    """(hour,) mm: a quantile of the hour's amount, dry hours counted as 0."""
    wet = hours.precipitation_probability / 100
    levels = np.asarray(hours.levels["precipitation"])
    amounts = hours.outputs["precipitation"]
    # Of the wet cases, the share that lies below the quantile of all cases.
    share = np.clip(1 - (1 - level) / np.maximum(wet, 1e-9), 0.0, 1.0)
    given_wet = np.array([np.interp(p, levels, row) for p, row in zip(share, amounts, strict=True)])
    return np.where(1 - wet >= level, 0.0, given_wet)


def _total(values: FloatArray) -> float:
    return round(float(values.sum()), 1) + 0.0


def _known(details: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in sorted(details.items()) if np.isfinite(value)}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
