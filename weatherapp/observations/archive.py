"""Whole months of observations and guidance leave the database for Parquet files.

One file per kind and month, named for it: `observations-2026-07.parquet`, one row group per day. A file is
written beside its final name, read back and compared, renamed, and only then are its rows deleted, each
only if it has not changed since it was read. Whatever kills the process in between, the next run ends with
the same file: rows that are in both places are merged by the rules of `merging`, and so are late rows of a
month that was archived before.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.observations import merging
from weatherapp.observations.errors import ArchiveBusy, ArchiveUnusable
from weatherapp.observations.merging import Rows
from weatherapp.observations.models import (
    GUIDANCE_VARIABLES,
    VARIABLES,
    Guidance,
    Observation,
    Station,
)
from weatherapp.observations.stations import FIELDS

TIME = pa.timestamp("s", tz="UTC")
ROWS_READ_AT_ONCE = 20_000
ROWS_DELETED_AT_ONCE = 900
METADATA_KEY = "skyfold"
UNFINISHED = ".unfinished"
RESTORE = "Restore it from a backup, or move it away to go on without that month."


@dataclass(frozen=True)
class Kind:
    """A table and its file's columns; `key` says which rows are the same."""

    name: str
    model: type[Observation] | type[Guidance]
    schema: pa.Schema
    key: tuple[str, ...]

    def path(self, folder: Path, month: datetime) -> Path:
        """The file of a month."""
        return folder / f"{self.name}-{month:%Y-%m}.parquet"


OBSERVATIONS = Kind(
    name="observations",
    model=Observation,
    schema=pa.schema(
        [
            ("station", pa.string()),
            ("valid_time", TIME),
            *((name, pa.float64()) for name in VARIABLES),
            ("precipitation_type", pa.int8()),
            ("series", pa.int64()),
            ("feed", pa.string()),
            ("received", pa.timestamp("us", tz="UTC")),
            ("corrected", pa.bool_()),
            ("revision", pa.int32()),
        ]
    ),
    key=("station", "valid_time"),
)
GUIDANCE = Kind(
    name="guidance",
    model=Guidance,
    schema=pa.schema(
        [
            ("station", pa.string()),
            ("valid_time", TIME),
            ("source", pa.string()),
            ("init_time", TIME),
            ("available_time", TIME),
            *((name, pa.float64()) for name in GUIDANCE_VARIABLES),
        ]
    ),
    key=("station", "source", "init_time", "valid_time"),
)
KINDS = (OBSERVATIONS, GUIDANCE)


@dataclass(frozen=True, slots=True)
class ArchivedMonth:
    """One file that was written; `rows` left the database, `total` are in the file."""

    kind: str
    month: datetime
    path: Path
    rows: int
    total: int


def archive_months(*, before: datetime, folder: Path) -> list[ArchivedMonth]:
    """Move whole months to files.

    Args:
        before: aware UTC; months that end by then are archived.
        folder: of the files; made if it is not there.

    Returns:
        What was written, oldest first.

    Raises:
        ArchiveBusy: another process is at it.
        ArchiveUnusable: the folder cannot be written, a file in it cannot be read, or what was written does
        not
            read back; the rows of that month are still in the database.
    """
    done = []
    with _alone(folder):
        for kind in KINDS:
            done += [_archive_month(kind, month, folder) for month in _months(kind, before)]
    return done


def archived(
    kind: Kind, folder: Path, first: datetime, last: datetime
) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """Archived rows of a stretch of valid times, file by file, with each file's stations by code.

    Raises:
        ArchiveUnusable: a file is damaged.
    """
    for path in sorted(folder.glob(f"{kind.name}-????-??.parquet")):
        month = datetime.strptime(path.stem.removeprefix(f"{kind.name}-"), "%Y-%m").replace(tzinfo=UTC)
        if month <= last and first < _next_month(month):
            table = _read(path, kind, first, last)
            yield table, _stations_in(path)


def month_start(time: datetime) -> datetime:
    """The first hour of a time's month, UTC."""
    return time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next_month(month: datetime) -> datetime:
    return month_start(month + timedelta(days=32))


def _months(kind: Kind, before: datetime) -> Iterator[datetime]:
    """Months with rows that end by `before`; asked for one by one, since the next may be far."""
    rows = kind.model.objects.order_by("valid_time").values_list("valid_time", flat=True)
    oldest = rows.first()
    while oldest is not None and _next_month(month_start(oldest)) <= before:
        yield month_start(oldest)
        oldest = rows.filter(valid_time__gte=_next_month(month_start(oldest))).first()


