"""Losses that leave out what was not reported: pinball for quantiles, cross-entropy for classes."""

from typing import Any

import tensorflow as tf

from packager.contract import Contract, Output
from packager.student.normalisation import Normalisation

# About one over each output's usual loss, so that each pulls alike; precipitation less: it is rare and soon
# known by heart.
WEIGHTS = {
    "temperature": 4.0,
    "dew_point": 2.0,
    "pressure_msl": 1.5,
    "wind_speed": 2.5,
    "cloud_cover": 3.0,
    "cloud_base": 0.5,
    "precipitation_type": 1.5,
    "precipitation": 0.3,
}


def hard_loss(
    outputs: dict[str, Any], targets: dict[str, Any], contract: Contract, normalisation: Normalisation
) -> Any:
    """Mean over outputs of each one's loss against what happened.

    Args:
        outputs: by contract name, (case, lead[, level or class]).
        targets: by contract name, (case, lead[, 2]); NaN where nothing was reported; classes as indices.
        contract: kinds and levels.
        normalisation: puts every output on one scale.

    Returns:
        A scalar.
    """
    total = tf.constant(0.0)
    for spec in contract.outputs:
        loss = _loss_of(spec, outputs[spec.name], targets, normalisation)
        total += WEIGHTS.get(spec.name, 1.0) * loss
    return total / sum(WEIGHTS.get(spec.name, 1.0) for spec in contract.outputs)


def _loss_of(spec: Output, predicted: Any, targets: dict[str, Any], normalisation: Normalisation) -> Any:
    target = targets[spec.name]
    if spec.kind == "probabilities":
        return _cross_entropy(predicted, target)
    if spec.name == "precipitation":
        # The amount is asked for only where the hour was wet.
        target = tf.where(target > 0, target, float("nan"))
    width = normalisation.output_scale(spec.name)[1]
    if spec.kind == "quantiles":
        return _pinball(predicted, target, spec.levels) / width * 2.0
    return _masked_mean(tf.abs(predicted - _filled(target)), target) / width


def _pinball(predicted: Any, target: Any, levels: tuple[float, ...]) -> Any:
    error = tf.expand_dims(_filled(target), -1) - predicted
    level = tf.constant(levels)
    each = tf.reduce_mean(tf.maximum(level * error, (level - 1.0) * error), axis=-1)
    return _masked_mean(each, target)


def _cross_entropy(predicted: Any, target: Any) -> Any:
    index = tf.cast(_filled(target), tf.int32)
    chosen = tf.reduce_sum(predicted * tf.one_hot(index, predicted.shape[-1]), axis=-1)
    return _masked_mean(-tf.math.log(chosen + 1e-6), target)


def _filled(target: Any) -> Any:
    return tf.where(tf.math.is_nan(target), 0.0, target)


def _masked_mean(values: Any, target: Any) -> Any:
    reported = tf.cast(~tf.math.is_nan(target), tf.float32)
    return tf.reduce_sum(values * reported) / (tf.reduce_sum(reported) + 1.0)
