"""Bits by layer: the fewest that each layer's sensitivity allows, for the export that stores them so."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from packager.compress.layers import channel_axis, compressible, kernel_of, rounded
from packager.compress.material import LEARNING_RATE, Material
from packager.compress.sensitivity import analyse
from packager.compress.state import read_state, with_state
from packager.student import load_student, read_description, save_student
from packager.student.training import Progress
from packager.types import FloatArray


def mixed_precision(
    student: Path,
    folder: Path,
    *,
    material: Material,
    progress: Progress,
    bits: Sequence[int] = (4, 8, 16),
    max_loss_percent: float = 0.5,
    epochs: int = 0,
    learning_rate: float = LEARNING_RATE,
) -> Mapping[str, Any]:
    """Choose the bits of every layer and note them in the student's state.

    Args:
        student: folder of the student before.
        folder: where the student with its state is saved.
        material: what sensitivity is measured on, and what the student learns from.
        progress: told while it works.
        bits: to choose from; a layer that bears no fewer gets the most.
        max_loss_percent: what all layers together may lose by the analysis.
        epochs: of fine-tuning with weights that are rounded after every step; 0 leaves them as they are.
        learning_rate: the highest of it.
    """
    progress(0.0, f"sensitivity of every layer to {', '.join(map(str, sorted(bits)))} bits")
    table = analyse(student, material, sparsities=(), clusters=(), bits=sorted(bits, reverse=True))
    chosen = table.bits(max_loss_percent)
    precision = {name: chosen.get(name, max(bits)) for name in table.layers}
    model, description = load_student(student), read_description(student)
    facts: dict[str, Any] = {
        "precision": precision,
        "loss_percent": round(sum(r.loss_percent for r in table.rows if precision[r.layer] == r.level), 4),
        "body_kernel_bytes": sum(
            int(np.prod(kernel_of(layer).shape)) * precision[layer.name] // 8 for layer in compressible(model)
        ),
    }
    if epochs:
        rounding = Rounding(model, precision)
        lesson = material.lesson(epochs=epochs, learning_rate=learning_rate)
        result = lesson.teach(model, progress, after_step=rounding.after_step)
        rounding.finish()
        facts["early_stopping_loss"] = result.early_stopping_loss
    state = replace(read_state(description), precision=precision)
    save_student(model, with_state(description, state), folder)
    return facts


class Rounding:
    """Rounded weights in the model while exact ones gather what every step moves.

    A gradient is taken at the rounded weights and moves the exact ones: a step of less than half a level
    would otherwise move nothing. This is the straight-through estimator: Bengio et al. (2013),
    arXiv:1308.3432.
    """

    def __init__(self, model: Any, precision: Mapping[str, int]) -> None:
        self.layers = [layer for layer in compressible(model) if layer.name in precision]
        self.precision = precision
        self.exact = [kernel_of(layer).numpy() for layer in self.layers]
        self.shown = [self._show(layer, exact) for layer, exact in zip(self.layers, self.exact, strict=True)]

    def after_step(self, _done: int, _steps: int) -> None:
        """Add what the step moved to the exact weights, and show the model their rounded values."""
        for index, layer in enumerate(self.layers):
            self.exact[index] = self.exact[index] + kernel_of(layer).numpy() - self.shown[index]
            self.shown[index] = self._show(layer, self.exact[index])

    def finish(self) -> None:
        """Round what the model holds in the end: averages of rounded weights are not rounded."""
        for layer in self.layers:
            self._show(layer, kernel_of(layer).numpy())

    def _show(self, layer: Any, exact: FloatArray) -> FloatArray:
        values = rounded(exact, self.precision[layer.name], channel_axis(layer))
        kernel_of(layer).assign(values)
        return values