def _archive_month(kind: Kind, month: datetime, folder: Path) -> ArchivedMonth:
    path = kind.path(folder, month)
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        rows = _write(kind, month, path, unfinished)
        total = pq.read_metadata(unfinished).num_rows
        unfinished.replace(path)
    except (OSError, pa.ArrowException) as error:
        raise ArchiveUnusable(f"{path} cannot be written: {error}. Its rows stay in the database.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    _sync(folder)
    return ArchivedMonth(kind.name, month, path, _delete(kind, rows), total)


def _write(kind: Kind, month: datetime, path: Path, unfinished: Path) -> list[tuple[IntArray, IntArray]]:
    """Write a month's rows, stored and archived, day by day; compare what reads back with what was written.

    Returns:
        Ids and revisions of the rows that were stored.
    """
    rows, digests, codes = [], [], set[str]()
    stations = _stations_in(path) if path.exists() else {}
    with pq.ParquetWriter(unfinished, kind.schema, compression="zstd", compression_level=9) as writer:
        for day in _days(month):
            table, ids, revisions = _stored(kind, day)
            if path.exists():
                table = _merged(kind, _read(path, kind, day, day + timedelta(hours=23)), table)
            if not table.num_rows:
                continue
            writer.write_table(table, row_group_size=table.num_rows)
            rows.append((ids, revisions))
            codes |= set(table.column("station").unique().to_pylist())
            digests.append(_digest(table))
        stations |= _described(codes)
        writer.add_key_value_metadata({METADATA_KEY: json.dumps({"stations": stations}, sort_keys=True)})
    _check_written(unfinished, digests)
    return rows


def _check_written(path: Path, digests: list[str]) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    file = pq.ParquetFile(path)
    read = [_digest(file.read_row_group(number)) for number in range(file.num_row_groups)]
    if read != digests:
        raise ArchiveUnusable(
            f"{path} does not read back as it was written. The rows stay in the database; look at the disk."
        )


def _days(month: datetime) -> Iterator[datetime]:
    day = month
    while day < _next_month(month):
        yield day
        day += timedelta(days=1)


def _stored(kind: Kind, day: datetime) -> tuple[pa.Table, IntArray, IntArray]:
    """Rows of a day in the file's columns and order, with their ids and revisions."""
    revision = "revision" if "revision" in kind.schema.names else "pk"
    names = ("pk", revision, "station__code", *kind.schema.names[1:])
    found = (
        kind.model.objects.filter(valid_time__gte=day, valid_time__lt=day + timedelta(days=1))
        .order_by()
        .values_list(*names)
        .iterator(chunk_size=ROWS_READ_AT_ONCE)
    )
    batches, ids = [], []
    for part in _chunks(found):
        columns = list(zip(*part, strict=True))
        ids.append(np.array(columns[:2], dtype=np.int64))
        arrays = [
            pa.array(column, type=field.type) for column, field in zip(columns[2:], kind.schema, strict=True)
        ]
        batches.append(pa.record_batch(arrays, schema=kind.schema))
    both = np.concatenate(ids, axis=1) if ids else np.empty((2, 0), dtype=np.int64)
    table = pa.Table.from_batches(batches, schema=kind.schema)
    return _sorted(table, kind), both[0], both[1]


def _chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    part: list[Any] = []
    for row in rows:
        part.append(row)
        if len(part) == ROWS_READ_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _sorted(table: pa.Table, kind: Kind) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in kind.key]).combine_chunks()


def _merged(kind: Kind, old: pa.Table, new: pa.Table) -> pa.Table:
    """What a day has after late rows are put over archived ones."""
    if not old.num_rows or not new.num_rows:
        return new if new.num_rows else _sorted(old, kind)
    kept = newest_of(kind, pa.concat_tables([old, new]))
    return kept if kind is GUIDANCE else _with_rules(old, new, kept)


def newest_of(kind: Kind, table: pa.Table) -> pa.Table:
    """Of rows with the same key the last one, in order."""
    number = pa.array(np.arange(table.num_rows))
    newest = table.append_column("number", number).group_by(list(kind.key)).aggregate([("number", "max")])
    return _sorted(table.take(newest.column("number_max")), kind)


