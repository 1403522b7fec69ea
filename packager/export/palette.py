"""The palette of a weight matrix: the 16 values that leave the least squared error.

coremltools' own k-means stops early, starts from one random guess and adds up in an order that depends on
threads.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ENTRIES = 16
ITERATIONS = 300


def palette(weights: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Cluster a weight matrix; the same weights always give the same palette.

    A matrix with at most 16 distinct values, as clustering with fine-tuning leaves it, is kept exactly.

    Args:
        weights: any shape, floating point.

    Returns:
        (16,) increasing entries of the weights' type, zeros at the end when fewer are needed; and the flat
        index of every weight.
    """
    values, inverse, counts = np.unique(weights, return_inverse=True, return_counts=True)
    table = np.zeros(ENTRIES, weights.dtype)
    centres = values.astype(np.float64)
    if len(values) > ENTRIES:
        starts = (_even_shares(centres, counts), np.linspace(centres[0], centres[-1], ENTRIES))
        found = [_lloyd(centres, counts, start) for start in starts]
        centres = min(found, key=lambda entries: _squared_error(values, counts, entries))
    table[: len(centres)] = centres
    return table, nearest_entries(values, table)[inverse.ravel()]


def nearest_entries(weights: NDArray[Any], table: NDArray[Any]) -> NDArray[np.uint8]:
    """The flat index of every weight's nearest entry, the first of equally near ones, as they are stored.

    A weight that did not change keeps its index in a table that did not change.
    """
    distance = np.abs(weights.astype(np.float64).reshape(-1, 1) - table.astype(np.float64))
    return np.asarray(np.argmin(distance, axis=1), np.uint8)


def _even_shares(values: NDArray[np.float64], counts: NDArray[Any]) -> NDArray[np.float64]:
    shares = (np.arange(ENTRIES) + 0.5) / ENTRIES
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


def _squared_error(values: NDArray[Any], counts: NDArray[Any], centres: NDArray[np.float64]) -> float:
    exact = values.astype(np.float64)
    return float(np.sum(counts * (exact - centres[_nearest(exact, centres)]) ** 2))
