"""METARs: from bulletins and collectives, and from the aviation-weather cache file.

A report belongs to the nearest full hour, if it was made at most 20 minutes before or 15 after it: stations
report at minute 50 to 59 for the hour to come, or at the hour. A special report counts within 10 minutes
before and 5 after, and only where the hour has no routine report in the same pass.
"""

import math
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import numpy as np

from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.base import (
    EARLY,
    Fetched,
    Positions,
    Rows,
    SourcedFeed,
    make_batch,
    read_one,
    rejected,
)
from weatherapp.observations.feeds.bulletins import RawReport, split_document
from weatherapp.observations.feeds.interface import Batch, RejectedReport, StationReport
from weatherapp.observations.feeds.metar_report import LONGEST, Decoded, decode
from weatherapp.observations.feeds.stations import read_stations_csv

HEAD = re.compile(
    r"(?:(?P<kind>METAR|SPECI) +)?(?:(?P<cor>COR) +)?(?P<station>[A-Z][A-Z0-9]{3})(?= |$)"
    r"(?: +(?:COR +)?(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)Z?(?= |$))?(?P<rest>.*)"
)
IN_REPORT_CORRECTION = re.compile(r"(COR|CC[A-Z])\b")
NOTHING = re.compile(r"\s*(AUTO +)?NIL\b.*")
ROUTINE_WINDOW, SPECI_WINDOW = (-20, 15), (-10, 5)  # minutes from the full hour
SECONDS_AHEAD = 600  # a clock may be that fast
DISAGREE_SECONDS = 120

NIL = "NIL: nothing to report"
BETWEEN = "between two hours"
UNKNOWN_STATION = "the station's position is not known"


class MetarFeed(SourcedFeed):
    """Aviation weather reports of stations whose position is known.

    Positions come from the list of stations, else from the stored stations, else from the cache file itself.
    """

    name = "metar"
    stale_after: ClassVar[int | None] = 3
    awaits_hours: ClassVar[bool] = True

    def positions(self) -> Positions:
        """The stored stations, overruled by the configured list."""
        listed = (
            read_stations_csv(read_one(self.options.stations), source="METAR")
            if self.options.stations
            else {}
        )
        return {**self.options.known(), **listed}

    def parse(self, raw: Fetched) -> Batch:
        """As `Feed.parse`; a report that cannot be read is a rejection."""
        since = self.options.since
        oldest = since or raw.now - timedelta(hours=self.options.max_age_hours)
        reader = _Reader(raw.stations, raw.now, oldest, back=since is not None)
        unreadable = []
        for document in raw.documents:
            try:
                for report in split_document(document):
                    reader.take(report)
            except FeedUnreadable as error:
                unreadable.append(error)
                reader.refuse("not a file of this feed", str(error))
        if unreadable and len(unreadable) == len(raw.documents):
            raise unreadable[0]
        return reader.batch()


