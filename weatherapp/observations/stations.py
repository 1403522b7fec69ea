"""All stations at once: their metadata as feeds bring it, and where they stand."""

from dataclasses import dataclass

import numpy as np

from weatherapp.core.arrays import IntArray
from weatherapp.observations.feeds.interface import StationReport
from weatherapp.observations.models import Station
from weatherapp.observations.neighbours import Places

# SQLite takes no more parameters than this in one statement when built as Django expects it.
AT_ONCE = 900
ROWS_AT_ONCE = 2000
FIELDS = ("name", "latitude", "longitude", "elevation", "source")


@dataclass(frozen=True)
class Stations:
    """All stations: (station,) row ids, ascending, and codes; everything else indexes these."""

    ids: IntArray
    codes: tuple[str, ...]
    places: Places

    def positions(self, ids: IntArray) -> IntArray:
        """Where row ids are found; they must be there."""
        return np.searchsorted(self.ids, ids)


def read_stations() -> Stations:
    """Where all stations stand."""
    rows = list(
        Station.objects.order_by("pk").values_list("pk", "code", "latitude", "longitude", "elevation")
    )
    place = np.array([row[2:] for row in rows], dtype=np.float64).reshape(-1, 3)
    return Stations(
        ids=np.array([row[0] for row in rows], dtype=np.int64),
        codes=tuple(row[1] for row in rows),
        places=Places(place[:, 0], place[:, 1], place[:, 2]),
    )


def upsert_stations(reports: tuple[StationReport, ...]) -> dict[str, int]:
    """Store what is new of the stations and give their row ids; `active` stays as the operator left it."""
    wanted = {report.code: tuple(getattr(report, name) for name in FIELDS) for report in reports}
    known = {row[0]: row[1:] for row in Station.objects.values_list("code", *FIELDS)}
    Station.objects.bulk_create(
        [
            Station(code=code, **dict(zip(FIELDS, told, strict=True)))
            for code, told in sorted(wanted.items())
            if known.get(code) != told
        ],
        batch_size=ROWS_AT_ONCE,
        update_conflicts=True,
        unique_fields=("code",),
        update_fields=FIELDS,
    )
    return {code: pk for code, pk in Station.objects.values_list("code", "pk") if code in wanted}


def lock(stations: Stations, wanted: IntArray) -> None:
    """Make other passes that bring the same stations wait; SQLite has one writer anyway."""
    rows = Station.objects.select_for_update().order_by("pk").values_list("pk")
    ids = stations.ids[wanted].tolist()
    list(rows.filter(pk__in=ids) if len(ids) <= AT_ONCE else rows)
