"""The hours of a series in the local time of a place. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import tzfpy

from weatherapp.forecasts.query import Place, Query, zone_info

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Timeline:
    """Hours of a series: the first second (Unix time), how many, and how they are written.

    `offset` is that of now, in seconds; the labels of each hour use the offset of that hour, so that a day of
    a change of clocks has 23 or 25 of them.
    """

    zone: str
    offset: int
    start: int
    hours: int

    @property
    def abbreviation(self) -> str:
        """Such as GMT, GMT-6, GMT+5:30."""
        if not self.offset:
            return "GMT"
        hours, minutes = divmod(abs(self.offset) // 60, 60)
        return f"GMT{'-' if self.offset < 0 else '+'}{hours}" + (f":{minutes:02}" if minutes else "")

    def labels(self, *, unixtime: bool) -> list[str] | list[int]:
        """One per hour: local `YYYY-MM-DDTHH:MM` or Unix time."""
        if unixtime:
            return list(range(self.start, self.start + self.hours * HOUR, HOUR))
        return list(_local_labels(self.zone, self.start, self.hours))


def place_zone(place: Place) -> str:
    """The zone's name; `auto` is looked up on the map."""
    if place.zone != "auto":
        return place.zone
    return tzfpy.get_tz(place.longitude, place.latitude) or "GMT"


def plan_timeline(query: Query, place: Place, now: datetime) -> Timeline:
    """Which hours a place's series has.

    Args:
        query: says how many days, or hours from the current one.
        place: says which zone.
        now: aware.

    Returns:
        From 00:00 local of today (less past_days) for so many days, or from the current hour where hours were
        asked for.
    """
    zone = place_zone(place)
    local = now.astimezone(zone_info(zone))
    offset = local.utcoffset() or timedelta()
    today = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    start = int((today - timedelta(days=query.past_days)).timestamp())
    end = int((today + timedelta(days=query.forecast_days)).timestamp())
    if query.past_hours is not None or query.forecast_hours is not None:
        current = int(now.timestamp()) // HOUR * HOUR
        start = current - (query.past_hours or 0) * HOUR
        end = end if query.forecast_hours is None else current + query.forecast_hours * HOUR
    return Timeline(zone, int(offset.total_seconds()), start, max(0, end - start) // HOUR)


@lru_cache(maxsize=256)
def _local_labels(zone: str, start: int, hours: int) -> tuple[str, ...]:
    info = zone_info(zone)
    times = (datetime.fromtimestamp(start + step * HOUR, UTC) for step in range(hours))
    return tuple(time.astimezone(info).strftime("%Y-%m-%dT%H:%M") for time in times)
