"""Which rule of litert-quantizer each matrix of the body gets, and the ranges that its codes span.

Ranges are chosen here, not by the quantizer, so that a scale is a float of few bits: a body has a scale for
every channel and one for every bias, and an archive cannot compress floats that need all their bits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from litert_quantizer import qtyping, quantizer, recipe_manager
from litert_quantizer.utils import tfl_flatbuffer_utils
from numpy.typing import NDArray

from packager.compress.state import State
from packager.errors import ConversionFailed
from packager.student.lead_decoder import PROJECTION

# A TFLite operation is named by the path of the layer that made it.
BODY = r"(^|/)body_"
LAYER = re.compile(r"(?:^|/)(body_[a-z0-9_]+)")
OPERATORS = schema.BuiltinOperator
# The axis of a matrix along which each channel has its own scale.
CHANNEL_AXIS = {OPERATORS.CONV_2D: 0, OPERATORS.FULLY_CONNECTED: 0, OPERATORS.DEPTHWISE_CONV_2D: 3}
OPERATIONS = qtyping.TFLOperationName
GRANULARITY = qtyping.QuantGranularity
BLOCK = 32
# Bits of a scale after its leading one. A product of two such scales, which a bias has, still leaves the last
# byte of the float empty; a scale is rounded up by a sixteenth at most.
SCALE_BITS = 4
ACTIVATION_BITS = {"w8a8": 8, "w8a16": 16}
MIXED_BITS = (4, 8, 16)
# Small files with the arithmetic of floats: weights are codes, and everything is computed in float.
WEIGHTS_ONLY = ("w8", "mixed")
# The quantizer's own floor, for channels that are zero throughout.
SMALLEST_BOUND = 1e-9

Ranges = dict[str, dict[str, Any]]
Rules = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A constant matrix of the body in a float TFLite model.

    Attributes:
        layer: the Keras layer that it belongs to.
        tensor: name of its tensor.
        scope: name by which the quantizer knows the operation that reads it.
        operator: TFLite's code of that operation.
        values: as TFLite stores it.
    """

    layer: str
    tensor: str
    scope: str
    operator: int
    values: NDArray[np.float32]


def body_matrices(content: bytes) -> list[Matrix]:
    """Every matrix of the body, in the order of the operations."""
    model = tfl_flatbuffer_utils.read_model(content)
    (graph,) = model.subgraphs
    found: list[Matrix] = []
    for operation in graph.operators:
        code = model.operatorCodes[operation.opcodeIndex].builtinCode
        scope = tfl_flatbuffer_utils.get_op_scope(operation, graph.tensors)
        if code not in CHANNEL_AXIS or not re.search(BODY, scope):
            continue
        tensor = graph.tensors[operation.inputs[1]]
        data, name = model.buffers[tensor.buffer].data, tensor.name.decode()
        layer = LAYER.search(name) or LAYER.search(scope)
        if data is not None and layer is not None:
            values = np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)
            found.append(Matrix(layer[1], name, scope, code, values))
    return found


def check_bits(state: State) -> None:
    """Refuse a student that mixed precision cannot store.

    Raises:
        ConversionFailed: it has no bits by layer, or others than 4, 8 and 16.
    """
    if not state.precision:
        raise ConversionFailed(
            "Mixed precision needs the bits of each layer, and the student has none. "
            "Run the step mixed_precision first."
        )
    for layer, bits in state.precision.items():
        if bits not in MIXED_BITS:
            raise ConversionFailed(
                f"Layer {layer} is to have {bits} bits; TFLite stores {MIXED_BITS} of them."
            )


def rules_for(
    quantization: str, matrices: list[Matrix], state: State, *, float_results: bool = True
) -> Rules:
    """The quantizer's recipe: one rule for the body, and one for each matrix that differs.

    The raw numbers of the outputs, which the projection gives, stay float unless `float_results` is false.
    """
    manager = recipe_manager.RecipeManager()
    if quantization in WEIGHTS_ONLY:
        for matrix in matrices:
            bits = bits_of(matrix, quantization, state)
            _add_weights(manager, _only(matrix), bits, _granularity(matrix, state, bits))
        return manager.get_quantization_recipe()  # type: ignore[no-any-return]
    _add(manager, quantization, BODY, GRANULARITY.CHANNELWISE)
    for matrix in matrices:
        if matrix.layer == PROJECTION and quantization != "fp16" and float_results:
            _add_weights(manager, _only(matrix), 8, _granularity(matrix, state, 8))
        elif quantization == "w4" and _fits_blocks(matrix):
            # Block-wise weights have no kernel with float activations: these are rounded as they come.
            manager.add_dynamic_config(
                regex=_only(matrix),
                operation_name=OPERATIONS.FULLY_CONNECTED,
                num_bits=4,
                granularity=GRANULARITY.BLOCKWISE_32,
            )
        elif _granularity(matrix, state, 8) == GRANULARITY.TENSORWISE:
            _add(manager, quantization, _only(matrix), GRANULARITY.TENSORWISE)
    return manager.get_quantization_recipe()  # type: ignore[no-any-return]


