"""Runs as folders of arrays: one writer, many readers.

A run is written into a temporary folder, synced, and renamed into place; only then does its row say so.
Readers map the arrays into memory and share the pages. A run whose folder was removed while mapped stays
readable for who has it open.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from packager.contract import Contract, parse_contract
from packager.errors import ContractInvalid
from packager.types import Tensors
from weatherapp.core.arrays import FloatArray
from weatherapp.core.blend import unit_vectors
from weatherapp.forecasts.errors import NoCurrentRun, RunNotStored

DOCUMENT = "run.json"
TEMPORARY = ".writing-"
ABANDONED_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class RunStation:
    """A row of a run's arrays; elevation in metres."""

    code: str
    name: str
    latitude: float
    longitude: float
    elevation: float


@dataclass(frozen=True)
class StoredRun:
    """An open run.

    Attributes:
        name: of its folder.
        init_time: aware UTC.
        contract: that the model fulfilled.
        stations: rows of every array.
        inputs: by contract name, (station, ...), memory-mapped.
        outputs: by contract name, (station, lead[, k]), memory-mapped.
        past: by name of an output, (station, hour[, k]), memory-mapped: the hours up to and including the
            init time, as long a time as the history. Observed where reported, else the shortest lead of
            earlier runs; NaN where nothing is known.
        latitudes: (station,) degrees north.
        longitudes: (station,) degrees east.
        elevations: (station,) metres.
        vectors: (station, 3) on the unit sphere, for `plan_blend`.
    """

    name: str
    init_time: datetime
    contract: Contract
    stations: tuple[RunStation, ...]
    inputs: Tensors
    outputs: Tensors
    past: Tensors
    latitudes: FloatArray
    longitudes: FloatArray
    elevations: FloatArray
    vectors: FloatArray

    @property
    def init_hour(self) -> int:
        """Hours since 1970-01-01T00Z."""
        return int(self.init_time.timestamp()) // 3600


def write_run(
    name: str,
    *,
    init_time: datetime,
    contract: Contract,
    stations: tuple[RunStation, ...],
    inputs: Tensors,
    outputs: Tensors,
    past: Tensors | None = None,
) -> None:
    """Write a run's folder, whole or not at all; a run without a past opens with one that knows nothing.

    Raises:
        RunNotStored: the store cannot be written; nothing is left behind.
    """
    target = _root() / name
    temporary = _root() / f"{TEMPORARY}{name}"
    document = {
        "init_time": init_time.isoformat(),
        "contract": contract.document,
        "stations": [asdict(station) for station in stations],
        "inputs": sorted(inputs),
        "outputs": sorted(outputs),
        "past": sorted(past or ()),
    }
    try:
        temporary.mkdir(parents=True)
        _write_files(temporary, document, {"input": inputs, "output": outputs, "past": past or {}})
        temporary.rename(target)
        _sync_folder(target.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunNotStored(
            f"Run {name} could not be stored: {error.strerror or error}. The run before stays current. "
            "Give the store free space and write permission; the next cycle tries again."
        ) from error


def open_run(name: str) -> StoredRun:
    """Open a run; once per process.

    Raises:
        NoCurrentRun: its folder is gone or damaged.
    """
    return _open(_root() / name)


@lru_cache(maxsize=8)
def _open(folder: Path) -> StoredRun:
    try:
        document = json.loads((folder / DOCUMENT).read_text())
        stations = tuple(RunStation(**station) for station in document["stations"])
        contract = parse_contract(document["contract"])
        latitudes = np.array([station.latitude for station in stations])
        longitudes = np.array([station.longitude for station in stations])
        return StoredRun(
            name=folder.name,
            init_time=datetime.fromisoformat(document["init_time"]),
            contract=contract,
            stations=stations,
            inputs={key: _map(folder / _file("input", key)) for key in document["inputs"]},
            outputs={key: _map(folder / _file("output", key)) for key in document["outputs"]},
            past={
                **_nothing_known(contract, len(stations)),
                **{key: _map(folder / _file("past", key)) for key in document.get("past", ())},
            },
            latitudes=latitudes,
            longitudes=longitudes,
            elevations=np.array([station.elevation for station in stations]),
            vectors=unit_vectors(latitudes, longitudes),
        )
    except (OSError, ValueError, KeyError, TypeError, ContractInvalid) as error:
        raise NoCurrentRun(
            f"The files of run {folder.name} cannot be read ({error.__class__.__name__}). "
            "The next cycle makes another one; `manage.py forecast --again` makes one now."
        ) from error


def remove_run(name: str) -> None:
    """Remove a run's folder; harmless if it is gone."""
    shutil.rmtree(_root() / name, ignore_errors=True)


def sweep(known: set[str]) -> list[str]:
    """Remove folders that no row knows, an hour after their writer died; gives their names."""
    removed = []
    for folder in _root().iterdir() if _root().is_dir() else ():
        if folder.name not in known and _age(folder) > ABANDONED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    return removed


def _root() -> Path:
    return Path(settings.RUNS_DIR)


def _file(kind: str, name: str) -> str:
    return f"{kind}-{name}.npy"


def _nothing_known(contract: Contract, stations: int) -> Tensors:
    unknown = np.float32(np.nan)
    return {
        spec.name: np.broadcast_to(unknown, (stations, contract.history_hours, *spec.shape[2:]))
        for spec in contract.outputs
    }


def _map(path: Path) -> FloatArray:
    # A plain array over the map: the subclass costs on every slice.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _write_files(folder: Path, document: Mapping[str, Any], kinds: Mapping[str, Tensors]) -> None:
    for kind, tensors in kinds.items():
        for name, values in tensors.items():
            with (folder / _file(kind, name)).open("wb") as file:
                np.save(file, np.ascontiguousarray(values, dtype=np.float32), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
    with (folder / DOCUMENT).open("w") as text:
        json.dump(document, text)
        text.flush()
        os.fsync(text.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _age(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:  # another process removed it
        return 0.0
