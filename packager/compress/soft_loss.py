"""How far a student is from its teacher."""

from typing import Any

import numpy as np
import tensorflow as tf

from packager.compress.labels import label_name
from packager.contract import Contract, Output
from packager.student.losses import WEIGHTS
from packager.student.normalisation import Normalisation


def soft_loss(
    outputs: dict[str, Any],
    targets: dict[str, Any],
    contract: Contract,
    normalisation: Normalisation,
    *,
    temperature: float,
    quantile_matching: bool = True,
) -> Any:
    """Mean over outputs of the distance from the teacher's output, a scalar.

    Quantiles and medians: absolute difference, in widths of the output. Classes: Kullback–Leibler divergence
    of the softened probabilities, times the temperature squared so that its gradient keeps its size (Hinton
    et al. 2015, arXiv:1503.02531).

    Args:
        outputs: the student's by contract name, (case, lead[, level or class]).
        targets: the teacher's, by `label_name`; any precision.
        contract: kinds and levels.
        normalisation: puts every output on one scale.
        temperature: of the classes' probabilities.
        quantile_matching: of an output with quantiles, compare all; else the middle one only.
    """
    total = tf.constant(0.0)
    for spec in contract.outputs:
        label = tf.cast(targets[label_name(spec.name)], tf.float32)
        predicted = outputs[spec.name]
        if spec.kind == "probabilities":
            value = _divergence(predicted, label, temperature)
        elif spec.kind == "quantiles" and not quantile_matching:
            middle = int(np.argmin(np.abs(np.array(spec.levels) - 0.5)))
            value = _distance(spec, predicted[..., middle], label[..., middle], normalisation)
        else:
            value = _distance(spec, predicted, label, normalisation)
        total += WEIGHTS.get(spec.name, 1.0) * value
    return total / sum(WEIGHTS.get(spec.name, 1.0) for spec in contract.outputs)


def _distance(spec: Output, predicted: Any, label: Any, normalisation: Normalisation) -> Any:
    width = normalisation.output_scale(spec.name)[1]
    if spec.name == "precipitation":
        # Amounts are compared by their logarithm: a tenth of a millimetre matters in drizzle, not in a
        # downpour.
        return tf.reduce_mean(tf.abs(tf.math.log((predicted + 0.1) / (label + 0.1))))
    return tf.reduce_mean(tf.abs(predicted - label)) / width


def _divergence(predicted: Any, label: Any, temperature: float) -> Any:
    log_predicted = tf.nn.log_softmax(tf.math.log(predicted + 1e-6) / temperature)
    log_label = tf.nn.log_softmax(tf.math.log(label + 1e-6) / temperature)
    divergence = tf.reduce_sum(tf.exp(log_label) * (log_label - log_predicted), axis=-1)
    return tf.reduce_mean(divergence) * temperature**2
