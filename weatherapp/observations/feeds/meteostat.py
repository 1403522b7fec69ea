"""Meteostat's bulk files: `STATION.csv.gz`, hourly, UTC.

Older files have no header and thirteen columns; newer ones name theirs, have the date in several, and beside
each value its source. Values that a model made are left out: they are no observations.
"""

import math
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import numpy as np

from packager.dataset.labels import MIXED, NONE, RAIN, SNOW
from packager.dataset.records import VARIABLES
from packager.dataset.sources import wind_components
from weatherapp.core.arrays import FloatArray
from weatherapp.core.thermo import saturation_vapour_pressure
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.base import (
    Fetched,
    Positions,
    Rows,
    SourcedFeed,
    make_batch,
    read_one,
    rejected,
)
from weatherapp.observations.feeds.interface import Batch, RejectedReport
from weatherapp.observations.feeds.isd_lite import site_addresses
from weatherapp.observations.feeds.sources import Document, shown
from weatherapp.observations.feeds.stations import number, read_meteostat_stations

OLD_HEADER = (
    "date", "hour", "temp", "dwpt", "rhum", "prcp", "snow", "wdir", "wspd", "wpgt", "pres", "tsun", "coco",
)  # fmt: skip
NEEDED = ("hour", "temp")
LISTS = ("stations.json", "stations.json.gz", "lite.json", "lite.json.gz", "full.json", "full.json.gz")
KMH = 1 / 3.6
# Marks of sources that are models: MOSMIX of DWD, MET Norway's forecast, any other that says so.
MODELS = ("mosmix", "forecast", "model")
UNKNOWN_STATION = "the station is not in the list, or has no position there"
MODELLED = "values that a model made"
# Meteostat's condition codes. 24 is hail, 25 and 26 are thunderstorms; 27, a storm, names nothing that falls.
CONDITIONS = {
    **dict.fromkeys((1, 2, 3, 4, 5, 6, 23), NONE),
    **dict.fromkeys((7, 8, 9, 17, 18, 24, 25, 26), RAIN),
    **dict.fromkeys((10, 11, 12, 13, 19, 20), MIXED),
    **dict.fromkeys((14, 15, 16, 21, 22), SNOW),
}


class MeteostatFeed(SourcedFeed):
    """Hourly reports. Over HTTP the address has {station} and perhaps {year}, and the sites are listed."""

    name = "meteostat"
    stale_after: ClassVar[int | None] = None

    def accepts(self, filename: str) -> bool:
        """As `SourcedFeed.accepts`."""
        return filename.endswith((".csv", ".csv.gz")) and super().accepts(filename)

    def positions(self) -> Positions:
        """By Meteostat's id."""
        self.need_source()
        return read_meteostat_stations(read_one(self.options.stations or self._list_beside()))

    def _list_beside(self) -> str:
        path = Path(self.options.source)
        folder = path.parent if path.is_file() else path
        for name in LISTS:
            if (folder / name).is_file():
                return str(folder / name)
        raise FeedUnreadable(
            f"There is no list of stations beside {shown(self.options.source)}: one of {', '.join(LISTS)}. "
            "Set FEED_METEOSTAT_STATIONS to a file or an address."
        )

    def addresses(self, now: datetime) -> tuple[str, ...]:
        """One per site, of this year and, in January, of the last."""
        return site_addresses(self.name, self.options.source, self.options.sites, now)

    def parse(self, raw: Fetched) -> Batch:
        """As `Feed.parse`; a row that cannot be read is a rejection."""
        rows: list[Rows] = []
        rejections: list[RejectedReport] = []
        counts: Counter[str] = Counter()
        unreadable: list[FeedUnreadable] = []
        for document in raw.documents:
            key = document.filename.removesuffix(".gz").removesuffix(".csv")
            if key not in raw.stations:
                rejections.append(rejected(UNKNOWN_STATION, document.filename, station=key))
                continue
            try:
                table = _Table(document, key)
            except FeedUnreadable as error:
                unreadable.append(error)
                rejections.append(rejected("not a file of this feed", str(error), station=key))
                continue
            rejections += table.rejected
            rows.append(Rows(raw.stations[key], table.hours, table.values(), table.kinds()))
            counts[MODELLED] += table.modelled
        if unreadable and len(unreadable) == len(raw.documents):
            raise unreadable[0]
        return make_batch(
            rows, rejections=rejections, passed_over=counts, since=self.options.since, now=raw.now
        )


