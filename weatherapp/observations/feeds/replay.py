"""The reference stations as a live feed: a past year of theirs, presented as now.

An hour shows the report of the same month, day and hour of the station's last full year; a typical-year
station has one such hour, whatever year its month was taken from. 29 February shows the 28th. Hours that did
not follow each other in nature get different series, so that no window of history mixes them: on the first
two days of a month a typical-year station has a short history, and so has every station on the first two days
of a year and after 29 February.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from packager.errors import PackagerError
from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.blend import great_circle_km
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.interface import Batch, StationReport

if TYPE_CHECKING:  # the web process names this feed and must not pay for Parquet
    from packager.dataset.records import Dataset, Station

WINDOW_HOURS = 48
HOURS_OF_YEAR = 24 * 365
FULL_YEAR_SHARE = 0.95
TYPICAL = "tmy"
SAME_SITE_KM = 5.0
SERIES_STEP = 1_000_000  # more than there are segments


@dataclass(frozen=True)
class Replay:
    """The dataset and the hours (since 1970-01-01T00Z) that are to be shown."""

    dataset: "Dataset"
    hours: IntArray


class ReplayFeed:
    """Shows the dataset's stations as if they reported now.

    Without a dataset it takes the reference dataset, after quality control.
    """

    name = "replay"

    def __init__(self, dataset: "Dataset | None" = None) -> None:
        self.dataset = dataset

    def fetch(self, *, now: datetime) -> Replay:
        """The 48 hours up to and including the current full hour."""
        last = int(now.timestamp() // 3600)
        dataset = self.dataset if self.dataset is not None else _reference()
        return Replay(dataset, np.arange(last - WINDOW_HOURS + 1, last + 1))

    def parse(self, raw: Replay) -> Batch:
        """Reports for the hours, of every site once."""
        shown = distinct_sites(raw.dataset.stations)
        rows = [source_rows(raw.dataset, index, raw.hours) for index in shown]
        row = np.concatenate([found for found, _ in rows]) if rows else np.empty(0, dtype=np.int64)
        hour = np.concatenate([shown for _, shown in rows]) if rows else np.empty(0, dtype=np.int64)
        return Batch(
            stations=tuple(_report(raw.dataset.stations[index]) for index in shown),
            station=np.searchsorted(np.array(shown), raw.dataset.station[row]),
            hour=hour,
            values=raw.dataset.values[row],
            series=_series(raw.dataset, row, hour),
            precipitation_type=_reported_type(raw.dataset, row),
        )


def distinct_sites(stations: "tuple[Station, ...]") -> list[int]:
    """Indices of the stations to show: a typical year is left out where the site has an actual one too.

    Both would speak for the same place, with the weather of different years.
    """
    actual = [station for station in stations if station.kind != TYPICAL]
    return [
        index
        for index, station in enumerate(stations)
        if station.kind != TYPICAL or not any(_same_site(station, other) for other in actual)
    ]


def source_rows(dataset: "Dataset", station: int, hours: IntArray) -> tuple[IntArray, IntArray]:
    """Which rows of the dataset show which hours.

    Args:
        dataset: where to look.
        station: index of the station.
        hours: (hour,) hours since 1970-01-01T00Z to be shown.

    Returns:
        Row numbers, and the hour that each shows; hours without a row are left out.
    """
    rows = _year(dataset, station)
    table = np.full(12 * 31 * 24, -1, dtype=np.int64)
    table[_calendar_key(dataset.hour[rows])] = rows
    found = table[_calendar_key(hours)]
    return found[found >= 0], hours[found >= 0]


def _same_site(station: "Station", other: "Station") -> bool:
    distance = great_circle_km(station.latitude, station.longitude, other.latitude, other.longitude)
    return bool(distance < SAME_SITE_KM)


def _year(dataset: "Dataset", station: int) -> IntArray:
    """Rows of a typical year, or of the last year that is nearly complete; of the last one, if none is."""
    rows = np.flatnonzero(dataset.station == station)
    if dataset.stations[station].kind == TYPICAL or not len(rows):
        return rows
    year = _date(dataset.hour[rows]).astype("datetime64[Y]").astype(np.int64)
    years, counts = np.unique(year, return_counts=True)
    full = years[counts >= FULL_YEAR_SHARE * HOURS_OF_YEAR]
    return np.asarray(rows[year == (full[-1] if len(full) else years[-1])])


def _calendar_key(hours: IntArray) -> IntArray:
    """A number per month, day and hour, the same in every year."""
    date = _date(hours)
    month_start = date.astype("datetime64[M]")
    month = month_start.astype(np.int64) % 12
    day = (date.astype("datetime64[D]") - month_start.astype("datetime64[D]")).astype(np.int64)
    day = np.where((month == 1) & (day == 28), 27, day)
    return np.asarray((month * 31 + day) * 24 + np.asarray(hours, dtype=np.int64) % 24)


def _series(dataset: "Dataset", row: IntArray, hour: IntArray) -> IntArray:
    """Same series: the same shift of time, and at a typical-year station the same month."""
    typical = np.array([station.kind == TYPICAL for station in dataset.stations])[dataset.station[row]]
    segment = np.where(typical, dataset.segment[row], 0).astype(np.int64)
    return np.asarray((hour - dataset.hour[row].astype(np.int64)) * SERIES_STEP + segment)


def _reported_type(dataset: "Dataset", row: IntArray) -> FloatArray:
    """What fell, where a weather code says it; what wet-bulb temperature says is no report."""
    from packager.dataset.records import TYPE_FROM_CODE

    reported = dataset.precipitation_type_from[row] == TYPE_FROM_CODE
    return np.where(reported, dataset.precipitation_type[row], np.float32(np.nan))


def _date(hours: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]:
    return np.asarray(hours, dtype=np.int64).astype("datetime64[h]")


def _report(station: "Station") -> StationReport:
    return StationReport(
        code=station.id,
        name=station.name,
        latitude=station.latitude,
        longitude=station.longitude,
        elevation=station.elevation,
        source=station.source,
    )


@cache
def _reference() -> "Dataset":
    from packager.dataset.quality import quality_control
    from packager.dataset.reference import load_reference

    try:
        return quality_control(load_reference())[0]
    except PackagerError as error:
        raise FeedUnreadable(f"The reference dataset cannot be replayed: {error}") from error
