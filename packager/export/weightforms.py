"""How a weight matrix of an ML Program is stored: which `constexpr_*` operation, with which numbers.

Nothing here knows coremltools: a matrix comes in, the parameters of an operation go out. iOS 16 and 17 read
packed bytes with a shape beside them; iOS 18 reads types narrower than a byte, scales per block, and a
palette of the non-zero weights.

Source: coremltools 9, `converters/mil/mil/ops/defs/iOS16/constexpr_ops.py` and `iOS18/compression.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager.errors import ConversionFailed
from packager.export.palette import palette

PLAIN = ("fp32", "fp16")
TARGETS = ("ios16", "ios17", "ios18")
# The bits of a palette that fill bytes: zstd finds the frequent codes of these, and not of 3 or 6.
ALIGNED_BITS = (1, 2, 4, 8)
BITS_PER_BYTE = 8
HALF_BYTES = 2
INT8_LARGEST, INT4_LARGEST = 127, 7
# What Apple's kernels are tuned for, and the smallest block whose scales are not a burden.
BLOCK, SMALLEST_BLOCK = 32, 16


@dataclass(frozen=True, slots=True)
class Matrix:
    """Weights of one operation.

    Attributes:
        values: fp16, any shape.
        outputs: the axis of output channels, which have a scale each.
        inputs: the axis of input channels, along which blocks lie.
        target: one of `TARGETS`.
    """

    values: NDArray[Any]
    outputs: int
    inputs: int
    target: str = "ios17"

    @property
    def narrow_types(self) -> bool:
        """Whether the target reads types narrower than a byte."""
        return self.target == "ios18"


@dataclass(frozen=True, slots=True)
class Form:
    """An operation with its parameters; `types` names the element types that numpy does not have."""

    operation: str
    parameters: Mapping[str, Any]
    types: Mapping[str, str] = field(default_factory=dict)


def store(matrix: Matrix, weights: str) -> Form | None:
    """How a matrix is stored.

    Args:
        matrix: the weights.
        weights: one of `WEIGHTS`.

    Returns:
        The operation that gives the matrix; None where plain numbers are smaller.
    """
    return FORMS[weights](matrix)


def check_weights(weights: str, target: str) -> None:
    """Refuse what a target cannot hold.

    Raises:
        ConversionFailed: unknown weights or target, or weights that the target is too old for.
    """
    if weights not in WEIGHTS:
        raise ConversionFailed(
            f"Core ML weights {weights!r} are not known; choose one of {', '.join(WEIGHTS)}."
        )
    if target not in TARGETS:
        raise ConversionFailed(f"Core ML target {target!r} is not known; choose one of {', '.join(TARGETS)}.")
    if weights == "int4" and target != "ios18":
        raise ConversionFailed(
            f"Target {target} cannot hold int4 weights: iOS 18 is the first that reads a scale per block. "
            "Export with target ios18, or choose pal4, which has four bits a weight on every target."
        )


def _palettized(bits: int) -> Callable[[Matrix], Form]:
    def form(matrix: Matrix) -> Form:
        used = _bits(matrix.values, bits)
        table, codes = palette(matrix.values, 1 << used)
        return _look_up(matrix, table, codes, used)

    return form


def _bits(values: NDArray[Any], most: int) -> int:
    """The fewest bits that keep every value, or the most that are allowed."""
    # As float32: on some processors numpy 2.4 does not sort float16 right.
    distinct = len(np.unique(values.astype(np.float32)))
    return next((bits for bits in ALIGNED_BITS if bits < most and distinct <= 1 << bits), most)


def _look_up(matrix: Matrix, table: NDArray[Any], codes: NDArray[np.uint8], bits: int) -> Form:
    shape = matrix.values.shape
    if not matrix.narrow_types:
        packed = {"indices": pack(codes, bits), "lut": table, "shape": np.array(shape, np.uint32)}
        return Form("constexpr_lut_to_dense", packed)
    parameters = {"indices": codes.reshape(shape), "lut": _one_table(table, len(shape))}
    return Form("constexpr_lut_to_dense", parameters, {"indices": f"uint{bits}"})


def _one_table(table: NDArray[Any], rank: int) -> NDArray[Any]:
    """One palette for the whole matrix, of numbers and not of vectors."""
    return table.reshape(*(1,) * rank, -1, 1)


def _int8(matrix: Matrix) -> Form:
    axes = tuple(axis for axis in range(matrix.values.ndim) if axis != matrix.outputs)
    scale = _scale(np.abs(matrix.values).max(axis=axes, keepdims=True), INT8_LARGEST)
    codes = affine_codes(matrix.values, scale, INT8_LARGEST)
    if matrix.narrow_types:
        return Form("constexpr_blockwise_shift_scale", {"data": codes, "scale": scale})
    parameters = {
        "quantized_data": codes,
        "zero_point": np.int8(0),
        "scale": scale.ravel(),
        "axis": np.int32(matrix.outputs),
    }
    return Form("constexpr_affine_dequantize", parameters)


def _int4(matrix: Matrix) -> Form:
    values, axis = matrix.values, matrix.inputs
    width = values.shape[axis]
    block = block_size(width)
    blocked = np.moveaxis(values, (matrix.outputs, axis), (0, 1))
    blocked = blocked.reshape(blocked.shape[0], width // block, -1)
    largest = np.abs(blocked).max(axis=-1)
    largest = largest.reshape(*largest.shape, *(1,) * (values.ndim - 2))
    scale = _scale(np.moveaxis(largest, (0, 1), (matrix.outputs, axis)), INT4_LARGEST)
    codes = affine_codes(values, np.repeat(scale, block, axis), INT4_LARGEST)
    return Form("constexpr_blockwise_shift_scale", {"data": codes, "scale": scale}, {"data": "int4"})


def block_size(width: int) -> int:
    """Input channels that share a scale: a divisor near 32, or all where the width has none.

    coremltools leaves a width that 32 does not divide uncompressed, with a warning.
    """
    divisors = [size for size in range(1, width + 1) if width % size == 0]
    near = [size for size in divisors if SMALLEST_BLOCK <= size <= BLOCK]
    return near[-1] if near else next((size for size in divisors if size > BLOCK), width)


def _scale(largest: NDArray[Any], codes: int) -> NDArray[np.float16]:
    """Steps as they are stored; a channel of zeros, or of numbers too small for a step, has step 1."""
    scale = (largest.astype(np.float32) / codes).astype(np.float16)
    return np.where(scale > 0, scale, np.float16(1))


def affine_codes(values: NDArray[Any], scale: NDArray[Any], largest: int) -> NDArray[np.int8]:
    """The nearest code of every value, in -largest..largest."""
    steps = np.rint(values.astype(np.float32) / scale.astype(np.float32))
    return np.clip(steps, -largest, largest).astype(np.int8)


def _sparse(matrix: Matrix) -> Form | None:
    stands = matrix.values != 0
    if stands.sum() * HALF_BYTES + stands.size / BITS_PER_BYTE >= stands.size * HALF_BYTES:
        return None
    kept = matrix.values[stands]
    if matrix.narrow_types:
        parameters = {"nonzero_data": kept, "mask": stands.astype(np.uint8)}
        return Form("constexpr_sparse_to_dense", parameters, {"mask": "uint1"})
    packed = {"mask": pack(stands.ravel(), 1), "shape": np.array(stands.shape, np.uint32)}
    return Form("constexpr_sparse_to_dense", {"nonzero_data": kept, **packed})


def _sparse_palettized(matrix: Matrix) -> Form:
    """Where the target has no palette of the non-zero weights, or it would be larger: zero is an entry."""
    stands = matrix.values != 0
    kept = matrix.values[stands]
    bits = _bits(kept, 4)
    if not matrix.narrow_types or kept.size * bits + stands.size >= stands.size * _bits(matrix.values, 4):
        return _palettized(4)(matrix)
    table, codes = palette(kept, 1 << bits)
    parameters = {
        "indices_mask": stands.astype(np.uint8),
        "indices_nonzero_data": codes,
        "lut": _one_table(table, stands.ndim),
    }
    types = {"indices_mask": "uint1", "indices_nonzero_data": f"uint{bits}"}
    return Form("constexpr_lut_to_sparse", parameters, types)


def pack(codes: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Codes side by side, least significant bit first."""
    spread = np.unpackbits(codes.astype(np.uint8).reshape(-1, 1), axis=1, bitorder="little")[:, :bits]
    return np.packbits(spread, bitorder="little")


FORMS: Mapping[str, Callable[[Matrix], Form | None]] = {
    "int8": _int8,
    "pal8": _palettized(8),
    "pal6": _palettized(6),
    "pal4": _palettized(4),
    "pal2": _palettized(2),
    "sparse": _sparse,
    "sparse_pal4": _sparse_palettized,
    "int4": _int4,
}
WEIGHTS = (*PLAIN, *FORMS)
