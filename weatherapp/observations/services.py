"""Everything that changes stations and observations."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db import transaction

from packager.contract import reference_contract
from weatherapp.observations.feeds import Batch, Feed, StationReport
from weatherapp.observations.models import VARIABLES, Observation, Station
from weatherapp.observations.quality import check_batch

logger = logging.getLogger(__name__)
ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one pass of a feed did; `rejected` counts values per check."""

    feed: str
    stations: int
    reports: int
    rejected: Mapping[str, int]


def ingest(*, feed: Feed[Any], now: datetime) -> IngestReport:
    """Fetch, parse, check and store what a feed has up to `now`.

    Raises:
        FeedUnreadable: nothing was stored.
    """
    batch = feed.parse(feed.fetch(now=now))
    checked, rejected = check_batch(batch, reference_contract(), now_hour=int(now.timestamp() // 3600))
    reports = upsert_observations(batch=checked, feed=feed.name, received=now)
    logger.info("feed %s: %d reports, %d values rejected", feed.name, reports, rejected.total())
    return IngestReport(feed.name, len(checked.stations), reports, dict(rejected))


@transaction.atomic
def upsert_observations(*, batch: Batch, feed: str, received: datetime) -> int:
    """Store reports; a later report of the same station and hour replaces the earlier one.

    Returns:
        How many reports were stored.
    """
    ids = _upsert_stations(batch.stations)
    columns = batch.values.astype(np.float64).round(4).astype(object)
    columns[np.isnan(batch.values)] = None
    rows = [
        Observation(
            station_id=ids[batch.stations[station].code],
            valid_time=datetime.fromtimestamp(hour * 3600, UTC),
            series=series,
            feed=feed,
            received=received,
            **dict(zip(VARIABLES, values, strict=True)),
        )
        for station, hour, series, values in zip(
            batch.station.tolist(), batch.hour.tolist(), batch.series.tolist(), columns.tolist(), strict=True
        )
    ]
    Observation.objects.bulk_create(
        rows,
        batch_size=ROWS_AT_ONCE,
        update_conflicts=True,
        unique_fields=("station", "valid_time"),
        update_fields=(*VARIABLES, "series", "feed", "received"),
    )
    return len(rows)


def _upsert_stations(reports: tuple[StationReport, ...]) -> dict[str, int]:
    """Store the stations' metadata and give their row ids; `active` stays as the operator left it."""
    fields = ("name", "latitude", "longitude", "elevation", "source")
    Station.objects.bulk_create(
        [Station(code=report.code, **{name: getattr(report, name) for name in fields}) for report in reports],
        batch_size=ROWS_AT_ONCE,
        update_conflicts=True,
        unique_fields=("code",),
        update_fields=fields,
    )
    codes = [report.code for report in reports]
    return dict(Station.objects.filter(code__in=codes).values_list("code", "pk"))
