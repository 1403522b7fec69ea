import numpy as np
import pytest

from packager.runtimes.milweights import DECOMPRESSORS

RANDOM = np.random.default_rng(1)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_packed_indices_give_back_the_palette(bits):
    table = RANDOM.normal(size=1 << bits).astype(np.float16)
    indices = RANDOM.integers(0, 1 << bits, (3, 5))
    stream = ((indices.ravel()[:, None] >> np.arange(bits)) & 1).ravel().astype(np.uint8)
    values = {
        "lut": table,
        "indices": np.packbits(stream, bitorder="little"),
        "shape": np.array([3, 5], np.uint32),
    }
    found = DECOMPRESSORS["constexpr_lut_to_dense"](values)
    np.testing.assert_array_equal(found, table[indices])


def test_sparse_weights_stand_where_the_mask_says():
    dense = np.where(RANDOM.random((4, 7)) > 0.6, RANDOM.normal(size=(4, 7)), 0).astype(np.float16)
    mask = np.packbits(dense.ravel() != 0, bitorder="little")
    values = {"nonzero_data": dense[dense != 0], "mask": mask, "shape": np.array([4, 7], np.uint32)}
    np.testing.assert_array_equal(DECOMPRESSORS["constexpr_sparse_to_dense"](values), dense)


def test_affine_weights_have_a_scale_per_channel():
    data = RANDOM.integers(-127, 128, (3, 4)).astype(np.int8)
    scale, zero = np.array([0.5, 1, 2], np.float16), np.array([1, 0, -1], np.int8)
    values = {"quantized_data": data, "scale": scale, "zero_point": zero, "axis": np.int32(0)}
    wanted = scale[:, None] * (data.astype(float) - zero[:, None])
    found = DECOMPRESSORS["constexpr_affine_dequantize"](values)
    np.testing.assert_array_equal(found, wanted.astype(np.float16))
    whole = DECOMPRESSORS["constexpr_affine_dequantize"](
        {"quantized_data": data, "scale": np.float16(0.5), "zero_point": np.int8(1), "axis": np.int32(0)}
    )
    np.testing.assert_array_equal(whole, 0.5 * (data.astype(float) - 1))


def test_cast_keeps_the_numbers():
    found = DECOMPRESSORS["constexpr_cast"](
        {"source_val": np.array([1.5], np.float16), "output_dtype": "fp32"}
    )
    assert found.dtype == np.float32
    assert found[0] == 1.5


def test_each_block_has_a_palette_of_its_own():
    # The example of coremltools' documentation: two palettes over six rows.
    values = {
        "indices": np.array([2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3], np.uint8).reshape(6, 2),
        "lut": np.array([1, 5, 9, 13, 2, 10, 18, 26], np.float16).reshape(2, 1, 4, 1),
    }
    wanted = [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]
    assert DECOMPRESSORS["constexpr_lut_to_dense"](values).tolist() == wanted


def test_entries_may_be_vectors_along_an_axis():
    indices = np.array([[[0, 0], [1, 0]], [[1, 1], [0, 0]]], np.uint8)
    lut = np.array([[1, 2, 3], [4, 5, 6]], np.float16).reshape(1, 1, 1, 2, 3)
    values = {"indices": indices, "lut": lut, "vector_axis": np.int32(1)}
    found = DECOMPRESSORS["constexpr_lut_to_dense"](values)
    assert found.shape == (2, 6, 2)
    assert found[0].tolist() == [[1, 1], [2, 2], [3, 3], [4, 1], [5, 2], [6, 3]]
    found = DECOMPRESSORS["constexpr_lut_to_dense"]({**values, "vector_axis": np.int32(-1)})
    assert found[0].tolist() == [[1, 2, 3, 1, 2, 3], [4, 5, 6, 1, 2, 3]]


def test_each_block_has_a_scale_and_an_offset():
    data = RANDOM.integers(-8, 8, (4, 6)).astype(np.int8)
    scale = RANDOM.uniform(0.1, 1, (2, 3)).astype(np.float16)
    offset = RANDOM.integers(-3, 3, (2, 3)).astype(np.int8)
    found = DECOMPRESSORS["constexpr_blockwise_shift_scale"]({"data": data, "scale": scale, "offset": offset})
    for i in range(4):
        for j in range(6):
            number = np.float16(
                np.float32(scale[i // 2, j // 2]) * (int(data[i, j]) - offset[i // 2, j // 2])
            )
            assert found[i, j] == number


def test_non_zero_weights_are_looked_up_and_spread():
    mask = np.array([[1, 1, 0], [0, 1, 0]], np.uint8)
    values = {
        "indices_mask": mask,
        "indices_nonzero_data": np.array([0, 1, 1], np.uint8),
        "lut": np.array([2, 3], np.float16).reshape(1, 1, 2, 1),
    }
    same, kept = DECOMPRESSORS["constexpr_lut_to_sparse"](values)
    np.testing.assert_array_equal(same, mask)
    dense = DECOMPRESSORS["constexpr_sparse_to_dense"]({"mask": same, "nonzero_data": kept})
    assert dense.tolist() == [[2, 3, 0], [0, 3, 0]]
    vectors = {**values, "lut": np.array([[2, 4], [3, 9]], np.float16).reshape(1, 1, 2, 2)}
    wide, kept = DECOMPRESSORS["constexpr_lut_to_sparse"]({**vectors, "vector_axis": np.int32(0)})
    assert wide.tolist() == [[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert kept.tolist() == [2, 3, 4, 9, 3, 9]


def test_non_zero_codes_are_scaled_where_they_stand():
    # The example of coremltools' documentation.
    values = {
        "data_mask": np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]], np.uint8),
        "nonzero_data": np.array([10, 11, 3, 4, 5, 6, 7, 8, 9], np.int8),
        "scale": np.array([[0.1, 0.2, 0.3, 0.4]], np.float32),
        "offset": np.array([[1, 2, 3, 4]], np.int8),
    }
    _, kept = DECOMPRESSORS["constexpr_sparse_blockwise_shift_scale"](values)
    np.testing.assert_allclose(kept, [0.9, 1.8, 0.2, 0.4, 0.6, 0.9, 1.2, 0.7, 1.4], rtol=1e-6)
