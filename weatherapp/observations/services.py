"""Everything that changes stations, observations and guidance."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from weatherapp.core.arrays import BoolArray, IntArray
from weatherapp.observations import merging, quality, rejections
from weatherapp.observations.feeds import Batch, Feed
from weatherapp.observations.feeds.interface import GuidanceFeed
from weatherapp.observations.guiding import upsert_guidance
from weatherapp.observations.merging import Merged, Rows, Settled
from weatherapp.observations.models import VARIABLES, Observation
from weatherapp.observations.neighbours import nearest
from weatherapp.observations.rejections import Refusal
from weatherapp.observations.standing import (
    Standing,
    hour_of,
    is_time,
    read_refused,
    read_standing,
    time_of,
)
from weatherapp.observations.stations import Stations, lock, read_stations, upsert_stations

__all__ = ["IngestReport", "Stored", "ingest", "upsert_guidance", "upsert_observations", "upsert_stations"]
logger = logging.getLogger(__name__)
ROWS_AT_ONCE = 2000
# Reports in one transaction: some seconds of work, so that other writers get their turn.
REPORTS_AT_ONCE = 200_000
WITH_THEM = ("precipitation_type", "series", "corrected", "revision", "feed", "received")
COUNTS = ("reports", "new", "changed", "unchanged", "held", "late", "withdrawn")


@dataclass
class Stored:
    """What storing reports did.

    Attributes:
        reports: how many there were, one per station and hour.
        new: of hours that were not known.
        changed: that say something else than what stood, and stored hours from which a value was withdrawn.
        unchanged: that changed nothing.
        held: routine reports that a correction kept out.
        late: new or changed, and of an hour before the present one: runs were made without them.
        withdrawn: stored values that are no longer believed.
        rejected: how many values or reports each check refused, withdrawn ones included.
        newest: the newest hour.
    """

    reports: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    held: int = 0
    late: int = 0
    withdrawn: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one pass of a feed did; `rejected` counts values per check, the others are as in `Stored`.

    `guidance` counts rows of guidance that were new or changed; `newest` is the newest hour that was brought.
    """

    feed: str
    stations: int
    reports: int
    rejected: Mapping[str, int]
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    held: int = 0
    late: int = 0
    withdrawn: int = 0
    guidance: int = 0
    newest: datetime | None = None


def ingest(*, feed: Feed[Any], now: datetime) -> IngestReport:
    """Fetch, parse, check and store what a feed has up to `now`, guidance too if it has any.

    Raises:
        FeedUnreadable: nothing was stored.
    """
    raw = feed.fetch(now=now)
    batch = feed.parse(raw)
    guidance = feed.parse_guidance(raw) if isinstance(feed, GuidanceFeed) else None
    stored = _store(batch, feed=feed.name, received=now, checked=True)
    written = 0
    if guidance is not None:
        written, refused = upsert_guidance(batch=guidance, feed=feed.name, received=now)
        stored.rejected.update(refused)
    logger.info(
        "feed %s: %d reports, %d new, %d changed, %d late, %d values rejected",
        *(feed.name, stored.reports, stored.new, stored.changed, stored.late, stored.rejected.total()),
    )
    return IngestReport(
        feed=feed.name,
        stations=len(batch.stations),
        rejected=dict(stored.rejected),
        guidance=written,
        newest=stored.newest,
        **{name: getattr(stored, name) for name in COUNTS},
    )


def upsert_observations(*, batch: Batch, feed: str, received: datetime) -> Stored:
    """Store reports as they are, without quality control; how they meet what stands is said in `merging`."""
    return _store(batch, feed=feed, received=received, checked=False)


def _store(batch: Batch, *, feed: str, received: datetime, checked: bool) -> Stored:
    ids = upsert_stations(batch.stations)
    stations = read_stations()
    stored = Stored()
    batch, refusals = _readable(batch, feed, hour_of(received) if checked else None)
    rejections.keep(refusals, stations=ids, received=received)
    stored.rejected.update(refusal.check for refusal in refusals)
    own = stations.positions(np.array([ids[report.code] for report in batch.stations], dtype=np.int64))
    incoming = merging.fold(batch, own[batch.station])
    stored.reports = len(incoming)
    stored.newest = time_of(int(incoming.hour.max())) if len(incoming) else None
    for part in _parts(incoming):
        with transaction.atomic():
            _store_part(part, _Pass(stations, feed, received, stored), checked=checked)
    return stored


@dataclass(frozen=True)
class _Pass:
    """What the parts of one pass share."""

    stations: Stations
    feed: str
    received: datetime
    stored: Stored


def _store_part(incoming: Rows, told: _Pass, *, checked: bool) -> None:
    own = np.unique(incoming.station)
    lock(told.stations, own)
    first, last = int(incoming.hour.min()), int(incoming.hour.max())
    around: IntArray = np.empty((len(own), 0), dtype=np.int64)
    if checked:
        first, last = first - quality.LOOK_BACK_HOURS, last + quality.LOOK_BACK_HOURS
        around = nearest(told.stations.places, own)
    wanted = np.union1d(own, around[around >= 0])
    standing = read_standing(told.stations, wanted, first, last)
    merged = merging.merge(standing.rows, incoming)
    failed: Mapping[str, BoolArray] = {}
    if checked:
        refused = read_refused(told.stations, wanted, first, last, merged.rows.key)
        failed = quality.check(merged, refused, told.stations.places, own, around)
    bad = np.logical_or.reduce([np.zeros(merged.brought.shape, dtype=bool), *failed.values()])
    settled = merging.settle(merged, standing.rows, bad)
    _write(merged, settled, standing, told)
    _keep_refused(merged, settled, failed, standing, told)
    _count(merged, settled, told)


