"""Read a dataset file."""

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from packager.dataset.columns import METADATA_KEY, SCALES, SCHEMA, check_columns
from packager.dataset.errors import (
    DatasetEmpty,
    DatasetInconsistent,
    DatasetUnreadable,
)
from packager.dataset.guidance import guidance_path, read_guidance
from packager.dataset.records import VARIABLES, Dataset, Station
from weatherapp.core.arrays import FloatArray, IntArray

STATION_FIELDS = ("id", "name", "latitude", "longitude", "elevation", "source", "kind")


def read_dataset(path: Path) -> Dataset:
    """Read and check a dataset file, and the guidance that lies beside it.

    Args:
        path: a Parquet file with the columns of `columns.SCHEMA` and the stations in its metadata. Where
            `NAME.guidance.parquet` lies beside `NAME.parquet` the dataset has guidance.

    Raises:
        DatasetUnreadable: no such file, or not a Parquet file, or damaged, or no list of stations.
        DatasetColumnsWrong, DatasetTypesWrong: the columns are not the dataset's.
        DatasetEmpty: no rows.
        DatasetInconsistent: rows out of order, or of a station that the file does not describe; guidance of
            another dataset.
    """
    try:
        content = path.read_bytes()
        table = pq.read_table(io.BytesIO(content))
    except (OSError, pa.ArrowException) as error:
        raise DatasetUnreadable(
            f"{path.name} is not a readable Parquet file: {error}. Build one of what feeds brought with "
            "`manage.py build_dataset`, or the reference dataset with scripts/rebuild_dataset.py."
        ) from error
    check_columns(path.name, table.schema, SCHEMA)
    if table.num_rows == 0:
        raise DatasetEmpty(f"{path.name} has no rows; a dataset needs at least one hour of one station.")
    provenance = _provenance(path.name, table.schema)
    dataset = _to_dataset(table, provenance, hashlib.sha256(content).hexdigest())
    _check_rows(path.name, dataset)
    return _with_guidance(dataset, guidance_path(path))


def _with_guidance(dataset: Dataset, path: Path) -> Dataset:
    if not path.exists():
        return dataset
    guidance, digest = read_guidance(path, stations=len(dataset.stations), dataset_digest=dataset.digest)
    both = hashlib.sha256(f"{dataset.digest} {digest}".encode()).hexdigest()
    return replace(dataset, guidance=guidance, digest=both)


def _provenance(name: str, schema: Any) -> dict[str, Any]:
    try:
        provenance: dict[str, Any] = json.loads((schema.metadata or {})[METADATA_KEY])
        _stations(provenance)
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetUnreadable(
            f"{name} does not describe its stations: the Parquet metadata needs an entry {METADATA_KEY!r}, "
            f"JSON with a list 'stations' of {', '.join(STATION_FIELDS)} ({error!r})."
        ) from error
    return provenance


def _stations(provenance: dict[str, Any]) -> tuple[Station, ...]:
    return tuple(
        Station(
            id=str(item["id"]),
            name=str(item["name"]),
            latitude=float(item["latitude"]),
            longitude=float(item["longitude"]),
            elevation=float(item["elevation"]),
            source=str(item["source"]),
            kind=str(item["kind"]),
        )
        for item in provenance["stations"]
    )


def _to_dataset(table: Any, provenance: dict[str, Any], digest: str) -> Dataset:
    values = np.stack([_floats(table, name) * SCALES[name] for name in VARIABLES], axis=1)
    return Dataset(
        stations=_stations(provenance),
        station=_integers(table, "station"),
        hour=_integers(table, "hour"),
        segment=_integers(table, "segment"),
        values=values.astype(np.float32),
        precipitation_type=_floats(table, "precipitation_type").astype(np.float32),
        precipitation_type_from=_floats(table, "precipitation_type_from").astype(np.float32),
        digest=digest,
        provenance=provenance,
    )


def _floats(table: Any, name: str) -> FloatArray:
    return np.asarray(table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _integers(table: Any, name: str) -> IntArray:
    column = table.column(name)
    if column.null_count:
        raise DatasetInconsistent(f"Column {name} has {column.null_count} nulls; every row needs a value.")
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _check_rows(name: str, dataset: Dataset) -> None:
    known = len(dataset.stations)
    if dataset.station.min() < 0 or dataset.station.max() >= known:
        raise DatasetInconsistent(
            f"{name} has rows of station {dataset.station.max()}; it describes {known} stations."
        )
    same = np.diff(dataset.segment) == 0
    broken = same & ((np.diff(dataset.hour) != 1) | (np.diff(dataset.station) != 0))
    unsorted = (np.diff(dataset.segment) < 0) | (np.diff(dataset.station) < 0)
    if (broken | unsorted).any():
        row = int(np.flatnonzero(broken | unsorted)[0]) + 1
        raise DatasetInconsistent(
            f"{name}: row {row} does not follow row {row - 1}. Rows are sorted by station and segment; the "
            "rows of a segment are consecutive hours of one station."
        )
