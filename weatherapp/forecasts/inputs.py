"""Model inputs from observations: the same arrays for the cycle and, through the stored run, for phones."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from packager.contract import Contract
from packager.types import Tensors
from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.solar import clock_features
from weatherapp.forecasts.errors import NothingToForecast, RunRefused
from weatherapp.observations.feeds import ReplayFeed
from weatherapp.observations.models import VARIABLES, Station
from weatherapp.observations.selectors import active_stations, reports_between

SERVED = {"history", "history_mask", "site", "clock"}
NEEDED = "temperature"  # a station silent about it in the whole window is not forecast


@dataclass(frozen=True)
class StationInputs:
    """Stations with the tensors to forecast them from.

    Attributes:
        stations: rows of the tensors.
        tensors: by contract name, (station, ...), float32, units of the contract.
        replay: whether any report was replayed rather than measured now.
    """

    stations: tuple[Station, ...]
    tensors: Tensors
    replay: bool


@dataclass(frozen=True)
class _Reports:
    station: IntArray  # (row,) index into the stations
    step: IntArray  # (row,) hours since the window began
    series: IntArray
    values: FloatArray  # (row, variable), NaN missing


def build_inputs(*, init_time: datetime, contract: Contract) -> StationInputs:
    """Inputs of every active station that reported temperature in the window before `init_time`.

    Args:
        init_time: a full hour, aware UTC; the last row of the history.
        contract: what the model takes.

    Returns:
        The inputs; hours that did not follow each other in nature are missing.

    Raises:
        RunRefused: the contract asks for inputs that are not served here.
        NothingToForecast: no station reported.
    """
    _check_served(contract)
    stations = tuple(active_stations())
    reports, replay = _read(stations, init_time, contract.history_hours)
    history = _history(reports, len(stations), contract)
    mask = np.isfinite(history)
    temperature = contract.input("history").channel_names.index(NEEDED)
    heard = np.flatnonzero(mask[:, :, temperature].any(axis=1))
    if not len(heard):
        raise NothingToForecast(
            f"No station reported temperature in the {contract.history_hours} hours up to "
            f"{init_time:%Y-%m-%dT%H}Z. Run `manage.py ingest` with a feed, then try again."
        )
    chosen = tuple(stations[index] for index in heard)
    site = np.array([(s.latitude, s.longitude, s.elevation) for s in chosen], dtype=np.float32)
    hour = init_time.timestamp() / 3600
    tensors: Tensors = {
        "history": np.nan_to_num(history[heard], nan=0.0).astype(np.float32),
        "history_mask": mask[heard].astype(np.float32),
        "site": site,
        "clock": clock_features(hour, site[:, 0], site[:, 1]),
    }
    return StationInputs(chosen, tensors, replay)


def _check_served(contract: Contract) -> None:
    wanted = {spec.name for spec in contract.inputs}
    channels = set(contract.input("history").channel_names) if "history" in wanted else set()
    foreign = sorted(wanted - SERVED) + sorted(channels - set(VARIABLES))
    if foreign or "history" not in wanted:
        raise RunRefused(
            f"Contract {contract.name} version {contract.version} asks for "
            f"{', '.join(foreign) or 'no history'}; this server serves {', '.join(sorted(SERVED))} with "
            f"{', '.join(VARIABLES)}. Release a model that fits."
        )


def _read(stations: tuple[Station, ...], init_time: datetime, hours: int) -> tuple[_Reports, bool]:
    first = init_time - timedelta(hours=hours - 1)
    rows = list(
        reports_between(first, init_time).values_list(
            "station_id", "valid_time", "series", "feed", *VARIABLES
        )
    )
    position = {station.pk: index for index, station in enumerate(stations)}
    reports = _Reports(
        station=np.array([position[row[0]] for row in rows], dtype=np.int64),
        step=np.array([round((row[1] - first).total_seconds() / 3600) for row in rows], dtype=np.int64),
        series=np.array([row[2] for row in rows], dtype=np.int64),
        values=np.array([row[4:] for row in rows], dtype=np.float32).reshape(-1, len(VARIABLES)),
    )
    return reports, any(row[3] == ReplayFeed.name for row in rows)


def _history(reports: _Reports, stations: int, contract: Contract) -> FloatArray:
    """(station, hour, channel), NaN missing; only the series of each station's last report."""
    latest = np.full(stations, -1, dtype=np.int64)
    np.maximum.at(latest, reports.station, reports.step)
    series = np.zeros(stations, dtype=np.int64)
    last = reports.step == latest[reports.station]
    series[reports.station[last]] = reports.series[last]
    same = reports.series == series[reports.station]
    columns = [VARIABLES.index(name) for name in contract.input("history").channel_names]
    history = np.full((stations, contract.history_hours, len(columns)), np.nan, dtype=np.float32)
    history[reports.station[same], reports.step[same]] = reports.values[same][:, columns]
    return history
