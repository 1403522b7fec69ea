"""From what was ingested to a dataset that models are trained on.

Rows of the database and of the archive become one file as `packager.dataset` reads it; guidance goes beside
it with the hour at which it could first be known, so that no window of training sees what a forecast of its
time could not.
"""

import itertools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from packager.dataset.building import build_table, count_labels, write_table
from packager.dataset.columns import SCALES, UNITS
from packager.dataset.errors import DatasetError
from packager.dataset.guidance import guidance_path, write_guidance
from packager.dataset.sources import VISIBILITY_CAP, Series
from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.observations.archive import GUIDANCE, OBSERVATIONS, archived, newest_of, rows_of
from weatherapp.observations.errors import DatasetNotWritten, NothingToBuild, StationUnknown
from weatherapp.observations.merging import Rows, merge, sorted_rows
from weatherapp.observations.models import GUIDANCE_VARIABLES, VARIABLES, Guidance, Station
from weatherapp.observations.standing import hour_of, read_standing, time_of
from weatherapp.observations.stations import FIELDS, read_stations

# Present weather as a WMO 4677 code of each class, which is what labels are made from: none, slight rain,
# slight snow, rain and snow mixed.
CODE_OF_TYPE = np.array([0.0, 61.0, 71.0, 68.0])
KIND = "actual"
SECONDS = 3600


@dataclass(frozen=True)
class Wanted:
    """What goes into the dataset.

    Attributes:
        first: the first hour, aware UTC.
        last: the last hour.
        stations: codes; all that reported when empty.
        guidance: whether guidance goes with it.
        source: whose guidance; needed where there is more than one numerical model.
    """

    first: datetime
    last: datetime
    stations: tuple[str, ...] = ()
    guidance: bool = False
    source: str = ""


@dataclass(frozen=True)
class Built:
    """What a dataset holds: hours of stations, the share of them without each variable, rows of guidance."""

    path: Path
    stations: int
    hours: int
    first: datetime
    last: datetime
    missing: Mapping[str, float]
    labels: Mapping[str, Mapping[str, int]]
    guidance: int = 0
    source: str = ""


@dataclass(frozen=True)
class _Guided:
    station: IntArray
    init: IntArray
    available: IntArray
    valid: IntArray
    values: FloatArray
    source: str


def build_dataset(*, out: Path, wanted: Wanted, archive: Path) -> Built:
    """Write a dataset file, and its guidance beside it, whole or not at all.

    Args:
        out: NAME.parquet; a dataset of that name is replaced.
        wanted: what goes into it.
        archive: folder of the archived months.

    Raises:
        StationUnknown: a code of no station.
        NothingToBuild: no reports, or no guidance though it was asked for, or of several models.
        DatasetNotWritten: the file cannot be written there, or not hold what was ingested.
        ArchiveUnusable: an archived month cannot be read.
    """
    _check_out(out)
    months = list(archived(OBSERVATIONS, archive, wanted.first, wanted.last))
    places = _places(wanted, months)
    codes = sorted(places)
    rows = _observed(codes, wanted, months)
    if not len(rows):
        raise NothingToBuild(
            f"Nothing was ingested of {len(codes)} stations from {wanted.first:%Y-%m-%dT%H}Z to "
            f"{wanted.last:%Y-%m-%dT%H}Z. Run `manage.py ingest` with a feed first, or ask for another time."
        )
    heard = np.unique(rows.station)
    rows = replace(rows, station=np.searchsorted(heard, rows.station))
    codes = [codes[index] for index in heard.tolist()]
    guided = _guided(codes, wanted, archive) if wanted.guidance else None
    try:
        return _write(out, codes, places, rows, guided)
    except (OSError, DatasetError) as error:
        raise DatasetNotWritten(f"{out} was not written: {error}") from error


def _check_out(out: Path) -> None:
    if out.suffix != ".parquet" or out.name.endswith(".guidance.parquet"):
        raise DatasetNotWritten(f"{out} is no name for a dataset; give NAME.parquet.")
    if not out.parent.is_dir():
        raise DatasetNotWritten(f"{out.parent} is not a folder. Make it, or choose another.")


def _places(wanted: Wanted, months: Sequence[tuple[pa.Table, dict[str, Any]]]) -> dict[str, Any]:
    """Metadata of the wanted stations by code, archived ones too; the database knows better."""
    places: dict[str, Any] = {}
    for _, described in months:
        places |= described
    for row in Station.objects.values("code", *FIELDS):
        places[row.pop("code")] = row
    unknown = [code for code in wanted.stations if code not in places]
    if unknown:
        some = ", ".join(sorted(places)[:10]) + (", …" if len(places) > 10 else "")
        raise StationUnknown(
            f"There is no station {', '.join(unknown)}; {len(places)} are known: {some or 'none'}."
        )
    return {code: places[code] for code in wanted.stations} if wanted.stations else places


def _observed(codes: list[str], wanted: Wanted, months: Sequence[tuple[pa.Table, dict[str, Any]]]) -> Rows:
    """Reports of the stations; `station` indexes `codes`. What is in the database is put over the archive."""
    names = pa.array(codes, pa.string())
    parts = [rows_of(table.filter(pc.is_in(table.column("station"), names)), codes) for table, _ in months]
    stations = read_stations()
    number = {code: index for index, code in enumerate(codes)}
    position = np.array([number.get(code, -1) for code in stations.codes], dtype=np.int64)
    mine = np.flatnonzero(position >= 0)
    stored = read_standing(stations, mine, hour_of(wanted.first), hour_of(wanted.last)).rows
    stored = stored.take(position[stored.station] >= 0)
    stored = sorted_rows([replace(stored, station=position[stored.station])])
    return merge(sorted_rows(parts), stored).rows if parts else stored


