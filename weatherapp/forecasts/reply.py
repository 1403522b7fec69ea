"""What an answer of `/v1/forecast` holds before a format writes it down. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.units import Unit

SectionName = Literal["current", "current_weather", "minutely_15", "hourly", "daily"]


@dataclass(frozen=True, slots=True)
class Column:
    """One series.

    Attributes:
        name: as it was asked for; with `_<model>` behind it where several models were asked for.
        variable: the name in today's spelling, without a model; quantiles such as `temperature_2m_p05` too.
        model: the model that gave it.
        unit: of the values; one whose label is iso8601 or unixtime marks points in time, in Unix seconds.
        values: (time,) in `unit`, rounded to its decimals; NaN where unknown.
    """

    name: str
    variable: str
    model: str
    unit: Unit
    values: FloatArray


@dataclass(frozen=True, slots=True)
class Section:
    """The columns of one resolution; `times` (time,) are Unix seconds, true UTC, `interval` is in seconds."""

    name: SectionName
    times: IntArray
    interval: int
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class PlaceReply:
    """The answer for one place.

    `elevation` is in metres, None without downscaling; `utc_offset_seconds` is that of now; `extra` holds
    keys that other servers of this grammar do not have (`replay`), written behind all others.
    """

    latitude: float
    longitude: float
    elevation: float | None
    generationtime_ms: float
    utc_offset_seconds: int
    timezone: str
    timezone_abbreviation: str
    location_id: int
    unixtime: bool
    sections: tuple[Section, ...]
    extra: Mapping[str, bool] = field(default_factory=dict)
