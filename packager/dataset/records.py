"""The dataset in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weatherapp.core.arrays import FloatArray, IntArray

VARIABLES = (
    "temperature",
    "dew_point",
    "pressure_msl",
    "wind_u",
    "wind_v",
    "precipitation",
    "cloud_cover",
    "cloud_base",
    "visibility",
)
NO_CEILING = 20_000.0  # metres: a sky without a ceiling is a report, not a missing value
TYPE_FROM_CODE, TYPE_FROM_WET_BULB = 0, 1


@dataclass(frozen=True, slots=True)
class Station:
    """A place that reports.

    Elevation in metres above mean sea level; kind is "actual" or "tmy", a year of typical months.
    """

    id: str
    name: str
    latitude: float
    longitude: float
    elevation: float
    source: str
    kind: str


@dataclass(frozen=True)
class Guidance:
    """What runs of a numerical weather model said of the stations, sorted by station, run and valid hour.

    `station` (row,) indexes the dataset's stations. Hours count since 1970-01-01T00Z: `init_hour` (row,) is
    the start of the model's run, `available_hour` (row,) when this project could first know it, `valid_hour`
    (row,) the hour that it speaks of. `values` (row, 7) are float32 in the units of the contract's guidance,
    columns as `GUIDANCE_VARIABLES`, NaN where missing.
    """

    station: IntArray
    init_hour: IntArray
    available_hour: IntArray
    valid_hour: IntArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.valid_hour)


@dataclass(frozen=True)
class Dataset:
    """Hourly rows of many stations, sorted by station, segment and hour.

    `station` (row,) indexes `stations`; `hour` (row,) counts hours since 1970-01-01T00Z; the rows of one
    `segment` (row,) are consecutive hours of one station. `values` (row, 9) are float32 in the units of the
    contract's history, columns as `VARIABLES`, NaN where missing. `precipitation_type` (row,) is the
    contract's class index, `precipitation_type_from` (row,) says whether a weather code or wet-bulb
    temperature gave it; NaN where missing. `digest` is the SHA-256 of the file, or of the digests of both
    files where `guidance` lies beside it.
    """

    stations: tuple[Station, ...]
    station: IntArray
    hour: IntArray
    segment: IntArray
    values: FloatArray
    precipitation_type: FloatArray
    precipitation_type_from: FloatArray
    digest: str
    provenance: Mapping[str, Any]
    guidance: Guidance | None = None

    def __len__(self) -> int:
        return len(self.hour)

    def column(self, variable: str) -> FloatArray:
        """One variable of every row, float32, NaN where missing."""
        return self.values[:, VARIABLES.index(variable)]

    def station_index(self, station_id: str) -> int:
        """Position of a station in `stations`.

        Raises:
            KeyError: no such station; names the known ones.
        """
        for index, station in enumerate(self.stations):
            if station.id == station_id:
                return index
        known = ", ".join(station.id for station in self.stations)
        raise KeyError(f"Station {station_id!r} is not in the dataset; it has {known}.")
