"""Norms of kernels that training can be charged for, so that weights which do little become small."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from packager.compress.layers import channel_axis, kernel_of

# Inside the square root of a group's norm, whose slope at zero would not be a number.
SMALL = 1e-12


def weight_penalty(layers: Sequence[Any], *, l1: float, l2: float, group: float) -> Callable[[], Any] | None:
    """What training is charged for the kernels of some layers.

    Args:
        layers: whose kernels are meant; biases are free.
        l1: of the sum of absolute weights.
        l2: of the sum of squared weights.
        group: of the L2,1 norms over outputs (columns, channels) and over inputs (rows); see `group_norm`.

    Returns:
        A function of nothing that gives a scalar; None where nothing is charged.
    """
    if not (l1 or l2 or group):
        return None

    def penalty() -> Any:
        total = tf.constant(0.0)
        for layer in layers:
            kernel = kernel_of(layer)
            total += l1 * tf.reduce_sum(tf.abs(kernel)) + l2 * tf.reduce_sum(tf.square(kernel))
            # Zero times a slope that is not finite would still spoil the step.
            total += group * group_norm(kernel, channel_axis(layer)) if group else 0.0
        return total

    return penalty


def group_norm(kernel: Any, outputs: int) -> Any:
    """Sum over groups of their Euclidean norm times the root of their size: outputs, and then inputs.

    Args:
        kernel: of any shape.
        outputs: the axis of the outputs; all others together are the inputs.

    Source: Yuan and Lin (2006), doi:10.1111/j.1467-9868.2005.00532.x.
    """
    inputs = [axis for axis in range(kernel.shape.rank) if axis != outputs]
    squares = tf.square(kernel)
    return sum(_norms(squares, axes) for axes in (inputs, [outputs]))


def _norms(squares: Any, axes: list[int]) -> Any:
    size = 1
    for axis in axes:
        size *= int(squares.shape[axis])
    return tf.sqrt(float(size)) * tf.reduce_sum(tf.sqrt(tf.reduce_sum(squares, axis=axes) + SMALL))
