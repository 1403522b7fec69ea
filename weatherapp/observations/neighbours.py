"""Whether a value can be true beside what the stations around report. Pure.

A buddy check: a station's value against the median of its neighbours, at its own height. It is made to find
broken sensors and wrong units and to let weather pass. A value fails only where all of this holds:

- three neighbours report, none of them nearly the same site, none much higher or lower;
- it is far from their median: beyond a wide limit, and beyond five times their own spread;
- no neighbour is anywhere near it: two sensors do not fail alike;
- the station has not agreed with its neighbours in the hours before. A front, a squall line or the eye of a
  storm makes its first station differ from all around it until it has crossed the others; a station that
  just agreed is given that time, and a sudden jump is the jump check's to judge.

What it does not see: errors smaller than the limits, errors shared by several stations, the first hours
after a sensor breaks, stations with fewer than three neighbours.

Source: the buddy check of Båserud et al. (2020), doi:10.5194/asr-17-153-2020, with a median in place of the
mean and limits of our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.core.blend import EARTH_RADIUS_KM, LAPSE, unit_vectors

REACH_KM = 150.0
SAME_SITE_KM = 1.0  # two records of one sensor support each other whatever it says
REACH_METRES = 500.0  # beyond it a valley's cold air says nothing about a summit
NEIGHBOURS = 12
LEAST_NEIGHBOURS = 3
SPREADS = 5.0
MAD_TO_DEVIATION = 1.4826  # of a normal distribution
FRONT_HOURS = 6  # in which even a slow front crosses 150 km
# How far from the median (°C, °C, hPa), and how near a neighbour must be to support the value. Coasts
# differ from the land behind them by 15 K on a summer afternoon; nothing but a storm's core by 15 hPa over
# 150 km.
LIMIT: Mapping[str, float] = {"temperature": 18.0, "dew_point": 20.0, "pressure_msl": 15.0}
SUPPORT: Mapping[str, float] = {"temperature": 6.0, "dew_point": 8.0, "pressure_msl": 5.0}
TARGETS_AT_ONCE = 256


@dataclass(frozen=True)
class Places:
    """Where stations stand: (station,) degrees north, degrees east, metres above mean sea level."""

    latitude: FloatArray
    longitude: FloatArray
    elevation: FloatArray


def nearest(places: Places, targets: IntArray) -> IntArray:
    """The stations that are compared with each target.

    Args:
        places: of all stations.
        targets: (target,) indices of those to find neighbours of.

    Returns:
        (target, 12) indices, nearest first, −1 where there are fewer.
    """
    vectors = unit_vectors(places.latitude, places.longitude)
    found = np.full((len(targets), NEIGHBOURS), -1, dtype=np.int64)
    by_latitude = np.argsort(places.latitude, kind="stable")
    latitudes = places.latitude[by_latitude]
    band = np.rad2deg(REACH_KM / EARTH_RADIUS_KM)
    order = np.argsort(places.latitude[targets], kind="stable")
    for start in range(0, len(targets), TARGETS_AT_ONCE):
        rows = order[start : start + TARGETS_AT_ONCE]
        mine = places.latitude[targets[rows]]
        first, last = np.searchsorted(latitudes, [mine[0] - band, mine[-1] + band])
        found[rows] = _nearest_of(by_latitude[first:last], targets[rows], vectors, places.elevation)
    return found


def _nearest_of(
    candidates: IntArray, targets: IntArray, vectors: FloatArray, elevation: FloatArray
) -> IntArray:
    """(target, 12) as `nearest`, among some candidates."""
    cosine = vectors[targets] @ vectors[candidates].T
    usable = cosine > np.cos(REACH_KM / EARTH_RADIUS_KM)
    usable &= cosine < np.cos(SAME_SITE_KM / EARTH_RADIUS_KM)
    target, candidate = np.nonzero(usable)
    level = np.abs(elevation[targets[target]] - elevation[candidates[candidate]]) <= REACH_METRES
    target, candidate = target[level], candidate[level]
    order = np.lexsort((candidates[candidate], -cosine[target, candidate], target))
    target, candidate = target[order], candidate[order]
    rank = np.arange(len(target)) - np.searchsorted(target, target)
    first = rank < NEIGHBOURS
    found = np.full((len(targets), NEIGHBOURS), -1, dtype=np.int64)
    found[target[first], rank[first]] = candidates[candidate[first]]
    return found


def far_from_neighbours(
    variable: str,
    own: FloatArray,
    others: FloatArray,
    *,
    hours: IntArray,
    places: Places,
    targets: IntArray,
    neighbours: IntArray,
) -> BoolArray:
    """Which values nobody around supports.

    Args:
        variable: temperature, dew_point or pressure_msl.
        own: (hour, target) values as reported, believed or not; NaN missing.
        others: (hour, station) values that passed the other checks; NaN missing.
        hours: (hour,) hours since 1970-01-01T00Z, ascending, gaps allowed.
        places: of all stations.
        targets: (target,) which stations `own` is of.
        neighbours: (target, 12) from `nearest`.

    Returns:
        (hour, target). The first hours are judged without the hours before them: give six more than are
        asked.
    """
    there = neighbours >= 0
    near = np.where(there, others[:, neighbours], np.nan)
    lift = places.elevation[targets][:, None] - places.elevation[neighbours]
    near = near + LAPSE.get(variable, 0.0) * lift
    alone, agrees = _judge(variable, own, near)
    lately = np.zeros_like(agrees)
    for back in range(1, FRONT_HOURS + 1):
        before = np.searchsorted(hours, hours - back)
        same = hours[np.minimum(before, len(hours) - 1)] == hours - back
        lately[same] |= agrees[before[same]]
    return alone & ~lately


def _judge(variable: str, own: FloatArray, near: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Whether a value stands alone, and whether it agrees; neither where too few neighbours report."""
    count = np.isfinite(near).sum(axis=-1)
    judged = np.isfinite(own) & (count >= LEAST_NEIGHBOURS)
    middle = _median(near, count)
    spread = MAD_TO_DEVIATION * _median(np.abs(near - middle[..., None]), count)
    far = np.abs(own - middle) > np.maximum(LIMIT[variable], SPREADS * spread)
    supported = (np.abs(own[..., None] - near) <= SUPPORT[variable]).any(axis=-1)
    alone = judged & far & ~supported
    return alone, judged & ~alone


def _median(values: FloatArray, count: IntArray) -> FloatArray:
    """Median of what is finite along the last axis; meaningless where nothing is."""
    ordered = np.sort(values, axis=-1)  # NaN last
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, values.shape[-1] - 1)
    pick = [np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0] for at in (low, high)]
    return np.asarray((pick[0] + pick[1]) / 2)
