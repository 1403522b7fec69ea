import itertools

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from packager.export.palette import ENTRIES, nearest_entries, palette
from packager.export.weightforms import pack

FINITE = st.floats(-100, 100, width=16)


@given(arrays(np.float16, st.integers(1, 300), elements=FINITE))
@settings(max_examples=60, deadline=None)
def test_every_weight_takes_its_nearest_entry(weights):
    table, indices = palette(weights)
    assert table.dtype == weights.dtype
    assert len(table) == ENTRIES
    used = np.unique(indices)
    distance = np.abs(weights.astype(float)[:, None] - table[used].astype(float))
    chosen = np.abs(weights.astype(float) - table[indices].astype(float))
    # Entries are rounded to the weights' type after clustering, hence a step of half precision.
    assert (chosen <= distance.min(1) + 0.07).all()


@given(
    arrays(np.float16, st.integers(1, 300), elements=st.sampled_from(np.linspace(-1, 1, ENTRIES).tolist()))
)
@settings(max_examples=30, deadline=None)
def test_weights_that_are_clustered_already_are_kept_exactly(weights):
    table, indices = palette(weights.reshape(-1, 1))
    np.testing.assert_array_equal(table[indices], weights)


@pytest.mark.parametrize("sample", ["normal", "laplace", "uniform"])
def test_error_is_near_the_best_that_16_levels_can_do(sample):
    draws = getattr(np.random.default_rng(0), sample)(size=20_000).astype(np.float16)
    table, indices = palette(draws)
    error = np.mean((draws.astype(float) - table[indices]) ** 2) / np.var(draws.astype(float))
    # Lloyd-Max quantizers of 16 levels (Max 1960; Paez and Glisson 1972): 0.0095, 0.0154 and 1/256.
    best = {"normal": 0.00954, "laplace": 0.0154, "uniform": 1 / 256}[sample]
    assert error < 1.1 * best


def test_the_same_weights_give_the_same_palette():
    weights = np.random.default_rng(1).normal(size=(64, 33)).astype(np.float16)
    first, second = palette(weights), palette(weights.copy())
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("entries", [2, 4, 64, 256])
def test_palettes_of_any_size_take_the_nearest_entry_and_keep_what_fits(entries):
    weights = np.random.default_rng(2).normal(size=2000).astype(np.float16)
    table, indices = palette(weights, entries)
    assert len(table) == entries
    np.testing.assert_array_equal(indices, nearest_entries(weights, table))
    few = np.linspace(-1, 1, entries).astype(np.float16)[np.random.default_rng(3).integers(0, entries, 900)]
    table, indices = palette(few, entries)
    np.testing.assert_array_equal(table[indices], few)


def test_more_entries_leave_less_error():
    weights = np.random.default_rng(4).normal(size=5000).astype(np.float16)
    errors = []
    for entries in (2, 4, 16, 64, 256):
        table, indices = palette(weights, entries)
        errors.append(np.mean((weights.astype(float) - table[indices]) ** 2))
    assert all(2 * later < earlier for earlier, later in itertools.pairwise(errors))
    assert errors == sorted(errors, reverse=True)


def test_pruned_weights_stay_zero():
    weights = np.random.default_rng(5).normal(size=4000)
    weights[np.abs(weights) < 0.5] = 0
    half = weights.astype(np.float16)
    table, indices = palette(half, 4)
    assert (table[indices][half == 0] == 0).all()


def test_the_most_frequent_entry_comes_first():
    weights = np.repeat(np.array([3, -1, 0, 2], np.float16), [5, 1, 40, 9])
    table, indices = palette(weights, 4)
    assert table.tolist() == [0, 2, 3, -1]
    assert np.bincount(indices).tolist() == [40, 9, 5, 1]


def test_frequent_first_is_fewer_bytes_on_the_wire_than_sorted_by_value():
    random = np.random.default_rng(6)
    first, sorted_ = b"", b""
    for spread in (0.1, 0.3, 1.0, 3.0):
        weights = (spread * random.standard_t(4, size=4000)).astype(np.float16)
        weights[np.abs(weights) < np.quantile(np.abs(weights), random.uniform(0.3, 0.7))] = 0
        table, indices = palette(weights)
        first += pack(indices, 4).tobytes()
        rank = np.argsort(np.argsort(table.astype(float)))
        sorted_ += pack(rank[indices], 4).tobytes()
    compressor = zstandard.ZstdCompressor(level=19)
    assert len(compressor.compress(first)) < 0.96 * len(compressor.compress(sorted_))
