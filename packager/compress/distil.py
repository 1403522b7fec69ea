"""Distillation: a small model learns the teacher's quantiles and probabilities, mixed with what happened."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from packager.contract import Contract, Output
from packager.dataset.known import hide_guidance
from packager.dataset.windows import Windows
from packager.student import describe, load_student, save_student
from packager.student.lead_decoder import LeadDecoderConfig, build_lead_decoder, split_projections
from packager.student.losses import WEIGHTS, hard_loss
from packager.student.normalisation import Normalisation
from packager.student.training import (
    AfterStep,
    Loss,
    Progress,
    TrainingOptions,
    TrainingResult,
    predict,
    train,
)
from packager.types import FloatArray, Tensors

HALF_PRECISION_BELOW = 128.0


@dataclass(frozen=True, slots=True)
class DistilOptions:
    """How a student learns from a teacher.

    Attributes:
        temperature: softens the classes' probabilities of both; above 1 the unlikely classes teach too.
        hard_share: weight of what really happened, 0..1; the rest is the teacher.
        training: epochs, rate, noise.
    """

    temperature: float = 2.0
    hard_share: float = 0.1
    training: TrainingOptions = field(
        default_factory=lambda: TrainingOptions(epochs=12, learning_rate=4e-3, weight_decay=1e-3, patience=12)
    )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def distil(
    *,
    teacher: Path,
    windows: Windows,
    stopping: Windows,
    contract: Contract,
    normalisation: Normalisation,
    config: LeadDecoderConfig,
    options: DistilOptions,
    folder: Path,
    progress: Progress,
) -> TrainingResult:
    """Train a student and save it.

    Args:
        teacher: folder of the saved teacher.
        windows: training cases; the teacher labels them first.
        stopping: the early-stopping block, labelled too.
        contract: inputs and outputs.
        normalisation: the student's own.
        config: the student's sizes.
        options: how it learns.
        folder: where the student is saved.
        progress: told after every epoch.
    """
    model = build_lead_decoder(contract, normalisation, config, fused=True)
    lesson = Lesson.prepare(teacher, windows, stopping, contract, normalisation, options)
    result = lesson.teach(model, progress)
    model = split_projections(model, contract, normalisation, config)
    save_student(model, describe("lead_decoder", contract, normalisation, [config]), folder)
    return result


@dataclass(frozen=True)
class Lesson:
    """What a student learns from: cases that the teacher labelled, and how far a student is from them."""

    windows: Windows
    targets: Tensors
    stopping: Windows
    stopping_targets: Tensors
    loss: Loss
    training: TrainingOptions

    @classmethod
    def prepare(
        cls,
        teacher: Path,
        windows: Windows,
        stopping: Windows,
        contract: Contract,
        normalisation: Normalisation,
        options: DistilOptions,
    ) -> "Lesson":
        """Let the teacher label the cases, once."""

        def loss(outputs: dict[str, Any], targets: dict[str, Any]) -> Any:
            hard = hard_loss(outputs, targets, contract, normalisation)
            soft = soft_loss(outputs, targets, contract, normalisation, temperature=options.temperature)
            return options.hard_share * hard + (1.0 - options.hard_share) * soft

        windows, training = _guidance_hidden(windows, options.training)
        return cls(
            windows,
            windows.targets | _labels(teacher, windows),
            stopping,
            stopping.targets | _labels(teacher, stopping),
            loss,
            training,
        )

    def with_training(self, training: TrainingOptions) -> "Lesson":
        """The same cases and labels, learned for longer or at another rate."""
        return replace(self, training=replace(training, hide_guidance=0.0))

    def teach(
        self,
        model: tf_keras.Model,
        progress: Progress,
        masks: Sequence[FloatArray] | None = None,
        *,
        after_step: AfterStep | None = None,
        penalty: Callable[[], Any] | None = None,
    ) -> TrainingResult:
        """Train a model in place; `masks`, `after_step` and `penalty` as `train` takes them."""
        return train(
            model,
            inputs=self.windows.inputs,
            targets=self.targets,
            stopping_inputs=self.stopping.inputs,
            stopping_targets=self.stopping_targets,
            loss=self.loss,
            stopping_loss=self.loss,
            options=self.training,
            progress=progress,
            masks=masks,
            after_step=after_step,
            penalty=penalty,
        )


def _guidance_hidden(windows: Windows, options: TrainingOptions) -> tuple[Windows, TrainingOptions]:
    """Hide guidance before the teacher labels the cases, once.

    A teacher that sees the guidance is sure of itself: its labels would teach a student that does not see it
    to be as sure.
    """
    rng = np.random.default_rng(options.seed)
    hidden = replace(windows, inputs=hide_guidance(windows.inputs, rng, options.hide_guidance))
    return hidden, replace(options, hide_guidance=0.0)


def soft_loss(
    outputs: dict[str, Any],
    targets: dict[str, Any],
    contract: Contract,
    normalisation: Normalisation,
    *,
    temperature: float,
) -> Any:
    """Mean over outputs of the distance from the teacher's output, a scalar.

    Quantiles and medians: absolute difference, in widths of the output. Classes: Kullback–Leibler divergence
    of the softened probabilities, times the temperature squared so that its gradient keeps its size (Hinton
    et al. 2015, arXiv:1503.02531).
    """
    total = tf.constant(0.0)
    for spec in contract.outputs:
        label = tf.cast(targets[_label(spec.name)], tf.float32)
        predicted = outputs[spec.name]
        if spec.kind == "probabilities":
            value = _divergence(predicted, label, temperature)
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


def _label(name: str) -> str:
    return f"teacher_{name}"


def _labels(teacher: Path, windows: Windows) -> Tensors:
    """The teacher's outputs, in half the memory where that costs little."""
    outputs = predict(load_student(teacher), windows.inputs)
    return {_label(name): _small(values) for name, values in outputs.items()}


def _small(values: FloatArray) -> FloatArray:
    # Half precision has eleven bits: a hundredth of a degree, but a whole hectopascal of pressure.
    return values.astype(np.float16) if np.abs(values).max() < HALF_PRECISION_BELOW else values