def _with_rules(old: pa.Table, new: pa.Table, kept: pa.Table) -> pa.Table:
    """Observations: values by the rules of merging; a correction keeps the rest of its row too."""
    codes = kept.column("station").unique().to_pylist()
    before = rows_of(old, codes)
    merged = merging.merge(before, rows_of(new, codes))
    rows, old = merged.rows, _sorted(old, OBSERVATIONS)
    columns = {name: kept.column(name) for name in kept.column_names}
    for number, name in enumerate(VARIABLES):
        columns[name] = pa.array(rows.values[:, number], from_pandas=True)
    columns["precipitation_type"] = pa.array(rows.precipitation_type, from_pandas=True).cast(pa.int8())
    columns["series"], columns["corrected"] = pa.array(rows.series), pa.array(rows.corrected)
    held = pa.array(~merged.came)
    position = pa.array(np.maximum(merged.standing, 0))
    for name in ("feed", "received", "revision"):
        columns[name] = pc.if_else(held, old.column(name).take(position), columns[name])
    return pa.table(columns, schema=OBSERVATIONS.schema)


def rows_of(table: pa.Table, codes: Sequence[str]) -> Rows:
    """Archived observations as arrays; `station` indexes `codes`, which are sorted and name all of them."""
    table = _sorted(table, OBSERVATIONS)
    station = pc.index_in(table.column("station"), pa.array(codes, pa.string())).to_numpy(
        zero_copy_only=False
    )
    return Rows(
        station=station.astype(np.int64),
        hour=table.column("valid_time").cast(pa.int64()).to_numpy() // 3600,
        values=np.stack([_floats(table, name) for name in VARIABLES], axis=1),
        precipitation_type=_floats(table, "precipitation_type"),
        series=table.column("series").to_numpy(),
        corrected=table.column("corrected").to_numpy(zero_copy_only=False).astype(bool),
    )


def _floats(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False))


def _read(path: Path, kind: Kind, first: datetime, last: datetime) -> pa.Table:
    try:
        inside = (pc.field("valid_time") >= first) & (pc.field("valid_time") <= last)
        return pq.read_table(path, filters=inside, schema=kind.schema)
    except (OSError, pa.ArrowException) as error:
        raise ArchiveUnusable(f"{path} cannot be read: {error}. {RESTORE}") from error


def _stations_in(path: Path) -> dict[str, Any]:
    """The stations that a file has rows of, by code."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
        stations: dict[str, Any] = json.loads(metadata[METADATA_KEY.encode()])["stations"]
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise ArchiveUnusable(f"{path} does not describe its stations ({error!r}). {RESTORE}") from error
    return stations


def _described(codes: set[str]) -> dict[str, Any]:
    rows = Station.objects.values("code", *FIELDS)
    return {row["code"]: {name: row[name] for name in FIELDS} for row in rows if row["code"] in codes}


def _digest(table: pa.Table) -> str:
    """The same for tables that hold the same, whatever their buffers look like."""
    digest = hashlib.sha256()
    for name in table.column_names:
        digest.update(repr(table.column(name).to_pylist()).encode())
    return digest.hexdigest()


def _delete(kind: Kind, rows: list[tuple[IntArray, IntArray]]) -> int:
    """Delete the rows that are in the file, but none that has changed since it was read."""
    gone = 0
    for ids, revisions in rows:
        for revision in np.unique(revisions).tolist() if kind is OBSERVATIONS else [None]:
            chosen = ids if revision is None else ids[revisions == revision]
            for start in range(0, len(chosen), ROWS_DELETED_AT_ONCE):
                same = {"pk__in": chosen[start : start + ROWS_DELETED_AT_ONCE].tolist()}
                if revision is not None:
                    same["revision"] = revision
                gone += kind.model.objects.filter(**same).delete()[0]
    return gone


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder, so that no other process archives into it; what a killed one left goes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise ArchiveUnusable(
            f"{folder} cannot be used: {error}. Set ARCHIVE_DIR to another folder."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ArchiveBusy(
                f"Another process archives into {folder}. Try again when it is done."
            ) from error
        for left in folder.glob(f"*{UNFINISHED}"):
            left.unlink()
        yield


def _sync(folder: Path) -> None:
    """Make the renaming last: rows are deleted next."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
