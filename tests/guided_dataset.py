"""The small dataset with guidance beside it: what was observed later, with errors that grow with the lead."""

from pathlib import Path

import numpy as np

from packager.contract import GUIDANCE_VARIABLES
from packager.dataset import read_dataset
from packager.dataset.guidance import guidance_path, write_guidance
from packager.dataset.records import VARIABLES, Dataset
from tests.small_dataset import write_small_dataset

EVERY, DELAY, LEADS = 12, 3, np.arange(1, 61)
# Error of a forecast for tomorrow, in each channel's units; half of it at once, twice of it at the end.
ERRORS = {"temperature": 1.2, "dew_point": 1.2, "pressure_msl": 0.8, "wind_u": 1.2, "wind_v": 1.2}


def write_guided_dataset(path: Path) -> Path:
    """Write NAME.parquet and NAME.guidance.parquet; gives the path of the first."""
    write_small_dataset(path)
    write_guidance(guidance_path(path), **made_guidance(read_dataset(path)))
    return path


def made_guidance(dataset: Dataset) -> dict[str, np.ndarray]:
    """Columns of a guidance file: runs every 12 h, known 3 h after they began, hourly to 60 h."""
    columns = [VARIABLES.index(name) for name in GUIDANCE_VARIABLES]
    rng = np.random.default_rng(7)
    parts = []
    for index in range(len(dataset.stations)):
        mine = dataset.station == index
        hour, values = dataset.hour[mine], dataset.values[mine][:, columns]
        order = np.argsort(hour)
        hour, values = hour[order], values[order]
        init = hour[hour % EVERY == 0]
        valid = init[:, None] + LEADS
        row = np.minimum(np.searchsorted(hour, valid), len(hour) - 1)
        found = np.where((hour[row] == valid)[..., None], values[row], np.nan)
        parts.append((np.full(valid.shape, index), valid - LEADS, valid, _with_errors(found, rng)))
    station, init, valid, values = (
        np.concatenate([part[n].reshape(-1, *part[n].shape[2:]) for part in parts]) for n in range(4)
    )
    there = np.isfinite(values).any(axis=1)
    columns = {"station": station, "init_hour": init, "available_hour": init + DELAY, "valid_hour": valid}
    return {name: column[there] for name, column in columns.items()} | {"values": values[there]}


def _with_errors(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(run, lead, channel): an error that lasts over a run, and some hourly noise."""
    runs = len(values)
    growth = 0.5 + 0.5 * LEADS / 24
    for index, name in enumerate(GUIDANCE_VARIABLES):
        size = ERRORS.get(name, 0.0) / np.sqrt(2)
        lasting, hourly = rng.normal(0, size, (runs, 1)), rng.normal(0, size, (runs, len(LEADS)))
        values[..., index] += (lasting + hourly) * growth
    # A warm bias at every station, as a model's coarse ground has: there to be learned.
    values[..., 0] += 0.8
    return values