def _readable(batch: Batch, feed: str, now_hour: int | None) -> tuple[Batch, list[Refusal]]:
    """The reports of sensible hours, and refusals of the others and of what the feed could not read.

    Without `now_hour` the future is sensible.
    """
    refusals = [
        Refusal(report.station, feed, report.hour, report.check, text=report.text)
        for report in batch.rejected
    ]
    sensible = np.array([is_time(hour) for hour in batch.hour.tolist()], dtype=bool)
    late = sensible if now_hour is None else batch.hour <= now_hour
    for check, wrong in ((quality.NO_SUCH_TIME, ~sensible), (quality.FROM_THE_FUTURE, sensible & ~late)):
        refusals += [
            Refusal(batch.stations[batch.station[row]].code, feed, int(batch.hour[row]), check)
            for row in np.flatnonzero(wrong).tolist()
        ]
    kind = batch.precipitation_type
    odd = np.isfinite(kind) & ~np.isin(kind, Observation.PrecipitationType.values)
    refusals += [
        Refusal(
            batch.stations[batch.station[row]].code,
            feed,
            int(batch.hour[row]),
            quality.NO_SUCH_CLASS,
            "precipitation_type",
            float(kind[row]),
        )
        for row in np.flatnonzero(odd & sensible & late).tolist()
    ]
    batch = replace(batch, precipitation_type=np.where(odd, np.nan, kind))
    return batch.take(sensible & late), refusals


def _parts(incoming: Rows) -> Iterator[Rows]:
    """All stations of some hours at a time: neighbours are compared hour by hour."""
    order = np.argsort(incoming.hour, kind="stable")
    for start in range(0, len(order), REPORTS_AT_ONCE):
        yield incoming.take(np.sort(order[start : start + REPORTS_AT_ONCE]))


def _write(merged: Merged, settled: Settled, standing: Standing, told: _Pass) -> None:
    rows = np.flatnonzero(settled.new | settled.changed)
    values = settled.rows.values[rows].astype(object)
    values[np.isnan(settled.rows.values[rows])] = None
    kinds = settled.rows.precipitation_type[rows]
    Observation.objects.bulk_create(
        [
            Observation(
                station_id=station,
                valid_time=time_of(hour),
                series=series,
                precipitation_type=None if np.isnan(kind) else int(kind),
                corrected=corrected,
                feed=told.feed if came else standing.feed[stood],
                revision=0 if stood < 0 else int(standing.revision[stood]) + 1,
                received=told.received,
                **dict(zip(VARIABLES, said, strict=True)),
            )
            for station, hour, series, kind, corrected, came, stood, said in zip(
                told.stations.ids[settled.rows.station[rows]].tolist(),
                settled.rows.hour[rows].tolist(),
                settled.rows.series[rows].tolist(),
                kinds.tolist(),
                settled.rows.corrected[rows].tolist(),
                merged.came[rows].tolist(),
                merged.standing[rows].tolist(),
                values.tolist(),
                strict=True,
            )
        ],
        batch_size=ROWS_AT_ONCE,
        update_conflicts=True,
        unique_fields=("station", "valid_time"),
        update_fields=(*VARIABLES, *WITH_THEM),
    )


def _keep_refused(
    merged: Merged, settled: Settled, failed: Mapping[str, BoolArray], standing: Standing, told: _Pass
) -> None:
    refusals = []
    rows, columns = np.nonzero(settled.refused | settled.withdrawn)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        came = settled.refused[row, column]
        refusals.append(
            Refusal(
                station=told.stations.codes[merged.rows.station[row]],
                feed=told.feed if came else standing.feed[merged.standing[row]],
                hour=int(merged.rows.hour[row]),
                check=next(name for name, found in failed.items() if found[row, column]),
                variable=VARIABLES[column],
                value=float(merged.rows.values[row, column]),
            )
        )
    codes = {refusal.station for refusal in refusals}
    ids = {
        code: int(pk)
        for code, pk in zip(told.stations.codes, told.stations.ids, strict=True)
        if code in codes
    }
    rejections.keep(refusals, stations=ids, received=told.received)
    told.stored.rejected.update(refusal.check for refusal in refusals)


def _count(merged: Merged, settled: Settled, told: _Pass) -> None:
    stored, written = told.stored, settled.new | settled.changed
    stored.new += int(settled.new.sum())
    stored.changed += int(settled.changed.sum())
    stored.unchanged += settled.unchanged
    stored.held += merged.held
    stored.late += int((merged.came & written & (merged.rows.hour < hour_of(told.received))).sum())
    stored.withdrawn += int(settled.withdrawn.sum())
