"""Which rows train, which stop training, which are scored.

Two things are held out: whole stations, and whole blocks of days of the other stations. Blocks are stretches
of absolute time, the same at every station, so that neighbours never show each other's held-out weather.
"""

import hashlib
from enum import StrEnum

import numpy as np

from packager.dataset.errors import SplitUnknown
from packager.dataset.records import Dataset
from weatherapp.core.arrays import BoolArray, IntArray

# Of the reference dataset; another dataset holds out a share of its stations, chosen by `held_out_indexes`.
HELD_OUT_STATIONS = ("tmy3-724695", "tmy3-724030", "tmy3-723530", "nyc-LGA")
HELD_OUT_SHARE = 0.15
BLOCK_DAYS = 12
# The last twelve days of a month, in three months of every eleven and in two others. Eleven has no factor in
# common with twelve: every month of the year gets its turn. Blocks end with their month because the windows
# of a typical-year site end there anyway: a block in mid-month would cost twice the training windows.
CYCLE_MONTHS = 11
UNSEEN_PERIOD_MONTHS = (0, 4, 8)
EARLY_STOPPING_MONTHS = (2, 6)
NEIGHBOUR_KILOMETRES = 150.0
EARTH_RADIUS_KILOMETRES = 6371.0

OPEN, UNSEEN_PERIOD_BLOCK, EARLY_STOPPING_BLOCK = 0, 1, 2


class Split(StrEnum):
    """The four sets of windows. Scores are on one of the two unseen ones."""

    TRAIN = "train"
    EARLY_STOPPING = "early_stopping"
    UNSEEN_PERIOD = "unseen_period"
    UNSEEN_STATION = "unseen_station"


def parse_split(name: str) -> Split:
    """The split of that name.

    Raises:
        SplitUnknown: names the known ones.
    """
    try:
        return Split(name)
    except ValueError as error:
        known = ", ".join(Split)
        raise SplitUnknown(f"Split {name!r} is not known; it can be {known}.") from error


def block_of(hour: IntArray) -> IntArray:
    """The kind of block that each hour lies in.

    Args:
        hour: hours since 1970-01-01T00Z, any shape.

    Returns:
        `OPEN`, `UNSEEN_PERIOD_BLOCK` or `EARLY_STOPPING_BLOCK`, same shape.
    """
    day = (np.asarray(hour) // 24).astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    days_left = ((month + 1).astype("datetime64[D]") - day).astype(np.int64)
    turn = (month.astype(np.int64) + 1970 * 12) % CYCLE_MONTHS
    kind = np.where(np.isin(turn, UNSEEN_PERIOD_MONTHS), UNSEEN_PERIOD_BLOCK, OPEN)
    kind = np.where(np.isin(turn, EARLY_STOPPING_MONTHS), EARLY_STOPPING_BLOCK, kind)
    return np.where(days_left <= BLOCK_DAYS, kind, OPEN)


def windows_of_split(dataset: Dataset, first_row: IntArray, length: int, split: Split) -> BoolArray:
    """Which windows belong to a split.

    Every window of a held-out station belongs to `unseen_station`. A window of another station belongs to a
    split when all its hours, history and leads, lie in that split's kind of block: no hour is shared between
    splits, not even as history. Windows across a border belong to none. Nor do windows for training or early
    stopping that share an hour with a held-out station within 150 km: neighbours see the same weather, and a
    model that learned one hour of New York at one airport would know the answer at the next.

    Args:
        dataset: the rows.
        first_row: (case,) first row of each window; the rows after it are consecutive hours.
        length: hours of a window.
        split: the split.

    Returns:
        (case,).
    """
    held_out = np.isin(dataset.station[first_row], held_out_indexes(dataset))
    if split is Split.UNSEEN_STATION:
        return np.asarray(held_out)
    if split is Split.UNSEEN_PERIOD:
        return ~held_out & _lies_in(UNSEEN_PERIOD_BLOCK, dataset, first_row, length)
    kind = OPEN if split is Split.TRAIN else EARLY_STOPPING_BLOCK
    tells = _shares_hours_with_held_out(dataset, first_row, length)
    return ~held_out & ~tells & _lies_in(kind, dataset, first_row, length)


def held_out_indexes(dataset: Dataset) -> IntArray:
    """Positions in `dataset.stations` of the stations held out whole, ascending.

    The reference's four, where the dataset has any of them. Else about 15 % of the stations that have rows,
    at least one: those whose SHA-256 of the id is lowest, so that the choice depends on nothing but the
    ids. A dataset of one station has none: it would have nothing to train on.
    """
    listed = [index for index, station in enumerate(dataset.stations) if station.id in HELD_OUT_STATIONS]
    if not listed:
        rows = np.diff(np.searchsorted(dataset.station, np.arange(len(dataset.stations) + 1)))
        reporting = np.flatnonzero(rows).tolist()
        count = min(max(1, round(HELD_OUT_SHARE * len(reporting))), len(reporting) - 1)
        listed = sorted(sorted(reporting, key=lambda index: _drawn(dataset.stations[index].id))[:count])
    return np.asarray(listed, dtype=np.int64)


def _drawn(station_id: str) -> bytes:
    """A number for an id that looks random and is always the same."""
    return hashlib.sha256(station_id.encode()).digest()


def great_circle_kilometres(
    latitude: float, longitude: float, to_latitude: float, to_longitude: float
) -> float:
    """Distance between two places on a sphere, degrees in, by the haversine formula."""
    phi, psi = np.deg2rad(latitude), np.deg2rad(to_latitude)
    half = np.sin((psi - phi) / 2) ** 2
    half += np.cos(phi) * np.cos(psi) * np.sin(np.deg2rad(to_longitude - longitude) / 2) ** 2
    return float(2 * EARTH_RADIUS_KILOMETRES * np.arcsin(np.sqrt(half)))


def held_out_neighbours(dataset: Dataset, index: int) -> IntArray:
    """Positions of the held-out stations within 150 km of a station, itself left out."""
    here = dataset.stations[index]
    near = [
        other
        for other in held_out_indexes(dataset).tolist()
        if other != index
        and great_circle_kilometres(
            here.latitude, here.longitude, dataset.stations[other].latitude, dataset.stations[other].longitude
        )
        <= NEIGHBOUR_KILOMETRES
    ]
    return np.asarray(near, dtype=np.int64)


def _lies_in(kind: int, dataset: Dataset, first_row: IntArray, length: int) -> BoolArray:
    """Whether every hour of a window lies in that kind of block."""
    counted = np.concatenate([[0], np.cumsum(block_of(dataset.hour) == kind)])
    return np.asarray(counted[first_row + length] - counted[first_row] == length)


def _shares_hours_with_held_out(dataset: Dataset, first_row: IntArray, length: int) -> BoolArray:
    """Whether any hour of a window was also observed at a held-out station nearby."""
    shares = np.zeros(len(first_row), dtype=bool)
    station = dataset.station[first_row]
    for index in np.unique(station):
        near = np.unique(dataset.hour[np.isin(dataset.station, held_out_neighbours(dataset, int(index)))])
        mine = station == index
        start = dataset.hour[first_row[mine]]
        shares[mine] = np.searchsorted(near, start + length) > np.searchsorted(near, start)
    return shares