def bits_of(matrix: Matrix, quantization: str, state: State) -> int:
    """Bits of each weight of a matrix."""
    if quantization == "mixed":
        return state.precision.get(matrix.layer, 8)
    return 4 if quantization == "w4" and matrix.layer != PROJECTION else 8


def _add(manager: Any, quantization: str, regex: str, granularity: Any) -> None:
    if quantization in ACTIVATION_BITS:
        manager.add_static_config(
            regex=regex,
            operation_name=OPERATIONS.ALL_SUPPORTED,
            activation_num_bits=ACTIVATION_BITS[quantization],
            weight_num_bits=8,
            weight_granularity=granularity,
        )
    elif quantization == "dynamic":
        manager.add_dynamic_config(
            regex=regex, operation_name=OPERATIONS.ALL_SUPPORTED, num_bits=8, granularity=granularity
        )
    else:
        # Four bits of weights stay per channel: the few codes hold shared values in any case.
        _add_weights(manager, regex, {"w4": 4, "fp16": 16}[quantization], GRANULARITY.CHANNELWISE)


def _add_weights(manager: Any, regex: str, bits: int, granularity: Any) -> None:
    algorithm = quantizer.AlgorithmName
    manager.add_weight_only_config(
        regex=regex,
        operation_name=OPERATIONS.ALL_SUPPORTED,
        num_bits=bits,
        granularity=granularity,
        algorithm_key=algorithm.FLOAT_CASTING if bits == 16 else algorithm.MIN_MAX_UNIFORM_QUANT,
    )


def _only(matrix: Matrix) -> str:
    return f"^{re.escape(matrix.scope)}$"


def _fits_blocks(matrix: Matrix) -> bool:
    return bool(matrix.operator == OPERATORS.FULLY_CONNECTED) and matrix.values.shape[1] % BLOCK == 0


def _granularity(matrix: Matrix, state: State, bits: int) -> Any:
    """One scale for a matrix of shared values: a scale per channel would make many codes of each of them."""
    shared = matrix.layer in state.clusters and bits == 8
    return GRANULARITY.TENSORWISE if shared else GRANULARITY.CHANNELWISE


def weight_ranges(quantization: str, matrices: list[Matrix], state: State) -> Ranges:
    """What the codes of each matrix span, by its tensor's name; empty where the quantizer must choose."""
    if quantization == "fp16":
        return {}
    found: Ranges = {}
    for matrix in matrices:
        bits = bits_of(matrix, quantization, state)
        # Weights that learned with rounding stand on their own grid, which another scale would leave.
        kept = bits == 16 or matrix.layer in state.rounded
        blocks = quantization == "w4" and matrix.layer != PROJECTION and _fits_blocks(matrix)
        if not (kept or blocks):
            found[matrix.tensor] = _weight_range(matrix, _granularity(matrix, state, bits), bits)
    return found


def _weight_range(matrix: Matrix, granularity: Any, bits: int) -> dict[str, Any]:
    axis = CHANNEL_AXIS[matrix.operator] if granularity == GRANULARITY.CHANNELWISE else None
    others = tuple(index for index in range(matrix.values.ndim) if index != axis)
    highest = 2 ** (bits - 1) - 1
    bound = np.maximum(np.abs(matrix.values).max(axis=others, keepdims=True), SMALLEST_BOUND)
    bound = (short_scale(bound / highest) * highest).astype(np.float32)
    return {"min": -bound, "max": bound}


def activation_ranges(ranges: Mapping[str, Mapping[str, Any]], quantization: str) -> Ranges:
    """Measured ranges, a little wider: so that their scales are short."""
    widen = _symmetric if ACTIVATION_BITS[quantization] == 16 else _asymmetric
    return {name: {**given, **widen(given["min"], given["max"])} for name, given in ranges.items()}


def _asymmetric(low: NDArray[Any], high: NDArray[Any]) -> dict[str, Any]:
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    scale = short_scale(np.maximum(high - low, SMALLEST_BOUND) / 255)
    zero = np.rint(-128 - low / scale)
    return {"min": (-128 - zero) * scale, "max": (127 - zero) * scale}


def _symmetric(low: NDArray[Any], high: NDArray[Any]) -> dict[str, Any]:
    bound = np.maximum(np.maximum(np.abs(low), np.abs(high)), SMALLEST_BOUND)
    bound = (short_scale(bound / 32767) * 32767).astype(np.float32)
    return {"min": -bound, "max": bound}


def short_scale(scale: Any) -> NDArray[np.float32]:
    """The next number above a positive one that has `SCALE_BITS` bits after its leading one."""
    fraction, exponent = np.frexp(np.asarray(scale, np.float64))
    steps = 2 ** (SCALE_BITS + 1)
    return np.asarray(np.ldexp(np.ceil(fraction * steps) / steps, exponent), np.float32)
