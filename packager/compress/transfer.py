"""Which weights of a released student may move when it learns a region, so that its update is a small patch.

Biases are a hundredth of a student's numbers, and act in every forecast (Ben Zaken et al. 2022,
arXiv:2106.10199). Where weights were clustered, the few values that they share can move too: who shares which
stays, so that an artifact that stores a table and indexes changes in the table only.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from packager.compress.state import State
from packager.errors import TrainingFailed
from packager.student.training import AfterStep
from packager.types import FloatArray, IntArray

PARTS = ("weights", "biases", "shared")


def movable(
    model: tf_keras.Model, state: State, *, layers: str = "", parts: str = "weights"
) -> list[FloatArray]:
    """Masks of the trainable weights that may move: 1 where so, 0 elsewhere.

    Zeros that pruning chose never move. Nor do clustered matrices, but for "shared".

    Args:
        model: the released student.
        state: what was done to it.
        layers: only layers whose names start so; all, when empty.
        parts: "weights" for biases and matrices, "biases", or "shared" for biases and clustered matrices.

    Raises:
        TrainingFailed: nothing may move.
    """
    owners = _owners(model)
    masks = [_mask(weight, owners[id(weight)], state, layers, parts) for weight in model.trainable_weights]
    if any(mask.any() for mask in masks):
        return masks
    if parts == "shared" and not state.clusters:
        raise TrainingFailed(
            "The released student shares no values: no layer of it was clustered. Transfer with mode biases "
            "or regional, or release a recipe with the step cluster."
        )
    raise TrainingFailed(
        f"No layer of the student that may move has a name that starts with {layers!r}; nothing would be "
        "trained."
    )


def _owners(model: tf_keras.Model) -> dict[int, str]:
    return {id(weight): layer.name for layer in model.layers for weight in layer.trainable_weights}


def _mask(weight: Any, layer: str, state: State, layers: str, parts: str) -> FloatArray:
    values, bias = weight.numpy(), len(weight.shape) == 1
    clustered = layer in state.clusters
    moves = layer.startswith(layers) and (
        bias or (parts == "weights" and not clustered) or (parts == "shared" and clustered)
    )
    mask = np.full(values.shape, float(moves), np.float32)
    return mask * (values != 0) if layer in state.sparse and not bias else mask


class SharedValues:
    """Ties the weights of clustered matrices: those that were equal stay equal, whatever a step did to each.

    Each group takes the mean of its weights, which is the step that the shared value itself would have
    taken along the mean of its weights' steps.
    """

    def __init__(self, model: tf_keras.Model, clusters: Mapping[str, int]) -> None:
        """Read who shares a value with whom off the weights as they are."""
        owners = _owners(model)
        self.groups: list[tuple[Any, IntArray, int]] = []
        for weight in model.trainable_weights:
            if owners[id(weight)] in clusters and len(weight.shape) > 1:
                values, group = np.unique(weight.numpy(), return_inverse=True)
                self.groups.append((weight, group.ravel(), values.size))
        self._tied = tf.function(self._tie)

    @property
    def hook(self) -> AfterStep | None:
        """For the training loop; None where nothing is shared."""
        return self.tie if self.groups else None

    def tie(self, _done: int = 0, _steps: int = 0) -> None:
        """Put every group on one value."""
        self._tied()

    def _tie(self) -> None:
        for weight, group, count in self.groups:
            means = tf.math.unsorted_segment_mean(tf.reshape(weight, (-1,)), group, count)
            weight.assign(tf.reshape(tf.gather(means, group), weight.shape))