def _write(
    out: Path, codes: list[str], places: Mapping[str, Any], rows: Rows, guided: _Guided | None
) -> Built:
    table = build_table(_series(rows, len(codes)), [places[code]["elevation"] for code in codes])
    hours = np.bincount(rows.station, minlength=len(codes)).tolist()
    labels = count_labels(table)
    provenance = {
        "title": "Ingested observations",
        "made_by": "manage.py build_dataset",
        "rows": table.num_rows,
        "columns": {name: {"scale": SCALES[name], "units": UNITS[name]} for name in SCALES},
        "visibility_cap": VISIBILITY_CAP,
        "stations": [
            {"id": code, "kind": KIND, "hours": count, **places[code]}
            for code, count in zip(codes, hours, strict=True)
        ],
        "precipitation_type_labels": labels,
    }
    if guided:
        provenance["guidance"] = {"source": guided.source, "rows": len(guided.valid)}
    _place(out, table, provenance, guided)
    missing = np.isnan(rows.values).mean(axis=0)
    return Built(
        path=out,
        stations=len(codes),
        hours=len(rows),
        first=time_of(int(rows.hour.min())),
        last=time_of(int(rows.hour.max())),
        missing={name: float(share) for name, share in zip(VARIABLES, missing, strict=True)},
        labels=labels,
        guidance=len(guided.valid) if guided else 0,
        source=guided.source if guided else "",
    )


def _series(rows: Rows, stations: int) -> list[Series]:
    """One series per station, as the readers of source files give them."""
    values = rows.values.copy()
    visibility = VARIABLES.index("visibility")
    values[:, visibility] = np.minimum(values[:, visibility], VISIBILITY_CAP)
    known = np.isfinite(rows.precipitation_type)
    weather = np.full(len(rows), np.nan)
    weather[known] = CODE_OF_TYPE[rows.precipitation_type[known].astype(np.int64)]
    starts = np.searchsorted(rows.station, np.arange(stations + 1))
    parts = [slice(start, end) for start, end in itertools.pairwise(starts.tolist())]
    return [Series(rows.hour[part], rows.series[part], values[part], weather[part]) for part in parts]


def _place(out: Path, table: pa.Table, provenance: Mapping[str, Any], guided: _Guided | None) -> None:
    """Write both files aside, then put them in place; guidance of an older dataset goes first."""
    aside = Path(mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        made = aside / out.name
        write_table(table, provenance, made)
        if guided:
            write_guidance(
                guidance_path(made),
                station=guided.station,
                init_hour=guided.init,
                available_hour=guided.available,
                valid_hour=guided.valid,
                values=guided.values,
            )
        guidance_path(out).unlink(missing_ok=True)
        made.replace(out)
        if guided:
            guidance_path(made).replace(guidance_path(out))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _guided(codes: list[str], wanted: Wanted, archive: Path) -> _Guided:
    """Guidance for the stations; what is in the database replaces what is archived."""
    parts = [table for table, _ in archived(GUIDANCE, archive, wanted.first, wanted.last)]
    table = pa.concat_tables([*parts, _stored_guidance(wanted)])
    table = table.filter(pc.is_in(table.column("station"), pa.array(codes, pa.string())))
    source = _source(table, wanted)
    table = newest_of(GUIDANCE, table.filter(pc.equal(table.column("source"), source)))
    station = pc.index_in(table.column("station"), pa.array(codes, pa.string()))
    values = [
        table.column(name).to_numpy(zero_copy_only=False).astype(np.float64) for name in GUIDANCE_VARIABLES
    ]
    return _Guided(
        station=station.to_numpy(zero_copy_only=False).astype(np.int64),
        init=_seconds(table, "init_time") // SECONDS,
        # The first full hour at which it was known: a forecast of twelve does not know what came at five
        # past.
        available=-(-_seconds(table, "available_time") // SECONDS),
        valid=_seconds(table, "valid_time") // SECONDS,
        values=np.stack(values, axis=1),
        source=source,
    )


def _stored_guidance(wanted: Wanted) -> pa.Table:
    rows = (
        Guidance.objects.filter(valid_time__gte=wanted.first, valid_time__lte=wanted.last)
        .order_by()
        .values_list("station__code", *GUIDANCE.schema.names[1:])
    )
    columns = list(zip(*rows.iterator(), strict=True)) or [()] * len(GUIDANCE.schema)
    arrays = [
        pa.array(column, type=field.type) for column, field in zip(columns, GUIDANCE.schema, strict=True)
    ]
    return pa.table(arrays, schema=GUIDANCE.schema)


def _source(table: pa.Table, wanted: Wanted) -> str:
    """Whose guidance goes into the dataset, where an hour of a run has one row only."""
    counts = {row["values"]: row["counts"] for row in pc.value_counts(table.column("source")).to_pylist()}
    told = ", ".join(f"{name} ({count} rows)" for name, count in sorted(counts.items())) or "none at all"
    if wanted.source in counts:
        return wanted.source
    if wanted.source or len(counts) != 1:
        asked = f"guidance of {wanted.source}" if wanted.source else "guidance of one numerical model"
        raise NothingToBuild(
            f"The dataset needs {asked}; for these stations and hours there is {told}. "
            "Choose one with --guidance-source, or ingest a feed that brings guidance."
        )
    return str(next(iter(counts)))


def _seconds(table: pa.Table, name: str) -> IntArray:
    return np.asarray(table.column(name).cast(pa.int64()).to_numpy(), dtype=np.int64)
