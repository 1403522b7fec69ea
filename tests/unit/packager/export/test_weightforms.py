import numpy as np
import pytest

from packager.errors import ConversionFailed
from packager.export.weightforms import FORMS, TARGETS, Matrix, block_size, check_weights, pack, store
from packager.runtimes.milweights import DECOMPRESSORS, unpack

RANDOM = np.random.default_rng(0)
DENSE = RANDOM.normal(size=(24, 40)).astype(np.float16)
PRUNED = np.where(np.abs(DENSE) < 0.7, np.float16(0), DENSE)
CLUSTERED = np.linspace(-1, 1, 9).astype(np.float16)[RANDOM.integers(0, 9, (24, 40))]


def matrix(values, target="ios17"):
    return Matrix(values, outputs=0, inputs=1, target=target)


def opened(form):
    """The numbers that a form stands for."""
    given = DECOMPRESSORS[form.operation](form.parameters)
    if not isinstance(given, tuple):
        return given
    mask, kept = given
    return DECOMPRESSORS["constexpr_sparse_to_dense"]({"mask": mask, "nonzero_data": kept})


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("weights", "most"),
    [("int8", 0.01), ("pal8", 0.01), ("pal6", 0.03), ("pal4", 0.1), ("pal2", 0.35), ("sparse_pal4", 0.1)],
)
def test_every_form_gives_back_nearly_the_weights(weights, most, target):
    found = opened(store(matrix(PRUNED, target), weights))
    assert found.dtype == np.float16
    assert np.sqrt(np.mean((found.astype(float) - PRUNED) ** 2)) < most
    assert (found[PRUNED == 0] == 0).all()


@pytest.mark.parametrize("target", TARGETS)
def test_leaving_zeros_out_changes_nothing(target):
    np.testing.assert_array_equal(opened(store(matrix(PRUNED, target), "sparse")), PRUNED)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("weights", ["pal8", "pal6", "pal4", "sparse_pal4"])
def test_clustered_weights_are_kept_exactly_in_the_smallest_palette(weights, target):
    form = store(matrix(CLUSTERED, target), weights)
    np.testing.assert_array_equal(opened(form), CLUSTERED)
    assert form.parameters["lut"].size <= 16


@pytest.mark.parametrize(("distinct", "entries"), [(2, 2), (3, 4), (5, 16), (16, 16), (17, 64), (65, 64)])
def test_a_palette_is_no_larger_than_asked_and_fills_bytes_where_it_is_smaller(distinct, entries):
    values = np.linspace(-1, 1, distinct).astype(np.float16)[np.arange(960) % distinct].reshape(24, 40)
    assert store(matrix(values), "pal6").parameters["lut"].size == entries


def test_weights_without_enough_zeros_stay_dense():
    few = DENSE.copy()
    few.flat[:50] = 0
    assert store(matrix(few), "sparse") is None
    few.flat[:80] = 0
    assert store(matrix(few), "sparse") is not None


def test_a_palette_of_non_zero_weights_needs_ios18_and_enough_zeros():
    assert store(matrix(PRUNED, "ios18"), "sparse_pal4").operation == "constexpr_lut_to_sparse"
    assert store(matrix(PRUNED, "ios17"), "sparse_pal4").operation == "constexpr_lut_to_dense"
    assert store(matrix(DENSE, "ios18"), "sparse_pal4").operation == "constexpr_lut_to_dense"
    assert store(matrix(np.zeros((24, 40), np.float16), "ios18"), "sparse_pal4").parameters["lut"].size == 2


@pytest.mark.parametrize(
    ("width", "block"), [(32, 32), (96, 32), (40, 20), (48, 24), (27, 27), (71, 71), (74, 37), (7, 7), (1, 1)]
)
def test_a_block_divides_the_width_whatever_the_width(width, block):
    assert block_size(width) == block
    values = RANDOM.normal(size=(6, width)).astype(np.float16)
    form = store(matrix(values, "ios18"), "int4")
    assert form.parameters["scale"].shape == (6, width // block)
    steps = np.repeat(form.parameters["scale"].astype(float), block, axis=1)
    assert (np.abs(opened(form).astype(float) - values) <= 0.51 * steps + 1e-3).all()
    assert np.abs(form.parameters["data"]).max() <= 7


def test_blocks_and_channels_lie_along_the_axes_that_the_operation_has():
    values = RANDOM.normal(size=(64, 10, 3)).astype(np.float16) * np.arange(1, 11).reshape(1, 10, 1)
    int4 = store(Matrix(values.astype(np.float16), outputs=1, inputs=0, target="ios18"), "int4")
    assert int4.parameters["scale"].shape == (2, 10, 1)
    int8 = store(Matrix(values.astype(np.float16), outputs=1, inputs=0), "int8")
    assert int8.parameters["axis"] == 1
    largest = np.abs(values).max(axis=(0, 2))
    np.testing.assert_allclose(int8.parameters["scale"], largest / 127, rtol=1e-3)


def test_a_channel_of_zeros_has_a_scale():
    values = DENSE.copy()
    values[3] = 0
    for weights, target in (("int8", "ios17"), ("int4", "ios18")):
        form = store(matrix(values, target), weights)
        assert (form.parameters["scale"] > 0).all()
        assert (opened(form)[3] == 0).all()


def test_packing_puts_the_least_significant_bits_first():
    assert pack(np.array([1, 2, 3]), 4).tolist() == [0x21, 0x03]
    codes = RANDOM.integers(0, 64, 101)
    np.testing.assert_array_equal(unpack(pack(codes, 6), 6, 101), codes)


def test_only_int4_needs_a_newer_target_than_ios16():
    for weights in FORMS:
        if weights != "int4":
            check_weights(weights, "ios16")
    with pytest.raises(ConversionFailed, match="iOS 18 is the first"):
        check_weights("int4", "ios16")
