"""One place's reply of Open-Meteo, in our units."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from packager.dataset.labels import type_of_code
from packager.dataset.records import VARIABLES
from packager.dataset.sources import VISIBILITY_CAP, wind_components
from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.base import rejected
from weatherapp.observations.feeds.interface import RejectedReport, StationReport
from weatherapp.observations.feeds.sources import Document

LARGEST_OFFSET = 14 * 3600
LATEST = 4e9  # Unix seconds, in the year 2096
SUFFIX = re.compile(r"_previous_day([1-7])$")
# Per quantity: units that a reply may have, with factor and offset to ours.
UNITS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "temperature_2m": {"°C": (1.0, 0.0), "°F": (1 / 1.8, -32 / 1.8)},
    "dew_point_2m": {"°C": (1.0, 0.0), "°F": (1 / 1.8, -32 / 1.8)},
    "pressure_msl": {"hPa": (1.0, 0.0)},
    "wind_speed_10m": {
        "m/s": (1.0, 0.0),
        "km/h": (1 / 3.6, 0.0),
        "mp/h": (0.44704, 0.0),
        "kn": (1852 / 3600, 0.0),
    },
    "wind_direction_10m": {"°": (1.0, 0.0)},
    "precipitation": {"mm": (1.0, 0.0), "inch": (25.4, 0.0)},
    "cloud_cover": {"%": (0.01, 0.0)},
    "visibility": {"m": (1.0, 0.0), "ft": (0.3048, 0.0)},
    "weather_code": {"wmo code": (1.0, 0.0)},
}
OWN_NAMES = {
    "temperature_2m": "temperature",
    "dew_point_2m": "dew_point",
    "pressure_msl": "pressure_msl",
    "precipitation": "precipitation",
    "cloud_cover": "cloud_cover",
}


class Reply:
    """One place's reply in our units."""

    def __init__(
        self, item: Mapping[str, Any], place: StationReport, document: Document, now: datetime
    ) -> None:
        self.place, self.name, self.now = place, document.filename, now
        hourly, units = item.get("hourly"), item.get("hourly_units")
        if (
            not isinstance(hourly, dict)
            or not isinstance(units, dict)
            or not isinstance(hourly.get("time"), list)
        ):
            raise FeedUnreadable(f"{self.name} has no hourly values. Ask with hourly=…")
        self.hourly, self.units = hourly, units
        self.offset = int(_finite(item.get("utc_offset_seconds"), 0.0))
        if abs(self.offset) > LARGEST_OFFSET:
            raise FeedUnreadable(f"{self.name} is {self.offset} s off UTC; at most {LARGEST_OFFSET} can be.")
        self.rejected: list[RejectedReport] = []
        self.full = self._full_hours(hourly["time"])
        self.asked = min(now, self._asked(item) or document.modified or now)
        self.asked_hour = int(self.asked.timestamp() // 3600)
        self.columns = {name: self._column(name) for name in self._present()}

    def _full_hours(self, times: list[Any]) -> IntArray:
        """(row,) whether the row is of a full hour in UTC; sets `hours` of those."""
        seconds = [self._seconds(time) for time in times]
        full = np.array([second is not None and second % 3600 == 0 for second in seconds], dtype=bool)
        for time, good in zip(times, full, strict=True):
            if not good:
                self._refuse("not a full hour in UTC", str(time))
        self.hours = np.array(
            [int(s) // 3600 for s, good in zip(seconds, full, strict=True) if s is not None and good]
        )
        self.hours = self.hours.astype(np.int64)
        return full

    def _seconds(self, time: Any) -> float | None:
        """Unix time; texts are local, numbers are not."""
        if isinstance(time, int | float) and not isinstance(time, bool):
            second = _finite(time, math.inf)
            return second if 0 <= second < LATEST else None
        try:
            return datetime.fromisoformat(str(time)).replace(tzinfo=UTC).timestamp() - self.offset
        except (ValueError, OverflowError):
            return None

    def _asked(self, item: Mapping[str, Any]) -> datetime | None:
        current = item.get("current")
        seconds = self._seconds(current.get("time")) if isinstance(current, dict) else None
        return datetime.fromtimestamp(seconds, UTC) if seconds is not None and 0 <= seconds < LATEST else None

    def _present(self) -> Iterator[str]:
        for name in self.hourly:
            if SUFFIX.sub("", name) in UNITS:
                yield name

    def _column(self, name: str) -> FloatArray:
        """Values of the full hours in our unit; NaN for null, and for all where the unit is not known."""
        cells = self.hourly[name]
        if not isinstance(cells, list) or len(cells) != len(self.full):
            self._refuse("a column of another length than the times", name)
            return np.full(len(self.hours), np.nan)
        values = np.array([_finite(cell, math.nan) for cell in cells], dtype=np.float64)[self.full]
        known, unit = UNITS[SUFFIX.sub("", name)], str(self.units.get(name))
        if np.isnan(values).all():
            return values  # a variable without values has a unit, or the unit "undefined"
        if unit not in known:
            self._refuse("a unit that is not known", f"{name} in {unit!r}; known are {', '.join(known)}")
            return np.full(len(self.hours), np.nan)
        factor, offset = known[unit]
        return values * factor + offset

    def _refuse(self, check: str, text: str) -> None:
        self.rejected.append(rejected(check, f"{self.name}: {text}", station=self.place.code))

    def get(self, name: str, suffix: str = "") -> FloatArray:
        """A column by its name, all NaN where the reply lacks it."""
        found = self.columns.get(name + suffix)
        return np.full(len(self.hours), np.nan) if found is None else found

    def channels(self, names: Sequence[str], suffix: str = "") -> FloatArray:
        """(row, channel) of the contract's channels; those that the reply lacks are NaN."""
        values = np.full((len(self.hours), len(names)), np.nan)
        for theirs, ours in OWN_NAMES.items():
            values[:, names.index(ours)] = self.get(theirs, suffix)
        direction, speed = self.get("wind_direction_10m", suffix), self.get("wind_speed_10m", suffix)
        wind_u, wind_v = wind_components(direction, speed)
        values[:, names.index("wind_u")], values[:, names.index("wind_v")] = wind_u, wind_v
        return values

    def observed(self) -> FloatArray:
        """(row, 9) as reports have it."""
        values = self.channels(VARIABLES)
        values[:, VARIABLES.index("visibility")] = np.minimum(self.get("visibility"), VISIBILITY_CAP)
        return values

    def kinds(self) -> FloatArray:
        """(row,) class of what falls."""
        codes = self.get("weather_code")
        return np.array([math.nan if math.isnan(code) else type_of_code(int(code)) for code in codes])


def read_items(document: Document) -> list[dict[str, Any]]:
    """The replies in a document: one, or a list for several places.

    Raises:
        FeedUnreadable: not JSON, another shape, or the server's refusal.
    """
    try:
        found = json.loads(document.content)
    except (ValueError, RecursionError) as error:
        raise FeedUnreadable(f"{document.filename} is not JSON: {error}.") from error
    items = found if isinstance(found, list) else [found]
    if not items or not all(isinstance(item, dict) for item in items):
        raise FeedUnreadable(f"{document.filename} is not a reply; an object or a list of objects is due.")
    for item in items:
        if item.get("error"):
            raise FeedUnreadable(f"{document.filename}: the server refused: {str(item.get('reason'))[:200]}")
    return items


def _finite(value: Any, otherwise: float) -> float:
    """A number of a sensible size; JSON has integers that no float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    try:
        found = float(value)
    except OverflowError:
        return otherwise
    return found if abs(found) < LATEST else otherwise
