"""What a student costs before it is trained: bytes from below, and multiplications of one forecast."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

# Bits of a stored weight; mixed may use four for all.
BITS = {"w8": 8, "w8a8": 8, "int8": 8, "fp16": 16, "fp32": 32, "dynamic": 8, "w4": 4, "mixed": 4, "pal6": 6}
PALETTE_BITS = 4
# Trained weights are not evenly spread over their codes: measured archives hold 0.85 to 0.95 of the bits.
ENTROPY_SHARE = 0.8
# What factorizing leaves at the least; how much it does is only known when it is done.
FACTORIZED_SHARE = 0.25


def multiplications(model: Any) -> int:
    """Multiplications of one forecast: products with a weight, zeros too, as kernels do them.

    Args:
        model: a tf_keras functional model.

    Source: a layer's kernel is used once for each position of its output in time or lead; a depthwise
    kernel likewise.
    """
    return sum(_layer_products(layer) for layer in model.layers if layer.name.startswith("body_"))


def _layer_products(layer: Any) -> int:
    kernels = [weight for weight in layer.trainable_weights if weight.shape.rank > 1]
    weights = int(sum(np.prod(weight.shape) for weight in kernels))
    return weights * int(np.prod(layer.output_shape[1:-1], dtype=int))


def least_bytes(parameters: int, document: Mapping[str, Any]) -> int:
    """Fewer bytes than the recipe's bundle can have on the wire, for one forecast's weights alone.

    It is a bound from below: what exceeds a limit here, exceeds it when it is built.

    Args:
        parameters: of the student before any step.
        document: the recipe.
    """
    steps = {name: options for step in document["steps"] for name, options in step.items()}
    export = document["export"]
    bits = float(BITS.get(export.get("quantization", export.get("weights")), PALETTE_BITS))
    if "cluster" in steps:
        bits = min(bits, math.log2(steps["cluster"]["clusters"]))
    kept = float(parameters)
    if "prune_structure" in steps:
        # A matrix loses rows and columns.
        kept *= (1.0 - steps["prune_structure"]["remove"]) ** 2
    if "factorize" in steps:
        kept *= FACTORIZED_SHARE
    return int(kept * _bits_of_sparse(bits, _sparsity(steps)) * ENTROPY_SHARE / 8)


def _sparsity(steps: Mapping[str, Mapping[str, Any]]) -> float:
    """The largest share of zeros in any layer."""
    options = steps.get("prune_weights", {})
    return float(max([options.get("sparsity") or 0.0, *options.get("per_layer", {}).values()]))


def _bits_of_sparse(bits: float, zeros: float) -> float:
    """Bits of a weight that is zero so often: where the zeros are (Shannon's entropy), and the others."""
    if not 0.0 < zeros < 1.0:
        return bits
    where = -(zeros * math.log2(zeros) + (1.0 - zeros) * math.log2(1.0 - zeros))
    return min(bits, where + (1.0 - zeros) * bits)
