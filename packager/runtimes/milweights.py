"""Compressed weights of an ML Program, decompressed once when a program is opened.

Two generations share names: up to iOS 17 an operation has packed bytes and says the shape beside them; since
iOS 18 values have types narrower than a byte and shapes of their own, scales and palettes may belong to
blocks of a matrix, and one operation may take what another gives.

Source: coremltools 9, `converters/mil/mil/ops/defs/iOS16/constexpr_ops.py` and `iOS18/compression.py`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, Any]
Given = NDArray[Any] | tuple[NDArray[Any], ...]


def unpack(packed: NDArray[np.uint8], bits: int, count: int) -> NDArray[Any]:
    """Numbers of a few bits each, side by side, least significant bit first."""
    digits = np.unpackbits(packed, bitorder="little")[: count * bits].reshape(count, bits)
    return digits @ (1 << np.arange(bits))


def affine_dequantize(values: Values) -> NDArray[Any]:
    """Scale × (data − zero point), one scale per tensor or per index of `axis`."""
    data = values["quantized_data"]
    shape = [1] * data.ndim
    if np.ndim(values["scale"]):
        shape[int(values["axis"])] = -1
    scale = np.reshape(values["scale"], shape)
    zero = np.reshape(values["zero_point"], shape if np.ndim(values["zero_point"]) else [1] * data.ndim)
    return np.asarray(scale * (data.astype(np.float32) - zero), np.asarray(values["scale"]).dtype)


def cast(values: Values) -> NDArray[Any]:
    """The same numbers in another floating-point type."""
    types = {"fp16": np.float16, "fp32": np.float32}
    return np.asarray(values["source_val"]).astype(types[values["output_dtype"]])


def lut_to_dense(values: Values) -> NDArray[Any]:
    """A palette of 2, 4, 16, 64 or 256 entries and packed indices; or palettes of blocks or of vectors."""
    if "shape" not in values:
        return _look_up(values["indices"], values["lut"], values.get("vector_axis"))
    lut, shape = values["lut"], _shape(values)
    indices = unpack(values["indices"].view(np.uint8), round(math.log2(lut.size)), math.prod(shape))
    return np.asarray(lut[indices].reshape(shape))


def sparse_to_dense(values: Values) -> NDArray[Any]:
    """Non-zero values, and a mask of where they stand: packed bits with a shape, or a type of one bit."""
    mask, kept = values["mask"], np.asarray(values["nonzero_data"])
    if "shape" in values:
        shape = _shape(values)
        mask = unpack(mask.view(np.uint8), 1, math.prod(shape)).reshape(shape)
    return _spread(kept, mask)


def blockwise_shift_scale(values: Values) -> NDArray[Any]:
    """Scale × (data − offset), a scale for every block of the matrix; computed in the scale's type."""
    data, scale = values["data"], values["scale"]
    where = _blocks(data.shape, scale.shape)
    numbers = data.astype(np.float32)
    if "offset" in values:
        numbers = numbers - values["offset"][where]
    return np.asarray(numbers * scale[where], scale.dtype)


def lut_to_sparse(values: Values) -> tuple[NDArray[Any], NDArray[Any]]:
    """A mask and the non-zero values in it, from palettes and the indices of the non-zero values."""
    mask, axis = values["indices_mask"], values.get("vector_axis")
    dense = _look_up(_spread(values["indices_nonzero_data"], mask), values["lut"], axis)
    if axis is not None:
        mask = np.repeat(mask, values["lut"].shape[-1], axis=int(axis))
    return mask, dense[mask != 0]


def sparse_blockwise_shift_scale(values: Values) -> tuple[NDArray[Any], NDArray[Any]]:
    """A mask and the non-zero values in it, from codes of those and scales of the whole matrix."""
    mask = values["data_mask"]
    dense = blockwise_shift_scale({**values, "data": _spread(values["nonzero_data"], mask)})
    return mask, dense[mask != 0]


def _shape(values: Values) -> tuple[int, ...]:
    return tuple(int(size) for size in np.ravel(values["shape"]))


def _spread(kept: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    dense = np.zeros(mask.shape, kept.dtype)
    dense[mask != 0] = kept
    return dense


def _blocks(shape: tuple[int, ...], counts: tuple[int, ...]) -> tuple[NDArray[np.intp], ...]:
    """For every element of a shape the block that it lies in, of so many along each axis."""
    return np.ix_(*(np.arange(size) // (size // count) for size, count in zip(shape, counts, strict=True)))


def _look_up(indices: NDArray[Any], lut: NDArray[Any], vector_axis: Any) -> NDArray[Any]:
    """Palettes (block, …, entry, element of a vector); vectors lie along an axis of the result."""
    vectors = lut[(*_blocks(indices.shape, lut.shape[:-2]), indices)]
    width = vectors.shape[-1]
    if width == 1:
        return np.asarray(vectors[..., 0])
    axis = int(vector_axis) % indices.ndim
    shape = [size * width if index == axis else size for index, size in enumerate(indices.shape)]
    return np.asarray(np.moveaxis(vectors, -1, axis + 1).reshape(shape))


DECOMPRESSORS: dict[str, Callable[[Values], Given]] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_cast": cast,
    "constexpr_lut_to_dense": lut_to_dense,
    "constexpr_lut_to_sparse": lut_to_sparse,
    "constexpr_sparse_blockwise_shift_scale": sparse_blockwise_shift_scale,
    "constexpr_sparse_to_dense": sparse_to_dense,
}
