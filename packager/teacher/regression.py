"""Fit the linear regression that a teacher member starts from, on the member's own normalised features."""

from typing import Any

import numpy as np
import tf_keras

from packager.student.normalisation import Normalisation
from packager.student.training import predict
from packager.types import FloatArray, Tensors

PENALTY = 30.0


def fit_regression(
    model: tf_keras.Model, inputs: Tensors, targets: Tensors, normalisation: Normalisation
) -> None:
    """Set the weights of `body_regression` to the ridge solution for differences from the anchors.

    Args:
        model: a lead decoder built with `regression`.
        inputs: training windows.
        targets: training windows; NaN where nothing was reported.
        normalisation: the one the model was built with.
    """
    features, anchors = _features_and_anchors(model, inputs)
    x = np.concatenate([features, np.ones((len(features), 1), np.float32)], axis=1)
    differences = _differences(anchors, targets, normalisation)
    solutions = [_solve(x, difference) for difference in differences]
    # Dense gives (lead × target): targets vary fastest.
    weights = np.stack(solutions, axis=-1).reshape(x.shape[1], -1).astype(np.float32)
    model.get_layer("body_regression").set_weights([weights[:-1], weights[-1]])


def _features_and_anchors(model: tf_keras.Model, inputs: Tensors) -> tuple[FloatArray, FloatArray]:
    anchors = model.get_layer("tail_anchors_per_lead").output
    probe = tf_keras.Model(
        model.inputs, {"features": model.get_layer("head_regression_features").output, "anchors": anchors}
    )
    named = tf_keras.Model(
        {tensor.name.split(":")[0]: tensor for tensor in model.inputs}, probe(model.inputs)
    )
    values: Tensors = predict(named, inputs)
    return values["features"], values["anchors"]


def _differences(anchors: FloatArray, targets: Tensors, normalisation: Normalisation) -> list[FloatArray]:
    def normal(name: str) -> FloatArray:
        centre, width = normalisation.output_scale(name)
        return (targets[name] - centre) / width

    wanted = [normal(name) for name in ("temperature", "dew_point", "pressure_msl")]
    wanted += list(np.moveaxis(normal("wind"), -1, 0))
    return [values - anchors[..., column] for column, values in enumerate(wanted)]


def _solve(x: FloatArray, y: FloatArray) -> Any:
    whole = ~np.isnan(y).any(axis=1)
    x, y = x[whole], y[whole]
    gram = (x.T @ x).astype(np.float64)
    gram[np.diag_indices_from(gram)] += PENALTY
    return np.linalg.solve(gram, (x.T @ y).astype(np.float64))
