"""The hours of places from stored runs: what is past and what lies ahead in one row, and moments between."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from packager.contract import Contract
from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.blend import Blend, plan_blend
from weatherapp.core.blend_many import blend_many
from weatherapp.core.errors import NothingNear
from weatherapp.core.hourly import Hours
from weatherapp.forecasts import selectors, store
from weatherapp.forecasts.errors import NoCurrentRun
from weatherapp.forecasts.models import ForecastRun
from weatherapp.forecasts.moments import HOUR, Moments
from weatherapp.forecasts.query import Place
from weatherapp.forecasts.store import StoredRun

# Outputs about the hour before their time; all others are about the moment.
OF_AN_HOUR = frozenset({"precipitation", "precipitation_type"})


@dataclass(frozen=True)
class Series:
    """Blended outputs of places, whose hours are the same.

    Attributes:
        first: hours since 1970 of the first row.
        count: rows.
        outputs: by contract name, (place, hour[, k]), NaN where nothing is known.
        contract: of the run.
        places: where.
        elevations: (place,) metres that the values are for.
    """

    first: int
    count: int
    outputs: Mapping[str, FloatArray]
    contract: Contract
    places: Sequence[Place]
    elevations: FloatArray

    def hourly(self, phase: int) -> Moments:
        """The rows as moments, `phase` seconds after the full hour, as zones off the full hour have them."""
        times = (self.first + np.arange(self.count, dtype=np.int64)) * HOUR + phase
        return self._moments(self.outputs, times, HOUR)

    def between(self, times: IntArray, step: int) -> Moments:
        """Moments between the rows.

        Args:
            times: (moment,) Unix seconds.
            step: seconds that amounts are for.

        Returns:
            What is of a moment is interpolated; the next row stands in where only one is known. What is of an
            hour comes from the hour that the moment lies in.
        """
        row, rest = np.divmod(times - self.first * HOUR, HOUR)
        share = rest / HOUR
        inner = np.where(rest > 0, row + 1, row)
        outputs = {
            name: _row(values, inner) if name in OF_AN_HOUR else _between(values, row, share)
            for name, values in self.outputs.items()
        }
        return self._moments(outputs, times, step)

    def _moments(self, outputs: Mapping[str, FloatArray], times: IntArray, step: int) -> Moments:
        cases = {name: values.reshape(-1, *values.shape[2:]) for name, values in outputs.items()}
        return Moments(
            hours=wrap(cases, self.contract),
            times=times,
            step=step,
            latitudes=np.array([place.latitude for place in self.places]),
            longitudes=np.array([place.longitude for place in self.places]),
            elevations=self.elevations,
        )


def place_blend(run: StoredRun, place: Place) -> Blend:
    """The stations of a run that speak for a place.

    Raises:
        NothingNear: no station within reach.
    """
    return plan_blend(
        place.latitude,
        place.longitude,
        place.elevation,
        station_latitudes=run.latitudes,
        station_longitudes=run.longitudes,
        station_elevations=run.elevations,
        station_vectors=run.vectors,
    )


def wrap(outputs: Mapping[str, FloatArray], contract: Contract) -> Hours:
    """Blended outputs as hours that people read."""
    return Hours(
        outputs,
        levels={spec.name: spec.levels for spec in contract.outputs if spec.levels},
        ceiling_thresholds=contract.output("cloud_base").thresholds,
    )


def place_series(
    runs: Sequence[StoredRun],
    blends: Sequence[Blend],
    places: Sequence[Place],
    *,
    needs: Collection[str],
    first: int,
    count: int,
) -> Series:
    """Blend what is needed for so many hours.

    Args:
        runs: the one that answers, then earlier ones that know hours before it, newest first.
        blends: of each place among the stations of the first run.
        places: where.
        needs: contract names of outputs.
        first: hours since 1970 of the first row.
        count: rows.
    """
    run = runs[0]
    outputs = {
        spec.name: np.full((len(places), count, *spec.shape[2:]), np.nan)
        for spec in run.contract.outputs
        if spec.name in needs
    }
    limit = _fill(outputs, run, blends, first, first + count)
    for earlier in runs[1:]:
        if limit <= first or not outputs:
            break
        limit = _fill_known(outputs, earlier, places, first, limit)
    elevations = np.array([_height(run, blend) for blend in blends])
    return Series(first, count, outputs, run.contract, places, elevations)


def earlier_runs(run: StoredRun, first: int) -> list[StoredRun]:
    """Stored runs that know hours before those that a run knows, newest first, back to an hour since 1970."""
    found: list[StoredRun] = []
    known = run.init_hour - run.contract.history_hours
    while known >= first:
        row = selectors.run_ending(datetime.fromtimestamp(known * HOUR, UTC))
        if row is None:
            break
        opened = _open(row)
        if opened is not None:
            found.append(opened)
        known = int((row.init_time - timedelta(hours=run.contract.history_hours)).timestamp()) // HOUR
    return found


def _open(row: ForecastRun) -> StoredRun | None:
    try:
        return store.open_run(str(row.folder))
    except NoCurrentRun:  # pruned meanwhile: its hours stay unknown
        return None


def _height(run: StoredRun, blend: Blend) -> float:
    """Without downscaling the values are for the height at which the stations lie."""
    if np.isnan(blend.elevation):
        return float(blend.weights @ run.elevations[blend.stations])
    return blend.elevation


def _fill_known(
    outputs: Mapping[str, FloatArray], run: StoredRun, places: Sequence[Place], first: int, end: int
) -> int:
    """As `_fill` from another run; its stations may be none of a place's."""
    near: list[int] = []
    blends: list[Blend] = []
    for position, place in enumerate(places):
        with suppress(NothingNear):
            blends.append(place_blend(run, place))
            near.append(position)
    some = {name: values[near] for name, values in outputs.items()}
    limit = _fill(some, run, blends, first, end) if near else end
    for name, values in some.items():
        outputs[name][near] = values
    return limit


def _fill(
    outputs: Mapping[str, FloatArray], run: StoredRun, blends: Sequence[Blend], first: int, end: int
) -> int:
    """Fill rows before hour `end` with what a run knows; gives the first hour that it could know."""
    past = run.contract.history_hours
    begin = run.init_hour + 1 - past
    for source, start, length in (
        (run.past, begin, past),
        (run.outputs, run.init_hour + 1, run.contract.lead_hours),
    ):
        low, high = max(first, start), min(end, start + length)
        if low >= high:
            continue
        there = slice(low - start, high - start)
        some = {name: source[name][:, there] for name in outputs if name in source}
        for name, values in blend_many(some, blends).items():
            if values.shape[2:] == outputs[name].shape[2:]:  # an earlier run may have another contract
                outputs[name][:, low - first : high - first] = values
    return begin


def _row(values: FloatArray, row: IntArray) -> FloatArray:
    inside = (row >= 0) & (row < values.shape[1])
    found = values[:, np.where(inside, row, 0)]
    found[:, ~inside] = np.nan
    return found


def _between(values: FloatArray, row: IntArray, share: FloatArray) -> FloatArray:
    weight = share.reshape(-1, *[1] * (values.ndim - 2))
    before, after = _row(values, row), _row(values, np.where(share > 0, row + 1, row))
    mixed = before * (1 - weight) + after * weight
    return np.where(np.isnan(before), after, np.where(np.isnan(after), before, mixed))