class _Table:
    """A file's rows by column name."""

    def __init__(self, document: Document, station: str) -> None:
        self.rejected: list[RejectedReport] = []
        self.modelled = 0
        self.hours: list[int] = []
        self.rows: list[list[str]] = []
        text = document.content.decode("utf-8-sig", errors="replace")
        lines = text.replace("\r\n", "\n").split("\n")
        self.header, first = _header(document, lines)
        cut = len(lines) - 1 if lines[-1] else -1
        for position, line in enumerate(lines[first:], start=first):
            if line.strip():
                self._take(line, station, cut=position == cut)

    def _take(self, line: str, station: str, *, cut: bool) -> None:
        cells = line.split(",")
        hour = None if len(cells) != len(self.header) else self._hour(cells)
        if cut or hour is None:
            check = (
                "a row with other columns than the header" if len(cells) != len(self.header) else "no time"
            )
            self.rejected.append(rejected("cut off before its end" if cut else check, line, station=station))
            return
        self.hours.append(hour)
        self.rows.append(cells)

    def _hour(self, cells: list[str]) -> int | None:
        row = dict(zip(self.header, cells, strict=True))
        date = row.get("date") or "-".join(row.get(name, "").zfill(2) for name in ("year", "month", "day"))
        try:
            day = datetime.fromisoformat(date).replace(tzinfo=UTC)
            hour = int(row["hour"])
        except ValueError:
            return None
        return int(day.timestamp()) // 3600 + hour if 0 <= hour <= 23 else None

    def column(self, name: str) -> FloatArray:
        """Numbers of a column, NaN where there are none, or where a model made them."""
        if name not in self.header:
            return np.full(len(self.rows), np.nan)
        at = self.header.index(name)
        values = np.array([number(cells[at]) for cells in self.rows], dtype=np.float64)
        if f"{name}_source" not in self.header:
            return values
        source = self.header.index(f"{name}_source")
        made = np.array([any(m in cells[source].lower() for m in MODELS) for cells in self.rows], dtype=bool)
        self.modelled += int((made & np.isfinite(values)).sum())
        return np.where(made, np.nan, values)

    def values(self) -> FloatArray:
        """(row, 9) in the contract's units."""
        temperature, humidity = self.column("temp"), self.column("rhum")
        given = self.column("dwpt")
        wind_u, wind_v = wind_components(self.column("wdir"), self.column("wspd") * KMH)
        columns = {
            "temperature": temperature,
            "dew_point": np.where(np.isfinite(given), given, dew_point(temperature, humidity / 100)),
            "pressure_msl": self.column("pres"),
            "wind_u": wind_u,
            "wind_v": wind_v,
            "precipitation": self.column("prcp"),
            "cloud_cover": self.column("cldc") / 8,
        }
        values = np.full((len(self.rows), len(VARIABLES)), np.nan, dtype=np.float32)
        for name, column in columns.items():
            values[:, VARIABLES.index(name)] = column
        return values

    def kinds(self) -> FloatArray:
        """(row,) class of what falls, from the condition code."""
        codes = self.column("coco")
        return np.array([math.nan if math.isnan(c) else CONDITIONS.get(int(c), math.nan) for c in codes])


def dew_point(temperature: FloatArray, humidity: FloatArray) -> FloatArray:
    """Dew point over water, the inverse of `weatherapp.core.thermo.relative_humidity`.

    Args:
        temperature: °C.
        humidity: fraction 0-1; NaN, 0 and nonsense give NaN.

    Returns:
        °C.

    Source: as `weatherapp.core.thermo.saturation_vapour_pressure`, solved for the temperature.
    """
    # Outside of these the formula has no meaning; quality control counts such values.
    moist = np.where((humidity > 0) & (humidity < 1.5), humidity, np.nan)
    air = np.where(np.abs(temperature) < 100, temperature, np.nan)
    ratio = np.log(moist * saturation_vapour_pressure(air) / 6.1094)
    return np.asarray(243.04 * ratio / (17.625 - ratio))


def _header(document: Document, lines: list[str]) -> tuple[list[str], int]:
    """Names of the columns, and the first line with values."""
    first = [cell.strip().strip('"').lower() for cell in lines[0].split(",")]
    if all(name in first for name in NEEDED) and ("date" in first or "year" in first):
        return first, 1
    if len(first) == len(OLD_HEADER) and first[0][:1].isdigit():
        return list(OLD_HEADER), 0
    raise FeedUnreadable(
        f"{document.filename} is not an hourly file of Meteostat; it begins {lines[0][:80]!r}. "
        f"Its first line names {', '.join(NEEDED)} and a date, or it has the {len(OLD_HEADER)} columns "
        f"{', '.join(OLD_HEADER)}."
    )
