"""Which reported values are not believed, for every feed. Pure.

The checks of the reference dataset that can be made on a stream (`packager.dataset.quality` says them and
their limits), and the neighbours. A check looks at values as they were reported: what stands, what came,
and what was refused before, so that a stuck sensor stays stuck. Two things differ from the dataset, where
all hours are known:

- A step to the next hour condemns the value before it only once the hour after is known too: until then the
  new value may be the wrong one, and a spike shows itself an hour later.
- A sensor that gives whole units is not called stuck: whole degrees stand still for a day in quiet weather.

Checks of whole months (selective reporting, coarse amounts) are made when a model is trained.
"""

from dataclasses import replace

import numpy as np

from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.observations.merging import Merged, Rows
from weatherapp.observations.models import VARIABLES
from weatherapp.observations.neighbours import FRONT_HOURS, LIMIT, Places, far_from_neighbours

IN_TIME = ("physical_limits", "jump", "stuck", "dew_point_above_temperature")
NEIGHBOURS = "neighbours"
FROM_THE_FUTURE = "from_the_future"
NO_SUCH_TIME = "no_such_time"
NO_SUCH_CLASS = "no_such_class"
LOOK_BACK_HOURS = 24  # as long as a sensor must stand still to be called stuck
HOURS_AT_ONCE = 48
# Variables that one station reports to the same number of decimals.
TOGETHER = (("temperature", "dew_point"), ("pressure_msl",))


def check(
    merged: Merged, refused: FloatArray, places: Places, targets: IntArray, neighbours: IntArray
) -> dict[str, BoolArray]:
    """Judge the reports of some stations over some hours.

    Args:
        merged: what stands and what came; `station` indexes `places`.
        refused: (row, variable) values that were refused before, NaN where none was.
        places: of the stations.
        targets: (target,) ascending, the stations of which a report came.
        neighbours: (target, 12) of those, from `neighbours.nearest`.

    Returns:
        (row, variable) which values failed, by check. Only values that came are compared with neighbours.
    """
    rows = merged.rows
    gone = np.isnan(rows.values) & ~merged.replaced[:, None]
    rows = replace(rows, values=np.where(gone, refused, rows.values))
    failed = check_in_time(rows)
    believed = np.where(np.logical_or.reduce(list(failed.values())), np.nan, merged.rows.values)
    failed[NEIGHBOURS] = _check_in_space(rows, believed, merged.brought, places, targets, neighbours)
    return failed


def check_in_time(rows: Rows) -> dict[str, BoolArray]:
    """The checks that look at one station's hours, by name; (row, variable) each."""
    # Imported here: the web process names this module and must not pay for Parquet.
    from packager.dataset.quality import CHECKS
    from packager.dataset.records import Dataset

    missing = np.full(len(rows), np.nan, dtype=np.float32)
    dataset = Dataset(
        stations=(),
        station=rows.station,
        hour=rows.hour,
        segment=_segments(rows),
        values=rows.values.astype(np.float32),
        precipitation_type=missing,
        precipitation_type_from=missing,
        digest="",
        provenance={},
    )
    reported = np.isfinite(rows.values)
    failed = {name: CHECKS[name](dataset) & reported for name in IN_TIME}
    failed["jump"] &= ~_unsettled(dataset.values, dataset.segment)
    failed["stuck"] &= ~_whole_units(rows)
    for name in ("jump", "stuck"):
        _join_wind(failed[name], reported)
    return failed


def _segments(rows: Rows) -> IntArray:
    breaks = (np.diff(rows.station) != 0) | (np.diff(rows.hour) != 1) | (np.diff(rows.series) != 0)
    return np.concatenate([[0], np.cumsum(breaks)])[: len(rows)]


def _unsettled(values: FloatArray, segment: IntArray) -> BoolArray:
    """Values that can only be condemned by the next hour, where that is the last one known."""
    from packager.dataset.quality import SPIKE

    one, two = (_hours_later(values, segment, hours) for hours in (1, 2))
    before = _hours_later(values, segment, -1)
    unsettled = np.isfinite(one) & np.isnan(two)
    for name, limit in SPIKE.items():
        column = VARIABLES.index(name)
        unsettled[:, column] &= ~(np.abs(values[:, column] - before[:, column]) > limit)
    return unsettled


def _hours_later(values: FloatArray, segment: IntArray, hours: int) -> FloatArray:
    """(row, variable) the values of some hours later in the same segment; NaN where there are none."""
    later = np.full_like(values, np.nan)
    here, there = (
        (slice(None, -hours), slice(hours, None)) if hours > 0 else (slice(-hours, None), slice(None, hours))
    )
    same = segment[here] == segment[there]
    later[here][same] = values[there][same]
    return later


def _whole_units(rows: Rows) -> BoolArray:
    """(row, variable) whether the station gave nothing but whole units in all its rows."""
    whole = np.zeros(rows.values.shape, dtype=bool)
    for names in TOGETHER:
        columns = [VARIABLES.index(name) for name in names]
        values = rows.values[:, columns]
        fraction = (np.nan_to_num(np.abs(values - np.round(values))) > 1e-6).any(axis=1)
        fine = np.zeros(int(rows.station.max(initial=-1)) + 1, dtype=bool)
        fine[rows.station[fraction]] = True
        whole[:, columns] = ~fine[rows.station][:, None]
    return whole


def _join_wind(failed: BoolArray, reported: BoolArray) -> None:
    """A component of the wind falls with its other."""
    columns = [VARIABLES.index("wind_u"), VARIABLES.index("wind_v")]
    either = np.asarray(failed[:, columns].any(axis=1, keepdims=True))
    failed[:, columns] = either & reported[:, columns]


def _check_in_space(
    rows: Rows,
    believed: FloatArray,
    brought: BoolArray,
    places: Places,
    targets: IntArray,
    neighbours: IntArray,
) -> BoolArray:
    failed = np.zeros(rows.values.shape, dtype=bool)
    columns = [VARIABLES.index(name) for name in LIMIT]
    hours = np.unique(rows.hour[brought[:, columns].any(axis=1)])
    for start in range(0, len(hours), HOURS_AT_ONCE):
        asked = hours[start : start + HOURS_AT_ONCE]
        now = np.flatnonzero((rows.hour >= asked[0] - FRONT_HOURS) & (rows.hour <= asked[-1]))
        grid_hours, hour = np.unique(rows.hour[now], return_inverse=True)
        at = (hour, rows.station[now])
        for name, column in zip(LIMIT, columns, strict=True):
            others = np.full((len(grid_hours), len(places.latitude)), np.nan)
            own, far = others.copy(), np.zeros(others.shape, dtype=bool)
            others[at], own[at] = believed[now, column], rows.values[now, column]
            far[:, targets] = far_from_neighbours(
                name,
                own[:, targets],
                others,
                hours=grid_hours,
                places=places,
                targets=targets,
                neighbours=neighbours,
            )
            failed[now, column] |= far[at] & brought[now, column]
    return failed
