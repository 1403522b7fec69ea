"""How much each unit of a model matters: by the norms of its weights, or by what the loss would change."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from packager.compress.distil import Lesson
from packager.compress.layers import compressible, kernel_of
from packager.compress.units import Units
from packager.types import FloatArray, IntArray

TAYLOR_BATCHES = 8


def norm_importance(model: Any, units: Units, *, order: int) -> FloatArray:
    """By unit: the norm of the weights that make it times the norm of those that read it.

    With either norm alone a unit that nobody reads could count as important, and halving what makes a ReLU
    unit while doubling what reads it, which changes nothing, would change its rank. Filters ranked by their
    norms: Li et al. (2017), arXiv:1608.08710.

    Args:
        model: the student.
        units: of the same model.
        order: 1 or 2.
    """
    made, read = np.zeros((2, _count(units)))
    for layer in compressible(model):
        kernel = np.abs(kernel_of(layer).numpy()) ** order
        if layer.name in units.made:
            np.add.at(made, units.made[layer.name], kernel.sum(axis=tuple(range(kernel.ndim - 1))))
            if layer.use_bias:
                np.add.at(made, units.made[layer.name], np.abs(layer.bias.numpy()) ** order)
            inputs = kernel.sum(axis=(*range(kernel.ndim - 2), kernel.ndim - 1))
            np.add.at(read, units.read[layer.name], inputs)
    return np.asarray((made * read) ** (1 / order))


def taylor_importance(model: Any, units: Units, lesson: Lesson, batches: int = TAYLOR_BATCHES) -> FloatArray:
    """By unit: |Σ gradient × weight| over what makes it, summed over batches of the lesson.

    The sum is what the loss would change, to first order, if the unit were scaled away. Source: Molchanov et
    al. (2019), "Importance Estimation for Neural Network Pruning", arXiv:1906.10771.
    """
    importance = np.zeros(_count(units))
    layers = [layer for layer in compressible(model) if layer.name in units.made]
    variables = [weight for layer in layers for weight in layer.trainable_weights]

    @tf.function  # type: ignore[untyped-decorator]
    def slopes(inputs: dict[str, Any], targets: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            loss = lesson.loss(model(inputs, training=False), targets)
        return tape.gradient(loss, variables, unconnected_gradients="zero")

    owner = [layer.name for layer in layers for _ in layer.trainable_weights]
    for inputs, targets in _batches(lesson, batches):
        change = np.zeros_like(importance)
        for name, variable, slope in zip(owner, variables, slopes(inputs, targets), strict=True):
            product = (slope.numpy() * variable.numpy()).reshape(-1, variable.shape[-1])
            np.add.at(change, units.made[name], product.sum(axis=0))
        importance += np.abs(change)
    return importance


def least_important(units: IntArray, importance: FloatArray, count: int) -> IntArray:
    """So many units of each set, (set, unit), the least important first; never all of them."""
    order = np.argsort(importance[units], axis=1, kind="stable")
    return np.take_along_axis(units, order[:, : max(0, min(count, units.shape[1] - 1))], axis=1)


def _count(units: Units) -> int:
    return 1 + max(int(labels.max()) for labels in units.made.values())


def _batches(lesson: Lesson, count: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Cases spread evenly over the lesson, in batches of its own size."""
    cases = len(lesson.windows)
    chosen = np.linspace(0, cases - 1, min(cases, count * lesson.training.batch)).astype(int)
    for index in np.array_split(chosen, count):
        yield (
            {name: tf.constant(values[index]) for name, values in lesson.windows.inputs.items()},
            {name: tf.constant(values[index].astype(np.float32)) for name, values in lesson.targets.items()},
        )
