"""What stands and what came, put together. Pure.

- The same report again changes nothing.
- A report replaces the values that it has; what it does not say stays as it was known.
- A correction replaces the whole report, and no routine report replaces a correction.
- A report of another series replaces the whole report: the two are not of one weather.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.observations.feeds.interface import Batch

DECIMALS = 4  # float32 has noise beyond them, and no sensor has them
HOURS_PER_STATION = 1 << 32  # keys: hours since 1970 fit, those before it too
HALF = HOURS_PER_STATION >> 1


def keys_of(station: IntArray, hour: IntArray) -> IntArray:
    """(row,) numbers that are equal where station and hour are, and in their order."""
    return np.asarray(station * HOURS_PER_STATION + hour + HALF)


@dataclass(frozen=True)
class Rows:
    """Reports, one per station and hour, sorted by both.

    Attributes:
        station: (row,) number of the station, whatever the caller counts.
        hour: (row,) hours since 1970-01-01T00Z.
        values: (row, variable) as stored, NaN where not reported.
        precipitation_type: (row,) class index, NaN where not reported.
        series: (row,) rows of one station that share it followed each other in nature.
        corrected: (row,) whether it is a correction.
    """

    station: IntArray
    hour: IntArray
    values: FloatArray
    precipitation_type: FloatArray
    series: IntArray
    corrected: BoolArray

    def __len__(self) -> int:
        return len(self.hour)

    @property
    def key(self) -> IntArray:
        """(row,) of `keys_of`, ascending."""
        return keys_of(self.station, self.hour)

    def take(self, rows: BoolArray | IntArray | slice) -> "Rows":
        """Only these rows, in this order."""
        return Rows(
            station=self.station[rows],
            hour=self.hour[rows],
            values=self.values[rows],
            precipitation_type=self.precipitation_type[rows],
            series=self.series[rows],
            corrected=self.corrected[rows],
        )


def sorted_rows(parts: Sequence[Rows]) -> Rows:
    """Parts that share no station and hour, as one."""
    together = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Rows)
    }
    rows = Rows(**together)
    return rows.take(np.argsort(rows.key, kind="stable"))


@dataclass(frozen=True)
class Merged:
    """Every row that stands or came.

    Attributes:
        rows: what would stand if all of it were believed.
        standing: (row,) index into the standing rows, −1 where none stood.
        came: (row,) whether a report came that may change the row.
        before: (row, variable) values that stood, NaN where nothing did.
        brought: (row, variable) whether the value is from the report that came.
        replaced: (row,) whether what stood has no say any more.
        held: how many reports came that a correction kept out.
    """

    rows: Rows
    standing: IntArray
    came: BoolArray
    before: FloatArray
    brought: BoolArray
    replaced: BoolArray
    held: int


@dataclass(frozen=True)
class Settled:
    """What stands from now on.

    Attributes:
        rows: as in `Merged`, without what is not believed.
        new: (row,) nothing stood before.
        changed: (row,) something else stood before.
        unchanged: how many reports came and changed nothing.
        refused: (row, variable) values that came and are not believed.
        withdrawn: (row, variable) values that stood and are no longer believed.
    """

    rows: Rows
    new: BoolArray
    changed: BoolArray
    unchanged: int
    refused: BoolArray
    withdrawn: BoolArray


def fold(batch: Batch, station: IntArray) -> Rows:
    """The reports of a batch, one per station and hour; of several the later decides, by the rules above.

    Args:
        batch: as parsed, in the order in which reports were received.
        station: (row,) number of each row's station.
    """
    order = np.lexsort((np.arange(len(batch)), batch.hour, station))
    values = np.asarray(batch.values, dtype=np.float64)[order]
    rows = Rows(
        station=np.asarray(station, dtype=np.int64)[order],
        hour=np.asarray(batch.hour, dtype=np.int64)[order],
        values=np.where(np.isfinite(values), values, np.nan).round(DECIMALS),
        precipitation_type=np.asarray(batch.precipitation_type, dtype=np.float64)[order],
        series=np.asarray(batch.series, dtype=np.int64)[order],
        corrected=np.asarray(batch.corrected, dtype=bool)[order],
    )
    _, first, group = np.unique(rows.key, return_index=True, return_inverse=True)
    turn = np.arange(len(rows)) - first[group]
    folded = rows.take(first)
    for number in range(1, int(turn.max(initial=0)) + 1):
        folded = merge(folded, rows.take(turn == number)).rows
    return folded


def merge(standing: Rows, incoming: Rows) -> Merged:
    """Put reports beside and over those that stand, by the rules above."""
    keys = np.union1d(standing.key, incoming.key)
    below, above = _positions(keys, standing), _positions(keys, incoming)
    old, new = _spread(standing, below), _spread(incoming, above)
    held = (above >= 0) & (below >= 0) & old.corrected & ~new.corrected
    came = (above >= 0) & ~held
    replaced = came & ((below < 0) | new.corrected | (old.series != new.series))
    brought = came[:, None] & np.isfinite(new.values)
    kind_known = came & np.isfinite(new.precipitation_type)
    merged = Rows(
        station=np.where(above >= 0, new.station, old.station),
        hour=np.where(above >= 0, new.hour, old.hour),
        values=np.where(brought | replaced[:, None], new.values, old.values),
        precipitation_type=np.where(kind_known | replaced, new.precipitation_type, old.precipitation_type),
        series=np.where(came, new.series, old.series),
        corrected=np.where(came, new.corrected, old.corrected),
    )
    return Merged(merged, below, came, old.values, brought, replaced, int(held.sum()))


def settle(merged: Merged, standing: Rows, bad: BoolArray) -> Settled:
    """Take out what is not believed, and say what has changed.

    Args:
        merged: from `merge`.
        standing: the same rows that were merged.
        bad: (row, variable) values of the merged rows that failed a check.

    Returns:
        The outcome. A value that came and failed leaves the one before it, if that is another one.
    """
    refused = bad & merged.brought
    withdrawn = bad & ~merged.brought & np.isfinite(merged.rows.values)
    other = np.isfinite(merged.before) & (merged.before != merged.rows.values)
    fallback = np.where(other & ~merged.replaced[:, None], merged.before, np.nan)
    values = np.where(refused, fallback, np.where(withdrawn, np.nan, merged.rows.values))
    rows = replace(merged.rows, values=values)
    old = _spread(standing, merged.standing)
    stood = merged.standing >= 0
    alike = (
        same(values, old.values).all(axis=1)
        & same(rows.precipitation_type, old.precipitation_type)
        & (rows.series == old.series)
        & (rows.corrected == old.corrected)
    )
    return Settled(
        rows=rows,
        new=merged.came & ~stood,
        changed=stood & ~alike,
        unchanged=int((merged.came & stood & alike).sum()),
        refused=refused,
        withdrawn=withdrawn,
    )


def _positions(keys: IntArray, rows: Rows) -> IntArray:
    """Which of the rows has each key; −1 where none has."""
    if not len(rows):
        return np.full(len(keys), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(rows.key, keys), len(rows) - 1)
    return np.where(rows.key[at] == keys, at, -1)


def _spread(rows: Rows, position: IntArray) -> Rows:
    """Rows at positions; nothing reported where the position is −1."""
    if not len(rows):
        nothing = np.zeros(len(position), dtype=np.int64)
        values = np.full((len(position), rows.values.shape[1]), np.nan)
        unknown = np.full(len(position), np.nan)
        return Rows(nothing, nothing, values, unknown, nothing, nothing.astype(bool))
    found = rows.take(position)
    missing = position < 0
    return replace(
        found,
        values=np.where(missing[:, None], np.nan, found.values),
        precipitation_type=np.where(missing, np.nan, found.precipitation_type),
        corrected=found.corrected & ~missing,
    )


def same(left: FloatArray, right: FloatArray) -> BoolArray:
    """Where two arrays hold the same; NaN is the same as NaN."""
    return np.asarray((left == right) | (np.isnan(left) & np.isnan(right)))
