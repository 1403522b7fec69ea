"""Put source series together into a dataset file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from packager.contract import canonical_json
from packager.dataset.columns import METADATA_KEY, SCALES, SCHEMA, to_arrow
from packager.dataset.errors import DatasetEmpty, DatasetInconsistent
from packager.dataset.labels import label
from packager.dataset.records import VARIABLES
from packager.dataset.sources import Series
from weatherapp.core.arrays import FloatArray, IntArray


def build_table(series: Sequence[Series], elevations: Sequence[float]) -> pa.Table:
    """One table of all stations, in their order, without metadata.

    Args:
        series: one per station.
        elevations: of the stations, metres.

    Raises:
        DatasetEmpty: no series.
        DatasetInconsistent: a station has two rows of one hour, or a value that 16 bits cannot hold.
    """
    if not series:
        raise DatasetEmpty("No source series; a dataset needs at least one.")
    parts, next_segment = [], 0
    for index, (part, elevation) in enumerate(zip(series, elevations, strict=True)):
        columns = _station_columns(index, part, elevation, next_segment)
        next_segment = int(columns["segment"][-1]) + 1
        parts.append(columns)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in SCHEMA.names}
    return pa.table({field.name: to_arrow(field, joined[field.name]) for field in SCHEMA}, schema=SCHEMA)


def write_table(table: pa.Table, provenance: Mapping[str, Any], path: Path) -> None:
    """Write a dataset file; the same table and provenance give the same bytes with the same pyarrow."""
    described = table.replace_schema_metadata({METADATA_KEY: canonical_json(provenance)})
    pq.write_table(described, path, compression="zstd", compression_level=19, row_group_size=1 << 20)


def count_labels(table: pa.Table) -> dict[str, dict[str, int]]:
    """Precipitation-type labels per origin and class."""
    kind = _integers_or_minus_one(table, "precipitation_type")
    origin = _integers_or_minus_one(table, "precipitation_type_from")
    names = ("none", "rain", "snow", "mixed_or_freezing")
    return {
        source: {name: int(((origin == o) & (kind == k)).sum()) for k, name in enumerate(names)}
        for o, source in enumerate(("weather_code", "wet_bulb_and_amount"))
    }


def _station_columns(
    index: int, part: Series, elevation: float, first_segment: int
) -> dict[str, FloatArray | IntArray]:
    order = np.argsort(part.hour, kind="stable")
    hour, chunk, values = part.hour[order], part.chunk[order], part.values[order]
    if (np.diff(hour) == 0).any():
        raise DatasetInconsistent(f"Station {index} has two rows of one hour; a source must have one.")
    breaks = (np.diff(hour) != 1) | (np.diff(chunk) != 0)
    segment = first_segment + np.concatenate([[0], np.cumsum(breaks)])
    by_name = {name: values[:, column] for column, name in enumerate(VARIABLES)}
    # Labels are made from the values as stored, so that a reader of the file can make them again.
    stored = {name: np.round(column / SCALES[name]) for name, column in by_name.items()}
    kind, origin = label(
        part.weather[order],
        stored["precipitation"] * SCALES["precipitation"],
        stored["temperature"] * SCALES["temperature"],
        stored["dew_point"] * SCALES["dew_point"],
        np.full(len(hour), elevation),
    )
    return {
        "station": np.full(len(hour), index),
        "hour": hour,
        "segment": segment,
        **stored,
        "precipitation_type": kind,
        "precipitation_type_from": origin,
    }


def _integers_or_minus_one(table: pa.Table, name: str) -> IntArray:
    return np.asarray(table.column(name).cast(pa.int64()).fill_null(-1).to_numpy(), dtype=np.int64)
