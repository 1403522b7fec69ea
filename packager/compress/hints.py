"""Hints: a student's layers learn to give what the teacher's layers of the same names give.

FitNets (Romero et al. 2015, arXiv:1412.6550). A student is narrower than its teacher: a linear projection
from its layer to the teacher's learns with it, and exists in training only. Unlike there, hints and outputs
are learned at once, not one after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers

from packager.compress.labels import half_precision
from packager.compress.lesson import Lesson
from packager.errors import ArtifactRefused, TrainingFailed
from packager.student import load_student, read_description
from packager.student.training import predict
from packager.types import FloatArray, Tensors

LAYERED = ("lead_decoder", "ensemble")


@dataclass(frozen=True)
class Hints:
    """What the teacher's layers gave, by layer.

    `values` are (case, ..., width) of each training case; `spreads` their standard deviations, which put
    layers of large and of small numbers on one scale.
    """

    values: Tensors
    spreads: dict[str, float]

    @classmethod
    def take(cls, teacher: Path, inputs: Tensors, names: Sequence[str]) -> "Hints":
        """Run the first member of the teacher and keep what some of its layers give.

        Raises:
            TrainingFailed: the teacher has no layers that are known here, or none of a name.
        """
        member = _first_member(teacher)
        _check_known(member, names, "teacher")
        outputs = {name: member.get_layer(name).output for name in names}
        values = predict(tf_keras.Model(_by_name(member), outputs), inputs)
        spreads = {name: _spread(name, given) for name, given in values.items()}
        return cls({name: half_precision(given) for name, given in values.items()}, spreads)

    def give(self, lesson: Lesson, model: tf_keras.Model, weight: float) -> tuple[Lesson, tf_keras.Model]:
        """Add the hints to a lesson, and to a student the projections that take them.

        Args:
            lesson: whose training cases the hints are of.
            model: the student; it is trained when the model that is given back is, and stays as it is.
            weight: of all hints together.

        Raises:
            TrainingFailed: the student lacks a layer, or its layer is of another shape but for the width.
        """
        _check_known(model, list(self.values), "student")
        projected = {_key(name): self._projection(model, name) for name in self.values}

        def loss(outputs: dict[str, Any], targets: dict[str, Any]) -> Any:
            return lesson.loss(outputs, targets) + weight * self._distance(outputs, targets)

        values = {_key(name): given for name, given in self.values.items()}
        taught = tf_keras.Model(_by_name(model), dict(model.output) | projected)
        return replace(lesson, targets=lesson.targets | values, loss=loss), taught

    def _projection(self, model: tf_keras.Model, name: str) -> Any:
        own, given = model.get_layer(name).output, self.values[name]
        if tuple(own.shape[1:-1]) != given.shape[1:-1]:
            raise TrainingFailed(
                f"Layer {name} gives {own.shape[1:-1]} places in the student and {given.shape[1:-1]} in the "
                "teacher; a hint may differ in width only. Choose another layer."
            )
        return layers.Dense(given.shape[-1], name=_key(name))(own)

    def _distance(self, outputs: dict[str, Any], targets: dict[str, Any]) -> Any:
        """Mean over layers of the squared difference, in variances of the teacher's layer."""
        squares = [
            tf.reduce_mean(tf.square((outputs[_key(name)] - targets[_key(name)]) / spread))
            for name, spread in self.spreads.items()
        ]
        return tf.add_n(squares) / len(squares)


def _first_member(teacher: Path) -> tf_keras.Model:
    try:
        kind = read_description(teacher).get("kind")
    except ArtifactRefused:
        kind = None
    if kind not in LAYERED:
        raise TrainingFailed(
            "Hints are what a teacher's layers give, and this teacher is none that was trained here: its "
            "layers are not known. Remove hints from the recipe's distil block."
        )
    model = load_student(teacher)
    return model.get_layer("member0") if kind == "ensemble" else model


def _check_known(model: tf_keras.Model, names: Sequence[str], whose: str) -> None:
    known = [layer.name for layer in model.layers if layer.name.startswith("body_")]
    if unknown := sorted(set(names) - set(known)):
        raise TrainingFailed(
            f"The {whose} has no layer {', '.join(unknown)} to take a hint from or give one to. "
            f"Its layers are {', '.join(known)}."
        )


def _by_name(model: tf_keras.Model) -> dict[str, Any]:
    # An ensemble's member takes a list, a student a dict: both have input layers of the contract's names.
    return {name: model.get_layer(name).output for name in model.input_names}


def _spread(name: str, values: FloatArray) -> float:
    spread = float(np.std(values, dtype=np.float64))
    if not np.isfinite(spread) or spread == 0:
        raise TrainingFailed(
            f"The teacher's layer {name} gives numbers whose spread is {spread}: there is nothing to learn "
            "from it. Choose another layer."
        )
    return spread


def _key(layer: str) -> str:
    return f"hint_{layer}"
