"""NOAA ISD-Lite: one file of a station and year, `USAF-WBAN-YEAR` or `USAF-WBAN-YEAR.gz`.

The positions are those of NOAA's `isd-history.csv`, which lies beside the files or where
FEED_ISD_LITE_STATIONS says. A station with an ICAO code gets it as its code: METARs continue its past.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import numpy as np

from packager.dataset.sources import read_isd_lite
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.base import (
    Fetched,
    Positions,
    Rows,
    SourcedFeed,
    is_address,
    make_batch,
    read_one,
    rejected,
)
from weatherapp.observations.feeds.interface import Batch, RejectedReport, StationReport
from weatherapp.observations.feeds.sources import Document
from weatherapp.observations.feeds.stations import read_isd_history

FILE = re.compile(r"(?P<station>[A-Z0-9]{6}-\d{5})-(?P<year>\d{4})(?:\.gz)?")
HISTORY = "isd-history.csv"
FIELDS = 12
LARGEST = 99_999  # in any field; missing is -9999
MISNAMED = "not named USAF-WBAN-YEAR"
UNKNOWN_STATION = "the station is not in isd-history.csv, or has no position there"


class IsdLiteFeed(SourcedFeed):
    """Years of hourly reports. Over HTTP the address has {station} and {year}, and the sites are listed."""

    name = "isd_lite"
    stale_after: ClassVar[int | None] = None

    def accepts(self, filename: str) -> bool:
        """As `SourcedFeed.accepts`."""
        return FILE.fullmatch(filename) is not None

    def positions(self) -> Positions:
        """By USAF-WBAN."""
        self.need_source()
        location = self.options.stations or _beside(self.options.source)
        return read_isd_history(read_one(location))

    def addresses(self, now: datetime) -> tuple[str, ...]:
        """One per site, of this year and, in January, of the last."""
        return site_addresses(self.name, self.options.source, self.options.sites, now)

    def parse(self, raw: Fetched) -> Batch:
        """As `Feed.parse`; a line that cannot be read is a rejection."""
        rows: list[Rows] = []
        rejections: list[RejectedReport] = []
        for document in raw.documents:
            found = FILE.fullmatch(document.filename)
            if found is None:
                rejections.append(rejected(MISNAMED, document.filename))
            elif found["station"] not in raw.stations:
                rejections.append(rejected(UNKNOWN_STATION, document.filename, station=found["station"]))
            else:
                lines, refused = usable_lines(document, int(found["year"]), found["station"])
                rejections += refused
                rows += _rows(raw.stations[found["station"]], lines)
        foreign = [report for report in rejections if report.check in {MISNAMED, UNKNOWN_STATION}]
        if foreign and len(foreign) == len(raw.documents):
            raise FeedUnreadable(
                f"None of {len(foreign)} files is of a known station: {foreign[0].text} ({foreign[0].check})."
            )
        return make_batch(rows, rejections=rejections, since=self.options.since, now=raw.now)


def _rows(station: StationReport, lines: list[str]) -> list[Rows]:
    if not lines:
        return []
    series = read_isd_lite(lines)
    unknown = np.full(len(series.hour), np.nan, dtype=np.float32)
    return [Rows(station, series.hour, series.values, unknown)]


def usable_lines(document: Document, year: int, station: str) -> tuple[list[str], list[RejectedReport]]:
    """Lines that are reports of the year, and the others as rejections."""
    text = document.content.decode("latin-1")
    lines = text.split("\n")
    complete = document.whole and text.endswith("\n")
    good, bad = [], []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        fault = _fault(line, year)
        if number == len(lines) - 1 and not complete and not fault:
            fault = "cut off before its end"
        if fault:
            bad.append(rejected(fault, line, station=station))
        else:
            good.append(line)
    return good, bad


def _fault(line: str, year: int) -> str:
    parts = line.split()
    if len(parts) != FIELDS or not all(re.fullmatch(r"-?\d{1,5}", part) for part in parts):
        return "not an ISD-Lite line of 12 whole numbers"
    try:
        datetime(int(parts[0]), int(parts[1]), int(parts[2]), int(parts[3]))  # noqa: DTZ001 - only its being
    except ValueError:
        return "a time that does not exist"
    return "" if int(parts[0]) == year else "not of the year of its file"


def site_addresses(feed: str, template: str, sites: tuple[str, ...], now: datetime) -> tuple[str, ...]:
    """Fill {station} and {year} of an address.

    Raises:
        FeedUnreadable: it asks for stations and none are listed, or has other fields.
    """
    if "{station}" in template and not sites:
        raise FeedUnreadable(
            f"The address of feed {feed} has {{station}}, and no sites are listed. "
            f"Set FEED_{feed.upper()}_SITES to a comma-separated list."
        )
    years = [now.year - 1, now.year] if now.month == 1 else [now.year]
    try:
        filled = [template.format(station=site, year=year) for site in sites or ("",) for year in years]
    except (KeyError, IndexError, ValueError) as error:
        raise FeedUnreadable(
            f"The address of feed {feed} has a field that is not known: {error}. "
            "It may have {station} and {year}."
        ) from error
    return tuple(dict.fromkeys(filled))


def _beside(source: str) -> str:
    if is_address(source):
        raise FeedUnreadable(
            f"Feed {IsdLiteFeed.name} needs the stations' positions: set FEED_ISD_LITE_STATIONS to NOAA's "
            f"{HISTORY}, a file or an address."
        )
    path = Path(source)
    return str((path.parent if path.is_file() else path) / HISTORY)
