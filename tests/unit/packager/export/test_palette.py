import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from packager.export.palette import ENTRIES, palette

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
