"""The palette of a weight matrix: the 2 to 256 values that leave the least squared error.

coremltools' own k-means stops early, starts from one random guess and adds up in an order that depends on
threads.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ENTRIES = 16
ITERATIONS = 300


def palette(weights: NDArray[Any], entries: int = ENTRIES) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Cluster a weight matrix; the same weights always give the same palette.

    A matrix with no more distinct values than entries, as clustering with fine-tuning leaves it, is kept
    exactly. Zeros that are more than an even share, as pruning leaves them, have an entry of their own.

    The most frequent entry comes first. So the same codes are frequent in every matrix, whatever its values,
    and the one code table that zstd makes for all of them fits all.

    Args:
        weights: any shape, floating point.
        entries: 2 to 256.

    Returns:
        (entries,) values of the weights' type, zeros at the end when fewer are needed; and the flat index of
        every weight.
    """
    # As float64: on some processors numpy 2.4 does not sort float16 right.
    exact = weights.astype(np.float64)
    values, inverse, counts = np.unique(exact, return_inverse=True, return_counts=True)
    table = np.zeros(entries, weights.dtype)
    centres = values if len(values) <= entries else _centres(values, counts, entries)
    table[: len(centres)] = centres
    table = _frequent_first(table, np.bincount(nearest_entries(values, table), counts, entries))
    return table, nearest_entries(values, table)[inverse.ravel()]


def nearest_entries(weights: NDArray[Any], table: NDArray[Any]) -> NDArray[np.uint8]:
    """The flat index of every weight's nearest entry, the first of equally near ones, as they are stored.

    A weight that did not change keeps its index in a table that did not change.
    """
    values, inverse = np.unique(weights.astype(np.float64), return_inverse=True)
    distance = np.abs(values.reshape(-1, 1) - table.astype(np.float64))
    return np.asarray(np.argmin(distance, axis=1), np.uint8)[inverse.ravel()]


def _frequent_first(table: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    # Unused entries stay behind; equally frequent ones increase.
    return table[np.lexsort((table, -counts))]


def _centres(values: NDArray[np.float64], counts: NDArray[Any], entries: int) -> NDArray[np.float64]:
    zero = values == 0
    if counts[zero].sum() * entries <= counts.sum():
        return _best(values, counts, entries)
    return np.append(_best(values[~zero], counts[~zero], entries - 1), 0.0)


def _best(values: NDArray[np.float64], counts: NDArray[Any], entries: int) -> NDArray[np.float64]:
    starts = (_even_shares(values, counts, entries), np.linspace(values[0], values[-1], entries))
    found = [_lloyd(values, counts, start) for start in starts]
    return min(found, key=lambda centres: _squared_error(values, counts, centres))


def _even_shares(values: NDArray[np.float64], counts: NDArray[Any], entries: int) -> NDArray[np.float64]:
    shares = (np.arange(entries) + 0.5) / entries
    return values[np.searchsorted(np.cumsum(counts) / counts.sum(), shares)]


def _lloyd(
    values: NDArray[np.float64], counts: NDArray[Any], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Lloyd's algorithm on sorted distinct values and their counts; doi:10.1109/TIT.1982.1056489."""
    centres = np.unique(start)
    for _ in range(ITERATIONS):
        nearest = _nearest(values, centres)
        weight = np.bincount(nearest, counts, len(centres))
        total = np.bincount(nearest, counts * values, len(centres))
        moved = np.where(weight > 0, total / np.maximum(weight, 1), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _nearest(values: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, values)


def _squared_error(values: NDArray[np.float64], counts: NDArray[Any], centres: NDArray[np.float64]) -> float:
    return float(np.sum(counts * (values - centres[_nearest(values, centres)]) ** 2))
