"""Which points in time an answer has, by the clock of a place. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeVar

import numpy as np
import tzfpy

from weatherapp.core.arrays import IntArray
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.moments import HOUR
from weatherapp.forecasts.query import FORECAST_DAYS, PAST_DAYS, Place, Query, zone_info

QUARTER = 900
DAY = 24 * HOUR

One = TypeVar("One")


@dataclass(frozen=True, slots=True)
class Clock:
    """A place's clock now; `offset` in seconds east of UTC, `today` its date, `now` in Unix seconds."""

    zone: str
    offset: int
    today: date
    now: int

    @property
    def abbreviation(self) -> str:
        """Such as GMT, GMT-6, GMT+5:30."""
        if not self.offset:
            return "GMT"
        hours, minutes = divmod(abs(self.offset) // 60, 60)
        return f"GMT{'-' if self.offset < 0 else '+'}{hours}" + (f":{minutes:02}" if minutes else "")

    @property
    def current(self) -> int:
        """The quarter of an hour that is now, Unix seconds."""
        return self.now // QUARTER * QUARTER

    def floor(self, seconds: int) -> int:
        """The begin of the period of so many seconds that is now by this clock, Unix seconds."""
        return (self.now + self.offset) // seconds * seconds - self.offset


@dataclass(frozen=True, slots=True)
class Span:
    """Points in time: the first (Unix seconds), how many, and seconds between them."""

    start: int
    count: int
    step: int

    @property
    def times(self) -> IntArray:
        """(time,) Unix seconds."""
        return self.start + np.arange(self.count, dtype=np.int64) * self.step


def place_zone(place: Place) -> str:
    """The zone's name; `auto` is looked up on the map."""
    if place.zone != "auto":
        return place.zone
    return _zone_at(place.latitude, place.longitude)


def place_clock(place: Place, now: datetime) -> Clock:
    """The clock of a place at an aware time."""
    return _clock(place_zone(place), int(now.timestamp()))


def hourly_span(query: Query, clock: Clock, index: int) -> Span:
    """The hours of the series of a place.

    Args:
        query: says which hours, which days, or how many from the current hour.
        clock: of the place.
        index: position of the place in the request.
    """
    if query.span_hours:
        first, last = _of(query.span_hours, index)
        return _between(first, last, clock, HOUR)
    return _span(query, clock, index, HOUR, query.past_hours, query.forecast_hours)


def minutely_span(query: Query, clock: Clock, index: int) -> Span:
    """As `hourly_span` for quarters of an hour."""
    if query.span_minutes:
        first, last = _of(query.span_minutes, index)
        return _between(first, last, clock, QUARTER)
    return _span(query, clock, index, QUARTER, query.past_minutely_15, query.forecast_minutely_15)


def day_bounds(query: Query, clock: Clock, index: int) -> tuple[IntArray, int]:
    """The days of the series of a place: arguments as `hourly_span`.

    Returns:
        (day + 1,) Unix seconds at which the days begin, and at which the last one ends; a day on which clocks
        change has 23 or 25 hours. And the index of today, which may lie outside.
    """
    if not query.dates:
        first, count = clock.today - timedelta(days=query.past_days), query.past_days + query.forecast_days
    else:
        first, last = _of(query.dates, index)
        count = (last - first).days + 1
    return _midnights(clock.zone, first, count + 1), (clock.today - first).days


def check_spans(query: Query, clock: Clock, index: int) -> None:
    """Check dates and hours also where no variable makes use of them: arguments as `hourly_span`.

    Raises:
        QueryInvalid: dates further away than are served.
    """
    if query.dates:
        _check_near(*_of(query.dates, index), clock, "date")
    for spans, kind in ((query.span_hours, "hour"), (query.span_minutes, "minutely_15")):
        if spans:
            first, last = _of(spans, index)
            _check_near(first.date(), last.date(), clock, kind)


def _span(query: Query, clock: Clock, index: int, step: int, past: int | None, ahead: int | None) -> Span:
    if past is None and ahead is None:
        bounds, _ = day_bounds(query, clock, index)
        return Span(int(bounds[0]), _steps(int(bounds[0]), int(bounds[-1]), step), step)
    current = clock.floor(step)
    start = current - (past or 0) * step
    if ahead is not None:
        return Span(start, (past or 0) + ahead, step)
    end = int(_midnights(clock.zone, clock.today + timedelta(days=query.forecast_days), 1)[0])
    return Span(start, _steps(start, end, step), step)


def _steps(start: int, end: int, step: int) -> int:
    """How many steps begin before the end: where clocks change by half an hour it lies within one."""
    return max(0, -((start - end) // step))


def _between(first: datetime, last: datetime, clock: Clock, step: int) -> Span:
    info = zone_info(clock.zone)
    start, end = (int(local.replace(tzinfo=info).timestamp()) for local in (first, last))
    return Span(start, max(0, end - start) // step + 1, step)


def _check_near(first: date, last: date, clock: Clock, kind: str) -> None:
    earliest = clock.today - timedelta(days=PAST_DAYS)
    latest = clock.today + timedelta(days=FORECAST_DAYS)
    for name, given in ((f"start_{kind}", first), (f"end_{kind}", last)):
        if not earliest <= given <= latest:
            raise QueryInvalid(
                f"Parameter '{name}' is out of allowed range from {earliest} to {latest}; {given} was given."
            )


def _of(spans: tuple[One, ...], index: int) -> One:
    return spans[0] if len(spans) == 1 else spans[index]


@lru_cache(maxsize=4096)
def _zone_at(latitude: float, longitude: float) -> str:
    return tzfpy.get_tz(longitude, latitude) or "GMT"


@lru_cache(maxsize=1024)
def _clock(zone: str, now: int) -> Clock:
    local = datetime.fromtimestamp(now, UTC).astimezone(zone_info(zone))
    offset = local.utcoffset() or timedelta()
    return Clock(zone, int(offset.total_seconds()), local.date(), now)


@lru_cache(maxsize=1024)
def _midnights(zone: str, first: date, count: int) -> IntArray:
    info = zone_info(zone)
    days = (first + timedelta(days=step) for step in range(count))
    found = [int(datetime(day.year, day.month, day.day, tzinfo=info).timestamp()) for day in days]
    midnights = np.array(found, dtype=np.int64)
    midnights.flags.writeable = False  # shared by every answer for the zone
    return midnights
