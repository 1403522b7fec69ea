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
