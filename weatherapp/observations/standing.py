"""The stored reports of some stations over some hours, as arrays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db.models import Func, IntegerField, Q
from django.db.models.functions import Cast

from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.observations.merging import Rows, keys_of
from weatherapp.observations.models import VARIABLES, Observation, Rejection
from weatherapp.observations.stations import AT_ONCE, Stations

FIRST_HOUR, LAST_HOUR = -1_753_152, 1_139_568  # the years 1770 to 2099, in hours since 1970-01-01T00Z


class HourNumber(Func):
    """Hours since 1970-01-01T00Z of a full hour, counted by the database: a time costs more than a number."""

    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """SQLite keeps times as text."""
        template = "CAST(strftime('%%%%s', %(expressions)s) AS INTEGER) / 3600"
        return self.as_sql(compiler, connection, template=template, **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """PostgreSQL keeps times as such."""
        template = "CAST(EXTRACT(EPOCH FROM %(expressions)s) AS BIGINT) / 3600"
        return self.as_sql(compiler, connection, template=template, **extra)


# Columns of a stored report, before its variables.
FIELDS = (
    "station_id",
    HourNumber("valid_time"),
    "series",
    Cast("corrected", IntegerField()),
    "precipitation_type",
    "feed",
    "revision",
)


@dataclass(frozen=True)
class Standing:
    """Stored reports; `feed` and `revision` (row,) are the columns of that name."""

    rows: Rows
    feed: Sequence[str]
    revision: IntArray


def is_time(hour: int) -> bool:
    """Whether a report can be of that hour: whatever else a feed says, not before anybody measured."""
    return FIRST_HOUR <= hour < LAST_HOUR


def time_of(hour: int) -> datetime:
    """The full hour, aware UTC, of hours since 1970-01-01T00Z."""
    return datetime.fromtimestamp(hour * 3600, UTC)


def hour_of(time: datetime) -> int:
    """Hours since 1970-01-01T00Z, of the full hour before or at a time."""
    return int(time.timestamp() // 3600)


def read_standing(stations: Stations, wanted: IntArray, first: int, last: int) -> Standing:
    """Stored reports of stations.

    Args:
        stations: all of them.
        wanted: (station,) positions of those to read.
        first: hours since 1970-01-01T00Z.
        last: likewise, included.
    """
    found: list[tuple[Any, ...]] = []
    for part in _parts(stations, wanted):
        found += (
            Observation.objects.filter(part, valid_time__gte=time_of(first), valid_time__lte=time_of(last))
            .order_by()
            .values_list(*FIELDS, *VARIABLES)
        )
    columns = list(zip(*found, strict=True)) if found else [()] * (len(FIELDS) + len(VARIABLES))
    hour = np.array(columns[1], dtype=np.int64)
    station = stations.positions(np.array(columns[0], dtype=np.int64))
    order = np.lexsort((hour, station))
    values = np.array(columns[7:], dtype=np.float64).T.reshape(-1, len(VARIABLES))
    rows = Rows(
        station=station,
        hour=hour,
        values=values,
        precipitation_type=np.array(columns[4], dtype=np.float64),
        series=np.array(columns[2], dtype=np.int64),
        corrected=np.array(columns[3], dtype=bool),
    )
    feed = [columns[5][row] for row in order.tolist()]
    return Standing(rows.take(order), feed, np.array(columns[6], dtype=np.int64)[order])


def read_refused(stations: Stations, wanted: IntArray, first: int, last: int, keys: IntArray) -> FloatArray:
    """Values that were refused, as they were reported: (key, variable), NaN where none was.

    Args:
        stations: all of them.
        wanted: (station,) positions of those to read.
        first: hours since 1970-01-01T00Z.
        last: likewise, included.
        keys: (key,) of `Rows`, ascending: what to spread the values over.
    """
    values = np.full((len(keys), len(VARIABLES)), np.nan)
    for part in _parts(stations, wanted):
        found = list(
            Rejection.objects.filter(
                part,
                valid_time__gte=time_of(first),
                valid_time__lte=time_of(last),
                value__isnull=False,
                variable__in=VARIABLES,
            )
            .order_by("received", "pk")
            .values_list("station_id", "valid_time", "variable", "value")
        )
        if not found:
            continue
        station = stations.positions(np.array([row[0] for row in found], dtype=np.int64))
        key = keys_of(station, np.array([hour_of(row[1]) for row in found if row[1]], dtype=np.int64))
        at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        column = np.array([VARIABLES.index(row[2]) for row in found], dtype=np.int64)
        there = keys[at] == key
        values[at[there], column[there]] = np.array([row[3] for row in found])[there]
    return values


def _parts(stations: Stations, wanted: IntArray) -> Iterator[Q]:
    """Conditions that together mean the wanted stations; one for all of them where most are wanted."""
    if 2 * len(wanted) > len(stations.ids):
        yield Q()  # what was not asked for hurts nobody
        return
    ids = stations.ids[wanted].tolist()
    for start in range(0, len(ids), AT_ONCE):
        yield Q(station_id__in=ids[start : start + AT_ONCE])
