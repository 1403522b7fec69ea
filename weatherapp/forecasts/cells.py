"""Model inputs for a cell of one degree: what a phone needs to forecast anywhere in it."""

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from mobile_models.selectors import served_contracts
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.core.blend import REACH_KM, great_circle_km
from weatherapp.forecasts.errors import CellUnknown
from weatherapp.forecasts.store import StoredRun

NAME = re.compile(r"([NS])(\d{2})([EW])(\d{3})")
EDGE_STEPS = 21
SLACK_KM = 2.0  # an edge is sampled: a station this little beyond reach comes along


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell by its south-west corner, whole degrees."""

    south: int
    west: int

    @property
    def name(self) -> str:
        """Such as N41W088."""
        north_south = "S" if self.south < 0 else "N"
        east_west = "W" if self.west < 0 else "E"
        return f"{north_south}{abs(self.south):02}{east_west}{abs(self.west):03}"


def parse_cell(name: str) -> Cell:
    """Read a cell's name.

    Raises:
        CellUnknown: not a name of a cell.
    """
    match = NAME.fullmatch(name)
    if match:
        south = int(match[2]) * (-1 if match[1] == "S" else 1)
        west = int(match[4]) * (-1 if match[3] == "W" else 1)
        cell = Cell(south, west)
        if -90 <= south < 90 and -180 <= west < 180 and cell.name == name:
            return cell
    raise CellUnknown(
        f"There is no cell {name[:40]!r}; a cell is named by its south-west corner in whole degrees, "
        "S90 to N89 and W180 to E179, such as N41W088."
    )


def stations_for(cell: Cell, latitudes: FloatArray, longitudes: FloatArray) -> IntArray:
    """Which stations can speak for a place in the cell.

    Args:
        cell: the cell.
        latitudes: (station,) degrees north.
        longitudes: (station,) degrees east.

    Returns:
        Indices of the stations inside the cell or within reach of any point of it, in order.
    """
    steps = np.linspace(0, 1, EDGE_STEPS)
    zeros = np.zeros(EDGE_STEPS)
    edge_latitudes = cell.south + np.concatenate([zeros, zeros + 1, steps, steps])
    edge_longitudes = cell.west + np.concatenate([steps, steps, zeros, zeros + 1])
    distances = great_circle_km(latitudes[:, None], longitudes[:, None], edge_latitudes, edge_longitudes)
    # A station inside is less than reach away from an edge, too.
    return np.flatnonzero(distances.min(axis=1) <= REACH_KM + SLACK_KM)


def inputs_body(run: StoredRun, cell: Cell, *, replay: bool) -> bytes:
    """The JSON body for a cell: the same bytes for everyone.

    `fits` lists the digests of the contracts whose models these inputs can be given to: a phone whose model
    is older than the server's, or newer, forecasts from them too; guidance that is not given is masked.

    Raises:
        CellUnknown: no station can speak for the cell.
    """
    chosen = stations_for(cell, run.latitudes, run.longitudes)
    if not len(chosen):
        raise CellUnknown(
            f"No station lies in cell {cell.name} or within {REACH_KM:.0f} km of it. "
            "No data is available for it."
        )
    body = {
        "cell": cell.name,
        "run": run.name,
        "init_time": run.init_time.strftime("%Y-%m-%dT%H:%MZ"),
        "contract": {
            "name": run.contract.name,
            "version": run.contract.version,
            "sha256": run.contract.digest,
        },
        "fits": sorted(
            digest
            for digest, served in {**served_contracts(), run.contract.digest: run.contract}.items()
            if served.takes_inputs_of(run.contract)
        ),
        "replay": replay,
        "stations": [_station(run, int(index)) for index in chosen],
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _station(run: StoredRun, index: int) -> dict[str, Any]:
    station = run.stations[index]
    body = {
        "id": station.code,
        "name": station.name,
        "latitude": station.latitude,
        "longitude": station.longitude,
        "elevation": station.elevation,
        "history": _nullable(run.inputs["history"][index], run.inputs["history_mask"][index] > 0),
        "clock": run.inputs["clock"][index].astype(np.float64).round(8).tolist(),
    }
    if "guidance" in run.inputs:
        known = run.inputs["guidance_mask"][index] > 0
        body["guidance"] = _nullable(run.inputs["guidance"][index], known)
    return body


def _nullable(values: FloatArray, known: BoolArray) -> list[list[float | None]]:
    """Rows of numbers with null where nothing is known."""
    rounded = values.astype(np.float64).round(4).astype(object)
    rounded[~known] = None
    rows: list[list[float | None]] = rounded.tolist()
    return rows
