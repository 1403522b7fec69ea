"""Answers to write down, made by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from weatherapp.core import units
from weatherapp.forecasts.reply import Column, PlaceReply, Section

HOUR = 3600
START = 1783188000  # 4 July 2026, 18:00 UTC: 13:00 in Chicago
UNITS = {
    "temperature_2m": units.TEMPERATURE["celsius"],
    "temperature_2m_max": units.TEMPERATURE["celsius"],
    "precipitation": units.WATER["mm"],
    "weather_code": units.CODE["wmo"],
    "pressure_msl": units.PRESSURE["hpa"],
    "wind_speed_10m": units.SPEED["kmh"],
}


def column(name: str, values: Sequence[float], *, unit: units.Unit | None = None, **more: Any) -> Column:
    """A series of the model best_match; its unit is the usual one of its variable."""
    fields = {"variable": name, "model": "best_match", **more}
    return Column(
        name=name, unit=unit or UNITS[fields["variable"]], values=np.asarray(values, float), **fields
    )


def section(
    name: Any,
    *columns: Column,
    start: int = START,
    interval: int = HOUR,
    unit: units.Unit | None = None,
    **series: Sequence[float],
) -> Section:
    """A section that begins at `start`, with columns or with series by name."""
    made = (*columns, *(column(key, values, unit=unit) for key, values in series.items()))
    count = len(made[0].values) if made else 0
    return Section(name, start + interval * np.arange(count), interval, made)


def make_reply(*sections: Section, **changes: Any) -> PlaceReply:
    """Chicago on the fourth of July."""
    fields: dict[str, Any] = {
        "latitude": 41.88,
        "longitude": -87.63,
        "elevation": 181.0,
        "generationtime_ms": 0.25,
        "utc_offset_seconds": -18000,
        "timezone": "America/Chicago",
        "timezone_abbreviation": "GMT-5",
        "location_id": 0,
        "unixtime": False,
        "sections": sections,
    }
    return PlaceReply(**{**fields, **changes})
