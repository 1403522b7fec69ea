"""Retraining that moves few weights: from the released student, on newer data, towards a small update.

First all weights that may move do, for some epochs. Those that moved most, for their layer, are kept; the
others go back to what was released, exactly, and the chosen ones learn on without them. Weights that are
equal in float are equal in every format whose scales are frozen (`packager.export.refill`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from packager.compress.distil import DistilOptions, Lesson
from packager.compress.labels import teacher_labels
from packager.compress.state import read_state
from packager.compress.transfer import SharedValues, movable
from packager.contract import parse_contract
from packager.dataset.windows import Windows
from packager.student import load_student, read_description, save_student
from packager.student.normalisation import Normalisation
from packager.student.training import Progress, TrainingOptions
from packager.types import FloatArray


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """How much of a student may move.

    Attributes:
        moved_share: of the weights of the layers that may move, 0..1; the others stay as released.
        layers: only layers whose names start so may move; all, when empty.
        distil: what is learned, for how long; without weight decay, which would move every weight.
        parts: which numbers of the layers may move; see `packager.compress.transfer.movable`.
    """

    moved_share: float
    layers: str = ""
    distil: DistilOptions = field(
        default_factory=lambda: DistilOptions(
            training=TrainingOptions(epochs=1, learning_rate=5e-4, weight_decay=0.0, patience=99)
        )
    )
    parts: str = "weights"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def retrain(
    *,
    student: Path,
    teacher: Path,
    windows: Windows,
    stopping: Windows,
    options: RetrainOptions,
    folder: Path,
    progress: Progress,
    kept: Windows | None = None,
) -> dict[str, Any]:
    """Train a released student further and save it.

    Its normalisation stays as it was released: new statistics would change what every weight means.

    Args:
        student: folder of the released student.
        teacher: folder of the teacher that labels the cases.
        windows: training cases, those that came since the release among them.
        stopping: the early-stopping block.
        options: how much may move.
        folder: where the retrained student is saved.
        progress: told after every epoch.
        kept: cases of which the student is to go on saying what it said when it was released.

    Returns:
        `weights`, `weights_moved`, and the early-stopping losses of both rounds.

    Raises:
        TrainingFailed: no layer may move.
    """
    model, description = load_student(student), read_description(student)
    contract = parse_contract(description["contract"])
    normalisation = Normalisation.from_dict(description["normalisation"])
    state = read_state(description)
    allowed = movable(model, state, layers=options.layers, parts=options.parts)
    shared = SharedValues(model, state.clusters if options.parts == "shared" else {})
    lesson = Lesson.prepare(teacher, windows, stopping, contract, normalisation, options.distil)
    if kept is not None:
        lesson = lesson.with_kept(kept, teacher_labels(student, kept, contract))
    released = [weight.numpy() for weight in model.trainable_weights]
    first = lesson.teach(model, _half(progress, 0.0, "looking"), allowed, after_step=shared.hook)
    masks = _chosen(released, model, allowed, options)
    for weight, old, mask in zip(model.trainable_weights, released, masks, strict=True):
        weight.assign(np.where(mask > 0, weight.numpy(), old))
    second = lesson.teach(model, _half(progress, 0.5, "moving"), masks, after_step=shared.hook)
    shared.tie()
    save_student(model, description, folder)
    return {
        "weights": sum(weight.size for weight in released),
        "weights_moved": int(sum(mask.sum() for mask in masks)),
        "early_stopping_loss": [*first.early_stopping_loss, *second.early_stopping_loss],
    }


def _half(progress: Progress, start: float, doing: str) -> Progress:
    return lambda fraction, message: progress(start + fraction / 2, f"{doing}: {message}")


def _chosen(
    released: Sequence[FloatArray],
    model: tf_keras.Model,
    allowed: Sequence[FloatArray],
    options: RetrainOptions,
) -> list[FloatArray]:
    """What moves in the second round; shared values move together or not at all, so all of them do."""
    moved = [weight.numpy() for weight in model.trainable_weights]
    if options.parts != "shared":
        return choose_moved(released, moved, allowed, options.moved_share)
    single = [mask * (mask.ndim == 1) for mask in allowed]
    chosen = choose_moved(released, moved, single, options.moved_share)
    return [mask if mask.ndim > 1 else some for mask, some in zip(allowed, chosen, strict=True)]


def choose_moved(
    released: Sequence[FloatArray], moved: Sequence[FloatArray], allowed: Sequence[FloatArray], share: float
) -> list[FloatArray]:
    """Masks of the weights that moved most, measured in the spread of their own layer.

    Args:
        released: weights before.
        moved: weights after.
        allowed: 1 where a weight may move.
        share: of the allowed weights, rounded to a whole number of them.
    """
    distance = [
        np.where(mask > 0, np.abs(after - before) / (before.std() or np.abs(before).max() or 1.0), -1.0)
        for before, after, mask in zip(released, moved, allowed, strict=True)
    ]
    flat = np.concatenate([part.ravel() for part in distance])
    count = round(share * float(sum(mask.sum() for mask in allowed)))
    chosen = np.zeros(flat.size, np.float32)
    # A stable sort: of equal distances always the same are chosen.
    chosen[np.argsort(-flat, kind="stable")[:count]] = 1.0
    parts = np.split(chosen, np.cumsum([part.size for part in distance])[:-1])
    return [part.reshape(before.shape) for part, before in zip(parts, released, strict=True)]
