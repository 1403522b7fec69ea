"""Storing guidance."""

from collections import Counter
from datetime import datetime

import numpy as np
from django.db import transaction

from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.observations import rejections
from weatherapp.observations.feeds.interface import GuidanceBatch
from weatherapp.observations.merging import DECIMALS, same
from weatherapp.observations.models import GUIDANCE_VARIABLES, Guidance
from weatherapp.observations.rejections import Refusal
from weatherapp.observations.standing import hour_of, is_time, time_of
from weatherapp.observations.stations import AT_ONCE, upsert_stations

ROWS_AT_ONCE = 2000
BEFORE_ITS_RUN = "guidance_before_its_run"
OUT_OF_LIMITS = "guidance_out_of_limits"


def upsert_guidance(*, batch: GuidanceBatch, feed: str, received: datetime) -> tuple[int, Counter[str]]:
    """Store guidance.

    The same values again keep the time at which they were first known; other values of the same model run and
    hour replace them, with the time at which those could be known.

    Returns:
        How many rows were new or changed, and how many values or rows each check refused.
    """
    ids = upsert_stations(batch.stations)
    values, refusals = _believed(batch, feed)
    rejections.keep(refusals, stations=ids, received=received)
    keep = _sensible(batch)
    station = np.array([ids[report.code] for report in batch.stations], dtype=np.int64)[batch.station]
    written = 0
    for init in np.unique(batch.init_hour[keep]).tolist():
        rows = keep & (batch.init_hour == init)
        with transaction.atomic():
            written += _store_run(batch, int(init), np.flatnonzero(rows), station, values)
    return written, Counter(refusal.check for refusal in refusals)


def _sensible(batch: GuidanceBatch) -> BoolArray:
    times = (batch.init_hour, batch.valid_hour, batch.available_hour)
    known = np.array([[is_time(hour) for hour in column.tolist()] for column in times]).all(axis=0)
    early = (batch.valid_hour < batch.init_hour) | (batch.available_hour < batch.init_hour)
    return np.asarray(known & ~early)


def _believed(batch: GuidanceBatch, feed: str) -> tuple[FloatArray, list[Refusal]]:
    # Imported here: the web process names this module and must not pay for Parquet.
    from packager.dataset.quality import PHYSICAL_LIMITS

    low, high = np.array([PHYSICAL_LIMITS[name] for name in GUIDANCE_VARIABLES]).T
    values = np.asarray(batch.values, dtype=np.float64).round(DECIMALS)
    wrong = (values < low) | (values > high)
    codes = [report.code for report in batch.stations]
    refusals = [
        Refusal(codes[batch.station[row]], feed, int(batch.valid_hour[row]), BEFORE_ITS_RUN)
        for row in np.flatnonzero(~_sensible(batch)).tolist()
    ]
    for row, column in zip(*(index.tolist() for index in np.nonzero(wrong)), strict=True):
        name, value = GUIDANCE_VARIABLES[column], float(values[row, column])
        code, hour = codes[batch.station[row]], int(batch.valid_hour[row])
        refusals.append(
            Refusal(
                code, feed, hour, OUT_OF_LIMITS, f"guidance {name}", value if np.isfinite(value) else None
            )
        )
    return np.where(wrong | ~np.isfinite(values), np.nan, values), refusals


def _store_run(batch: GuidanceBatch, init: int, rows: IntArray, station: IntArray, values: FloatArray) -> int:
    stood = _standing(batch, init, rows, station)
    fresh = {}
    for row in rows.tolist():
        key = (int(station[row]), int(batch.valid_hour[row]))
        before = stood.get(key)
        if before is None or not same(before, values[row]).all():
            fresh[key] = row
    Guidance.objects.bulk_create(
        [_row(batch, key, init, row, values[row]) for key, row in fresh.items()],
        batch_size=ROWS_AT_ONCE,
        update_conflicts=True,
        unique_fields=("station", "source", "init_time", "valid_time"),
        update_fields=("available_time", *GUIDANCE_VARIABLES),
    )
    return len(fresh)


def _standing(
    batch: GuidanceBatch, init: int, rows: IntArray, station: IntArray
) -> dict[tuple[int, int], FloatArray]:
    """Stored values of one model run by station and hour."""
    found = Guidance.objects.filter(source=batch.source, init_time=time_of(init)).order_by()
    stations = np.unique(station[rows]).tolist()
    if len(stations) <= AT_ONCE:
        found = found.filter(station_id__in=stations)
    return {
        (row[0], hour_of(row[1])): np.array(row[2:], dtype=np.float64)
        for row in found.values_list("station_id", "valid_time", *GUIDANCE_VARIABLES)
    }


def _row(batch: GuidanceBatch, key: tuple[int, int], init: int, row: int, values: FloatArray) -> Guidance:
    return Guidance(
        station_id=key[0],
        source=batch.source,
        init_time=time_of(init),
        valid_time=time_of(key[1]),
        available_time=time_of(int(batch.available_hour[row])),
        **{
            name: None if np.isnan(value) else float(value)
            for name, value in zip(GUIDANCE_VARIABLES, values, strict=True)
        },
    )
