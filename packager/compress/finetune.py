"""Learn on: more of the same lessons, at a lower rate and without weight decay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.compress.material import EPOCHS, LEARNING_RATE, Material
from packager.student import load_student, read_description, save_student
from packager.student.training import Progress


def finetune(
    student: Path,
    folder: Path,
    *,
    material: Material,
    progress: Progress,
    epochs: int = EPOCHS,
    learning_rate: float = LEARNING_RATE,
) -> Mapping[str, Any]:
    """Train a student further and save it; see `packager.compress.steps` for the arguments."""
    model = load_student(student)
    result = material.lesson(epochs=epochs, learning_rate=learning_rate).teach(model, progress)
    save_student(model, read_description(student), folder)
    return {"early_stopping_loss": result.early_stopping_loss}
