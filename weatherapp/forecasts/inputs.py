"""Model inputs from observations: the same arrays for the cycle and, through the stored run, for phones."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from packager.contract import Contract
from packager.types import Tensors
from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.core.solar import clock_features
from weatherapp.forecasts.errors import NothingToForecast, RunRefused
from weatherapp.observations.feeds import ReplayFeed
from weatherapp.observations.models import GUIDANCE_VARIABLES, VARIABLES, Station
from weatherapp.observations.selectors import active_stations, guidance_known_at, reports_between

SERVED = {"history", "history_mask", "site", "clock", "guidance", "guidance_mask"}
NEEDED = "temperature"  # a station silent about it in the whole window is not forecast


@dataclass(frozen=True)
class Reports:
    """What stations reported in a run's window, hour by hour, whatever series the hours belong to.

    Attributes:
        values: (station, hour, variable) float32, columns as `VARIABLES`, NaN missing; the last hour is the
            init time.
        precipitation_type: (station, hour) float32, the contract's class index, NaN where none was reported.
        series: (station, hour) hours that share it followed each other in nature.
        present: (station, hour) whether there was a report.
    """

    values: FloatArray
    precipitation_type: FloatArray
    series: IntArray
    present: BoolArray

    def take(self, stations: IntArray) -> "Reports":
        """The reports of some stations."""
        return self._part(stations)

    def between(self, first: int, last: int) -> "Reports":
        """The reports of the hours from one index to before another."""
        return self._part((slice(None), slice(first, last)))

    def at(self, stations: IntArray, hours: IntArray) -> "Reports":
        """The reports of some stations at some hours: every station at every hour."""
        return self._part(np.ix_(stations, hours))

    def _part(self, index: Any) -> "Reports":
        return Reports(
            values=self.values[index],
            precipitation_type=self.precipitation_type[index],
            series=self.series[index],
            present=self.present[index],
        )


@dataclass(frozen=True)
class StationInputs:
    """Stations with the tensors to forecast them from.

    Attributes:
        stations: rows of the tensors.
        tensors: by contract name, (station, ...), float32, units of the contract.
        reports: of these stations in the window.
        replay: whether any report was replayed rather than measured now.
    """

    stations: tuple[Station, ...]
    tensors: Tensors
    reports: Reports
    replay: bool


def build_inputs(*, init_time: datetime, contract: Contract) -> StationInputs:
    """Inputs of every active station that reported temperature in the window before `init_time`.

    Args:
        init_time: a full hour, aware UTC; the last row of the history.
        contract: what the model takes.

    Returns:
        The inputs; hours that did not follow each other in nature are missing, and so is guidance that was
        not known at the init time.

    Raises:
        RunRefused: the contract asks for inputs that are not served here.
        NothingToForecast: no station reported.
    """
    check_served(contract)
    stations = tuple(active_stations())
    reports, replay = read_reports(stations, init_time, contract.history_hours)
    return assemble(stations, reports, init_time=init_time, contract=contract, replay=replay)


def assemble(
    stations: tuple[Station, ...], reports: Reports, *, init_time: datetime, contract: Contract, replay: bool
) -> StationInputs:
    """The inputs of the stations among those that reported temperature; as `build_inputs`.

    `reports` are of the contract's hours of history; `replay` says whether any of them is replayed.

    Raises:
        NothingToForecast: no station reported.
    """
    history = _history(reports, contract)
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
    if contract.has_guidance:
        tensors |= _guidance(chosen, init_time, contract)
    return StationInputs(chosen, tensors, reports.take(heard), replay)


def check_served(contract: Contract) -> None:
    """Refuse a contract that asks for what is not observed here.

    Raises:
        RunRefused: names what is missing.
    """
    wanted = {spec.name for spec in contract.inputs}
    channels = set(contract.input("history").channel_names) if "history" in wanted else set()
    numerical = set(contract.input("guidance").channel_names) if contract.has_guidance else set()
    foreign = [*(wanted - SERVED), *(channels - set(VARIABLES)), *(numerical - set(GUIDANCE_VARIABLES))]
    if foreign or "history" not in wanted:
        raise RunRefused(
            f"Contract {contract.name} version {contract.version} asks for "
            f"{', '.join(sorted(foreign)) or 'no history'}; this server serves {', '.join(sorted(SERVED))} "
            f"with {', '.join(VARIABLES)}. Release a model that fits."
        )


def _guidance(stations: tuple[Station, ...], init_time: datetime, contract: Contract) -> Tensors:
    """What numerical models said by `init_time` of the hours after it; zeros with a mask of 0 for nothing."""
    names = contract.input("guidance").channel_names
    values = np.full((len(stations), contract.lead_hours, len(names)), np.nan, dtype=np.float32)
    rows = list(
        guidance_known_at(init_time, contract.lead_hours).values_list("station_id", "valid_time", *names)
    )
    if rows:
        position = {station.pk: index for index, station in enumerate(stations)}
        known = [row for row in rows if row[0] in position]
        station = [position[row[0]] for row in known]
        lead = [round((row[1] - init_time).total_seconds() / 3600) - 1 for row in known]
        values[station, lead] = np.array([row[2:] for row in known], dtype=np.float32).reshape(-1, len(names))
    mask = np.isfinite(values)
    return {"guidance": np.where(mask, values, np.float32(0)), "guidance_mask": mask.astype(np.float32)}


def read_reports(stations: tuple[Station, ...], init_time: datetime, hours: int) -> tuple[Reports, bool]:
    """The reports of stations in the hours up to `init_time`, and whether any of them is replayed.

    Hour by hour: the rows of one hour stand together in every database, and no time has to be read back.
    """
    order = np.argsort([station.pk for station in stations]) if stations else np.empty(0, dtype=np.int64)
    keys = np.array([station.pk for station in stations], dtype=np.int64)[order]
    shape = (len(stations), hours)
    reports = Reports(
        values=np.full((*shape, len(VARIABLES)), np.nan, dtype=np.float32),
        precipitation_type=np.full(shape, np.nan, dtype=np.float32),
        series=np.zeros(shape, dtype=np.int64),
        present=np.zeros(shape, dtype=np.bool_),
    )
    replay = False
    for step in range(hours):
        hour = init_time - timedelta(hours=hours - 1 - step)
        rows = _rows_of(hour)
        if not rows:
            continue
        station, series, feed, kind, *columns = zip(*rows, strict=True)
        place = np.minimum(np.searchsorted(keys, station), max(len(keys) - 1, 0))
        # A station may have come or been switched on since the stations were read.
        known = np.isin(station, keys)
        index = order[place[known]]
        reports.values[index, step] = np.array(columns, dtype=np.float32).T[known]
        reports.precipitation_type[index, step] = np.array(kind, dtype=np.float32)[known]
        reports.series[index, step] = np.array(series, dtype=np.int64)[known]
        reports.present[index, step] = True
        replay = replay or ReplayFeed.name in feed
    return reports, replay


def _rows_of(hour: datetime) -> list[tuple[Any, ...]]:
    rows = reports_between(hour, hour).order_by()
    return list(rows.values_list("station_id", "series", "feed", "precipitation_type", *VARIABLES))


def _history(reports: Reports, contract: Contract) -> FloatArray:
    """(station, hour, channel), NaN missing; only the series of each station's last report."""
    hours = contract.history_hours
    last = hours - 1 - np.argmax(reports.present[:, ::-1], axis=1)
    series = np.take_along_axis(reports.series, last[:, None], axis=1)
    same = reports.present & (reports.series == series)
    columns = [VARIABLES.index(name) for name in contract.input("history").channel_names]
    return np.where(same[:, :, None], reports.values[:, :, columns], np.float32(np.nan))
