"""Which layers compression may touch, and the one matrix of weights that each of them has."""

from typing import Any

import numpy as np
from tf_keras import layers

from packager.types import FloatArray

BODY = "body_"
KERNEL_LAYERS = (layers.Dense, layers.Conv2D, layers.DepthwiseConv2D)


def compressible(model: Any, prefix: str = BODY) -> list[Any]:
    """Layers of the body that have a kernel, in the model's order.

    Args:
        model: a functional Keras model.
        prefix: only layers whose names start so; those outside the body never are.
    """
    return [
        layer
        for layer in model.layers
        if layer.name.startswith(BODY) and layer.name.startswith(prefix) and isinstance(layer, KERNEL_LAYERS)
    ]


def kernel_of(layer: Any) -> Any:
    """The variable that holds a layer's kernel: inputs on its last axis but one, outputs on its last."""
    return layer.depthwise_kernel if isinstance(layer, layers.DepthwiseConv2D) else layer.kernel


def channel_axis(layer: Any) -> int:
    """The axis of a layer's kernel along which its outputs lie; a depthwise layer's are its inputs."""
    return 2 if isinstance(layer, layers.DepthwiseConv2D) else kernel_of(layer).shape.rank - 1


def rounded(kernel: FloatArray, bits: int, axis: int) -> FloatArray:
    """A kernel as formats store it: integers with a scale for each output, or half precision from 16 bits.

    Args:
        kernel: any shape.
        bits: 2 to 8, symmetric around zero: 4 bits hold −7 to 7; or 16.
        axis: of the outputs.
    """
    if bits >= 16:
        return kernel.astype(np.float16).astype(np.float32)
    others = tuple(index for index in range(kernel.ndim) if index != axis)
    largest = np.abs(kernel).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest, 1.0) / (2 ** (bits - 1) - 1)
    return np.asarray(np.round(kernel / scale) * scale, np.float32)