class _Reader:
    """Reports that were read so far; every one is a row, a rejection, or counted with a reason."""

    def __init__(self, stations: Positions, now: datetime, oldest: datetime, *, back: bool) -> None:
        self.stations, self.now, self.oldest, self.back = stations, now, oldest, back
        self.rows: list[tuple[tuple[bool, float], Rows]] = []
        self.rejected: list[RejectedReport] = []
        self.passed_over: Counter[str] = Counter()
        self.unknown: set[str] = set()

    def refuse(self, check: str, text: str, *, station: str = "", time: datetime | None = None) -> None:
        hour = None if time is None else nearest_hour(time)
        self.rejected.append(rejected(check, text, station=station, hour=hour))

    def batch(self) -> Batch:
        """The best report of each hour comes last, which is the one that stays."""
        ordered = [rows for _, rows in sorted(self.rows, key=lambda ranked: ranked[0])]
        return make_batch(ordered, rejections=self.rejected, passed_over=self.passed_over, now=self.now)

    def take(self, raw: RawReport) -> None:
        """Read one report."""
        head = HEAD.fullmatch(raw.text)
        code = head["station"] if head else ""
        if raw.fault or head is None or len(raw.text) > LONGEST:
            self.refuse(raw.fault or _no_report(raw.text), raw.text, station=code)
        elif NOTHING.fullmatch(head["rest"]):
            self.passed_over[NIL] += 1
        else:
            time, fault = self._time(raw, head)
            if time is None or fault:
                self.refuse(fault, raw.text, station=code, time=time)
            else:
                self._take_at(raw, head, time)

    def _take_at(self, raw: RawReport, head: re.Match[str], time: datetime) -> None:
        speci = head["kind"] == "SPECI" or (head["kind"] is None and raw.speci)
        station = self.stations.get(head["station"]) or raw.station
        if not _near_an_hour(time, speci=speci):
            self.passed_over[BETWEEN] += 1
        elif nearest_hour(time) * 3600 > self.now.timestamp():
            self.passed_over[EARLY] += 1
        elif station is None:
            self._unknown(head["station"])
        else:
            self._add(raw, head, time, station, speci=speci)

    def _unknown(self, code: str) -> None:
        """Name a station once; its other reports are counted."""
        if code in self.unknown:
            self.passed_over[UNKNOWN_STATION] += 1
            return
        self.unknown.add(code)
        self.refuse(UNKNOWN_STATION, f"Reports of {code}: list it in FEED_METAR_STATIONS.", station=code)

    def _add(
        self, raw: RawReport, head: re.Match[str], time: datetime, station: StationReport, *, speci: bool
    ) -> None:
        decoded = decode(raw.text, elevation=station.elevation, speci=speci)
        if decoded.damaged:
            self.refuse("a group cannot be read", raw.text, station=station.code, time=time)
        if all(math.isnan(value) for value in decoded.values):
            if not decoded.damaged:
                self.refuse("nothing in it can be read", raw.text, station=station.code, time=time)
            return
        corrected = raw.corrected or bool(head["cor"] or IN_REPORT_CORRECTION.search(head["rest"][:16]))
        self.rows.append((_rank(time, speci=speci), _rows(station, time, decoded, corrected=corrected)))

    def _time(self, raw: RawReport, head: re.Match[str]) -> tuple[datetime | None, str]:
        """When the report was made, and what is wrong with that."""
        time = raw.observed
        if head["day"] is None:
            return time, "" if time else "no time"
        near = raw.observed or raw.date
        written = written_time(head, near or self.now, latest=self._latest(near))
        if written is None:
            return None, "a time that does not exist"
        if time is not None and abs((time - written).total_seconds()) > DISAGREE_SECONDS:
            return time, "two times that disagree"
        if (written - self.now).total_seconds() > SECONDS_AHEAD:
            return written, "a time in the future"
        if written < self.oldest:
            return written, "too old"
        return written, ""

    def _latest(self, near: datetime | None) -> datetime | None:
        """Who reads back to a day means the past: day 30 is then of the month before, not a week ahead."""
        if not self.back or near is not None:
            return None
        return self.now + timedelta(seconds=SECONDS_AHEAD)


def written_time(head: re.Match[str], near: datetime, *, latest: datetime | None = None) -> datetime | None:
    """The time with the written day, hour and minute that is nearest to another time.

    A report names no month: on the first of a month, day 31 is of the month before.

    Args:
        head: of the report.
        near: when the report was about to be made.
        latest: later times do not count, where there is an earlier one.
    """
    month = near.year * 12 + near.month - 1
    found = []
    for candidate in (month - 1, month, month + 1):
        year, index = divmod(candidate, 12)
        try:
            found.append(
                datetime(
                    year, index + 1, int(head["day"]), int(head["hour"]), int(head["minute"]), tzinfo=UTC
                )
            )
        except ValueError:
            continue
    past = [time for time in found if latest is None or time <= latest]
    return min(past or found, key=lambda time: abs(time - near), default=None)


def nearest_hour(time: datetime) -> int:
    """Hours since 1970-01-01T00Z of the full hour that is nearest."""
    return int((time.timestamp() + 1800) // 3600)


def _minutes_off(time: datetime) -> float:
    return (time.timestamp() - nearest_hour(time) * 3600) / 60


def _near_an_hour(time: datetime, *, speci: bool) -> bool:
    first, last = SPECI_WINDOW if speci else ROUTINE_WINDOW
    return first <= _minutes_off(time) <= last


def _rank(time: datetime, *, speci: bool) -> tuple[bool, float]:
    """Sorts the better report later: routine ones, and the nearer to the hour."""
    return (not speci, -abs(_minutes_off(time)))


def _no_report(text: str) -> str:
    return "longer than any report" if len(text) > LONGEST else "not a METAR"


def _rows(station: StationReport, time: datetime, decoded: Decoded, *, corrected: bool) -> Rows:
    return Rows(
        station=station,
        hour=[nearest_hour(time)],
        values=np.array([decoded.values], dtype=np.float32),
        precipitation_type=np.array([decoded.precipitation_type], dtype=np.float32),
        corrected=[corrected],
    )
