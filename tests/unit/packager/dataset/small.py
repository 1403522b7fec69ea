"""A dataset small enough to reason about by hand."""

from typing import Any

import numpy as np

from packager.dataset.records import VARIABLES, Dataset, Station

START = 385_704  # 2014-01-01T00Z: its month opens neither kind of block


def make_dataset(
    hours: int = 200, *, start: int = START, stations: tuple[Station, ...] | None = None
) -> Dataset:
    """Consecutive hours of each station, all values plausible and changing every hour."""
    stations = stations or (Station("a", "A", 45.0, 0.0, 100.0, "test", "actual"),)
    count = len(stations)
    hour = np.tile(np.arange(start, start + hours), count)
    day = np.sin(2 * np.pi * hour / 24)
    wobble = (hour % 7) * 0.1
    columns = {
        "temperature": 15 + 5 * day + wobble,
        "dew_point": 5 + 2 * day + wobble,
        "pressure_msl": 1013 + 3 * day + wobble,
        "wind_u": 3 + day + wobble,
        "wind_v": -2 + day - wobble,
        "precipitation": np.where(hour % 10 == 0, 0.8, 0.0),
        "cloud_cover": (hour % 11) / 10,
        "cloud_base": np.where(hour % 5 == 0, 20_000.0, 1000.0),
        "visibility": np.full(hour.shape, 16_090.0),
    }
    values = np.stack([columns[name] for name in VARIABLES], axis=1).astype(np.float32)
    wet = values[:, VARIABLES.index("precipitation")] > 0
    return Dataset(
        stations=stations,
        station=np.repeat(np.arange(count), hours),
        hour=hour,
        segment=np.repeat(np.arange(count), hours),
        values=values,
        precipitation_type=wet.astype(np.float32),
        precipitation_type_from=np.ones(len(hour), np.float32),
        digest="0" * 64,
        provenance={"stations": []},
    )


def set_value(dataset: Dataset, row: int | slice, variable: str, value: Any) -> None:
    """Overwrite a value in place."""
    dataset.values[row, VARIABLES.index(variable)] = value
