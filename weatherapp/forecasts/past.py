"""The hours before a run's leads, in the form of its outputs: what was observed, else the last forecast."""

import numpy as np

from packager.contract import Contract, Output
from packager.types import Tensors
from weatherapp.core.arrays import FloatArray
from weatherapp.forecasts.inputs import Reports
from weatherapp.forecasts.store import RunStation, StoredRun
from weatherapp.observations.models import VARIABLES


def past_hours(
    reports: Reports,
    stations: tuple[RunStation, ...],
    contract: Contract,
    *,
    init_hour: int,
    before: StoredRun | None,
) -> Tensors:
    """The hours up to and including a run's init time.

    Args:
        reports: what the stations reported in those hours.
        stations: rows of the reports.
        contract: of the run.
        init_hour: hours since 1970-01-01T00Z.
        before: the run before, which fills what was not reported: with its own past, or with its forecast,
            which has the shortest lead.

    Returns:
        By name of an output, (station, hour[, k]) float32, the last hour is the init time. A reported value
        stands in every quantile, a reported class has probability 1; a dry hour has amounts of 0. NaN where
        nothing is known.
    """
    past = observed_outputs(reports, np.array([station.elevation for station in stations]), contract)
    if before is not None:
        _fill(past, stations, init_hour, before)
    return past


def observed_outputs(reports: Reports, elevations: FloatArray, contract: Contract) -> Tensors:
    """Reports in the form of a contract's outputs.

    Args:
        reports: of (station, hour).
        elevations: (station,) metres; a wet hour's type depends on it where no type was reported.
        contract: names outputs, their levels and classes.

    Returns:
        As `past_hours`.
    """
    column = {name: reports.values[..., index] for index, name in enumerate(VARIABLES)}
    column["wind_speed"] = np.hypot(column["wind_u"], column["wind_v"])
    column["precipitation_type"] = precipitation_class(reports, elevations)
    return {spec.name: _observed(spec, column) for spec in contract.outputs}


def precipitation_class(reports: Reports, elevations: FloatArray) -> FloatArray:
    """What fell: as reported; where no type was reported, from the amount and the wet-bulb temperature.

    Args:
        reports: of (station, hour).
        elevations: (station,) metres.

    Returns:
        (station, hour) the contract's class index, NaN where unknown.
    """
    from packager.dataset.labels import NONE, type_of_wet_bulb

    column = {name: reports.values[..., index] for index, name in enumerate(VARIABLES)}
    amount = column["precipitation"]
    kind = np.array(reports.precipitation_type, dtype=np.float32)
    kind[np.isnan(kind) & (amount == 0)] = NONE
    # A code describes the moment and an amount the hour: what was caught fell, whatever the code says.
    unsaid = (amount > 0) & ~(kind > NONE)
    height = np.broadcast_to(elevations[:, None], amount.shape)
    kind[unsaid] = type_of_wet_bulb(
        column["temperature"][unsaid], column["dew_point"][unsaid], height[unsaid]
    )
    return kind


def _observed(spec: Output, column: dict[str, FloatArray]) -> FloatArray:
    if spec.kind == "vector_median":
        values = np.stack([column["wind_u"], column["wind_v"]], axis=-1)
    elif spec.kind == "probabilities":
        values = _certain(spec, column[spec.name])
    elif spec.levels:
        values = np.repeat(column[spec.name][..., None], spec.width, axis=-1)
    else:
        values = column[spec.name]
    return np.array(values, dtype=np.float32)


def _certain(spec: Output, reported: FloatArray) -> FloatArray:
    from packager.dataset.windows import ceiling_class

    category = ceiling_class(reported, spec.thresholds) if spec.ordered else reported
    certain = (np.arange(spec.width) == category[..., None]).astype(np.float32)
    return np.where(np.isnan(category)[..., None], np.float32(np.nan), certain)


def _fill(past: Tensors, stations: tuple[RunStation, ...], init_hour: int, before: StoredRun) -> None:
    """Fill gaps from the run before, in place."""
    rows = {station.code: row for row, station in enumerate(before.stations)}
    known = [(row, rows[station.code]) for row, station in enumerate(stations) if station.code in rows]
    if not known:
        return
    here, there = np.array(known).T
    for name, values in past.items():
        if name not in before.outputs or before.outputs[name].shape[2:] != values.shape[2:]:
            continue  # another contract
        series = np.concatenate([before.past[name], before.outputs[name]], axis=1)
        first = before.init_hour - before.past[name].shape[1] + 1
        shift = init_hour - values.shape[1] + 1 - first
        hours = np.arange(values.shape[1])
        hours = hours[(hours + shift >= 0) & (hours + shift < series.shape[1])]
        if not len(hours):
            continue
        older = series[there][:, hours + shift]
        mine = values[here][:, hours]
        gap = ~np.isfinite(mine.reshape(*mine.shape[:2], -1)).all(axis=2)
        mine[gap] = older[gap]
        values[np.ix_(here, hours)] = mine
