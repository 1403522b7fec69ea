"""What a student learns from: cases that the teacher labelled, mixed with what really happened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from packager.compress.labels import check_targets, teacher_labels
from packager.compress.options import DistilOptions
from packager.compress.soft_loss import soft_loss
from packager.contract import Contract
from packager.dataset.extra import join_windows
from packager.dataset.known import hide_guidance
from packager.dataset.windows import Windows
from packager.student.losses import hard_loss
from packager.student.normalisation import Normalisation
from packager.student.training import (
    AfterStep,
    Loss,
    Progress,
    TrainingOptions,
    TrainingResult,
    train,
)
from packager.types import FloatArray, Tensors


@dataclass(frozen=True)
class Lesson:
    """What a student learns from: cases that the teacher labelled, and how far a student is from them.

    `note` says which outputs lack targets; empty where none does. `stopping_loss` chooses the epoch.
    """

    windows: Windows
    targets: Tensors
    stopping: Windows
    stopping_targets: Tensors
    loss: Loss
    stopping_loss: Loss
    training: TrainingOptions
    note: str = ""

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
        """Let the teacher label the cases, once.

        Raises:
            TrainingFailed: inputs, targets or labels are not finite, or nothing would teach an output.
        """

        def loss(outputs: dict[str, Any], targets: dict[str, Any]) -> Any:
            hard = hard_loss(outputs, targets, contract, normalisation)
            soft = soft_loss(
                outputs,
                targets,
                contract,
                normalisation,
                temperature=options.temperature,
                quantile_matching=options.quantile_matching,
            )
            return options.hard_share * hard + (1.0 - options.hard_share) * soft

        note = check_targets(windows.targets, contract, options.hard_share)
        windows, training = guidance_hidden(windows, options.training)
        return cls(
            windows=windows,
            targets=windows.targets | teacher_labels(teacher, windows, contract),
            stopping=stopping,
            stopping_targets=stopping.targets | teacher_labels(teacher, stopping, contract),
            loss=loss,
            stopping_loss=loss,
            training=training,
            note=note,
        )

    def with_kept(self, windows: Windows, labels: Tensors) -> "Lesson":
        """More cases, of which only the labels teach: what a student is to go on saying of them.

        Args:
            windows: the cases; their targets are left out.
            labels: by `packager.compress.labels.label_name`, (case, ...).
        """
        more = {name: np.full_like(values, np.nan) for name, values in windows.targets.items()} | labels
        return replace(
            self,
            windows=join_windows([self.windows, windows]),
            targets={name: np.concatenate([values, more[name]]) for name, values in self.targets.items()},
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
        if self.note:
            progress(0.0, self.note)
        return train(
            model,
            inputs=self.windows.inputs,
            targets=self.targets,
            stopping_inputs=self.stopping.inputs,
            stopping_targets=self.stopping_targets,
            loss=self.loss,
            stopping_loss=self.stopping_loss,
            options=self.training,
            progress=progress,
            masks=masks,
            after_step=after_step,
            penalty=penalty,
        )


def guidance_hidden(windows: Windows, options: TrainingOptions) -> tuple[Windows, TrainingOptions]:
    """Hide guidance before the teacher labels the cases, once.

    A teacher that sees the guidance is sure of itself: its labels would teach a student that does not see it
    to be as sure.
    """
    rng = np.random.default_rng(options.seed)
    hidden = replace(windows, inputs=hide_guidance(windows.inputs, rng, options.hide_guidance))
    return hidden, replace(options, hide_guidance=0.0)
