"""The guidance file beside a dataset: what runs of a numerical weather model said of its stations.

`NAME.guidance.parquet` lies beside `NAME.parquet` and carries that file's SHA-256: station numbers mean
nothing beside another list of stations.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from packager.archive import write_atomically
from packager.contract import GUIDANCE_VARIABLES, canonical_json
from packager.dataset.columns import GUIDANCE_SCHEMA, METADATA_KEY, SCALES, check_columns, to_arrow
from packager.dataset.errors import (
    DatasetEmpty,
    DatasetInconsistent,
    DatasetUnreadable,
)
from packager.dataset.records import Guidance
from weatherapp.core.arrays import FloatArray, IntArray

SUFFIX = ".guidance.parquet"
KEYS = ("station", "init_hour", "valid_hour")
BUILD_AGAIN = "Build the dataset and its guidance again, or remove the guidance file to train without it."


def guidance_path(dataset: Path) -> Path:
    """Where the guidance of a dataset file lies."""
    return dataset.with_name(dataset.name.removesuffix(".parquet") + SUFFIX)


def dataset_path(guidance: Path) -> Path:
    """The dataset file that a guidance file belongs to.

    Raises:
        DatasetInconsistent: not a name of a guidance file.
    """
    if not guidance.name.endswith(SUFFIX):
        raise DatasetInconsistent(
            f"{guidance.name} is no name for a guidance file; it is NAME{SUFFIX} beside NAME.parquet."
        )
    return guidance.with_name(guidance.name.removesuffix(SUFFIX) + ".parquet")


def write_guidance(
    path: Path,
    *,
    station: IntArray,
    init_hour: IntArray,
    available_hour: IntArray,
    valid_hour: IntArray,
    values: FloatArray,
) -> None:
    """Write the guidance of the dataset file that lies beside it, whole or not at all.

    Rows may come in any order. Equal rows and an equal dataset give equal bytes with the same pyarrow.

    Args:
        path: `NAME.guidance.parquet`; `NAME.parquet` is there already.
        station: (row,) position in the dataset's list of stations.
        init_hour: (row,) start of the model's run, hours since 1970-01-01T00Z; likewise the other two.
        available_hour: (row,) the first full hour at which this server could know the row.
        valid_hour: (row,) the hour that the row speaks of.
        values: (row, 7) in the units of `GUIDANCE_VARIABLES`, NaN where missing.

    Raises:
        DatasetEmpty: no rows.
        DatasetInconsistent: no dataset beside it, columns of unequal length, a station that the dataset does
            not have, a row known before its run began or valid before it, two rows of one station, run and
            hour, or a value that 16 bits cannot hold.
    """
    stations, digest = _described(dataset_path(path))
    _check_lengths(path.name, station, init_hour, available_hour, valid_hour, values)
    order = np.lexsort((valid_hour, init_hour, station))
    guidance = Guidance(
        station=np.asarray(station, dtype=np.int64)[order],
        init_hour=np.asarray(init_hour, dtype=np.int64)[order],
        available_hour=np.asarray(available_hour, dtype=np.int64)[order],
        valid_hour=np.asarray(valid_hour, dtype=np.int64)[order],
        values=np.asarray(values)[order],
    )
    _check_rows(path.name, guidance, stations)
    described = _to_table(guidance).replace_schema_metadata(
        {METADATA_KEY: canonical_json({"dataset": digest})}
    )
    buffer = io.BytesIO()
    pq.write_table(described, buffer, compression="zstd", compression_level=19, row_group_size=1 << 20)
    write_atomically(path, buffer.getvalue())


def read_guidance(path: Path, *, stations: int, dataset_digest: str) -> tuple[Guidance, str]:
    """Read and check a guidance file.

    Args:
        path: the file.
        stations: how many stations the dataset describes.
        dataset_digest: SHA-256 of the dataset file.

    Returns:
        The guidance and the file's own SHA-256.

    Raises:
        DatasetUnreadable: not a Parquet file, damaged, or without the digest of its dataset.
        DatasetColumnsWrong, DatasetTypesWrong: the columns are not the guidance's.
        DatasetEmpty: no rows.
        DatasetInconsistent: made for another dataset, or rows that `write_guidance` would refuse.
    """
    try:
        content = path.read_bytes()
        table = pq.read_table(io.BytesIO(content))
    except (OSError, pa.ArrowException) as error:
        raise DatasetUnreadable(
            f"{path.name} is not a readable Parquet file: {error}. {BUILD_AGAIN}"
        ) from error
    check_columns(path.name, table.schema, GUIDANCE_SCHEMA)
    _check_belongs(path.name, table.schema, dataset_digest)
    guidance = _from_table(path.name, table)
    _check_rows(path.name, guidance, stations)
    return guidance, hashlib.sha256(content).hexdigest()


def _described(path: Path) -> tuple[int, str]:
    """Number of stations and SHA-256 of a dataset file."""
    try:
        content = path.read_bytes()
        metadata = pq.read_schema(io.BytesIO(content)).metadata or {}
        return len(json.loads(metadata[METADATA_KEY])["stations"]), hashlib.sha256(content).hexdigest()
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DatasetInconsistent(
            f"Guidance belongs to a dataset, and {path.name} beside it cannot be read ({error!r}). "
            "Write the dataset first."
        ) from error


def _to_table(guidance: Guidance) -> Any:
    columns: dict[str, Any] = {
        "station": guidance.station,
        "init_hour": guidance.init_hour,
        "available_hour": guidance.available_hour,
        "valid_hour": guidance.valid_hour,
    }
    for index, name in enumerate(GUIDANCE_VARIABLES):
        columns[name] = np.round(guidance.values[:, index].astype(np.float64) / SCALES[name])
    arrays = [to_arrow(field, columns[field.name]) for field in GUIDANCE_SCHEMA]
    return pa.table(arrays, schema=GUIDANCE_SCHEMA)


def _from_table(name: str, table: Any) -> Guidance:
    if table.num_rows == 0:
        raise DatasetEmpty(f"{name} has no rows. {BUILD_AGAIN}")
    values = [
        np.asarray(table.column(variable).cast(pa.float64()).to_numpy(zero_copy_only=False))
        * SCALES[variable]
        for variable in GUIDANCE_VARIABLES
    ]
    return Guidance(
        station=_integers(name, table, "station"),
        init_hour=_integers(name, table, "init_hour"),
        available_hour=_integers(name, table, "available_hour"),
        valid_hour=_integers(name, table, "valid_hour"),
        values=np.stack(values, axis=1).astype(np.float32),
    )


def _integers(name: str, table: Any, key: str) -> IntArray:
    column = table.column(key)
    if column.null_count:
        raise DatasetInconsistent(f"{name}: column {key} has {column.null_count} nulls; every row needs one.")
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _check_belongs(name: str, schema: Any, dataset_digest: str) -> None:
    try:
        made_for = json.loads((schema.metadata or {})[METADATA_KEY])["dataset"]
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetUnreadable(
            f"{name} does not say which dataset it belongs to: the Parquet metadata needs an entry "
            f"{METADATA_KEY!r}, JSON with 'dataset', its SHA-256 ({error!r}). {BUILD_AGAIN}"
        ) from error
    if made_for != dataset_digest:
        raise DatasetInconsistent(
            f"{name} was made for a dataset with SHA-256 {made_for}; the one beside it has {dataset_digest}. "
            f"{BUILD_AGAIN}"
        )


def _check_lengths(name: str, *columns: FloatArray | IntArray) -> None:
    lengths = {len(column) for column in columns}
    shape = np.shape(columns[-1])
    if len(lengths) > 1 or shape[1:] != (len(GUIDANCE_VARIABLES),):
        raise DatasetInconsistent(
            f"{name}: columns of {sorted(lengths)} rows and values of shape {shape}; all need the same rows, "
            f"and values one column for each of {', '.join(GUIDANCE_VARIABLES)}."
        )
    if lengths == {0}:
        raise DatasetEmpty(f"{name} would have no rows; write no guidance file for a dataset without any.")


def _check_rows(name: str, guidance: Guidance, stations: int) -> None:
    if guidance.station.min() < 0 or guidance.station.max() >= stations:
        raise DatasetInconsistent(
            f"{name} has rows of stations {guidance.station.min()} to {guidance.station.max()}; its dataset "
            f"describes {stations} stations, 0 to {stations - 1}."
        )
    early = (guidance.available_hour < guidance.init_hour) | (guidance.valid_hour < guidance.init_hour)
    if early.any():
        row = int(np.flatnonzero(early)[0])
        raise DatasetInconsistent(
            f"{name}: row {row} is available at hour {guidance.available_hour[row]} and valid at "
            f"{guidance.valid_hour[row]}; both must be at or after its run's start, "
            f"{guidance.init_hour[row]}."
        )
    _check_order(name, guidance)


def _check_order(name: str, guidance: Guidance) -> None:
    later, before = (
        np.stack([getattr(guidance, key)[part] for key in KEYS], axis=1)
        for part in (slice(1, None), slice(None, -1))
    )
    step = later - before
    first = np.take_along_axis(step, np.argmax(step != 0, axis=1)[:, None], axis=1)[:, 0]
    if (first <= 0).any():
        row = int(np.flatnonzero(first <= 0)[0]) + 1
        raise DatasetInconsistent(
            f"{name}: row {row} does not follow row {row - 1}. Rows are sorted by station, run and valid "
            "hour, and no two rows share all three."
        )
