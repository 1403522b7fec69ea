"""Compressed weights of an ML Program (iOS 16 and 17 forms), decompressed once when a program is opened.

Source: coremltools 9, `converters/mil/mil/ops/defs/iOS16/constexpr_ops.py`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, Any]
BITS_PER_BYTE = 8


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
    """A palette of 2, 4, 16, 64 or 256 entries, and packed indices, least significant bit first."""
    lut = values["lut"]
    shape = tuple(int(size) for size in np.ravel(values["shape"]))
    bits = round(math.log2(lut.size))
    unpacked = np.unpackbits(values["indices"].view(np.uint8), bitorder="little")
    digits = unpacked[: math.prod(shape) * bits].reshape(-1, bits)
    indices = digits @ (1 << np.arange(bits))
    return np.asarray(lut[indices].reshape(shape))


def sparse_to_dense(values: Values) -> NDArray[Any]:
    """Non-zero values, and a bit mask of where they stand, least significant bit first."""
    shape = tuple(int(size) for size in np.ravel(values["shape"]))
    mask = np.unpackbits(values["mask"].view(np.uint8), bitorder="little")[: math.prod(shape)].astype(bool)
    dense = np.zeros(math.prod(shape), values["nonzero_data"].dtype)
    dense[mask] = values["nonzero_data"]
    return dense.reshape(shape)


DECOMPRESSORS: dict[str, Callable[[Values], NDArray[Any]]] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_cast": cast,
    "constexpr_lut_to_dense": lut_to_dense,
    "constexpr_sparse_to_dense": sparse_to_dense,
}
