"""Every step by its name in recipes, and the one way in which the pipeline runs them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from packager.compress.material import Material
from packager.compress.state import read_state, with_state
from packager.errors import TrainingFailed
from packager.student import load_student, read_description, save_student
from packager.student.training import Progress

# (student's folder, folder to fill, material, progress, **options) → what it did, as plain values.
StepFunction = Callable[..., Mapping[str, Any]]
# By name in recipes: the module below `packager.compress`, and the function in it.
STEPS = {
    "prune_structure": ("structure", "prune_structure"),
    "factorize": ("factorize", "factorize"),
    "prune_weights": ("prune", "prune_weights"),
    "cluster": ("cluster", "cluster"),
    "mixed_precision": ("precision", "mixed_precision"),
    "quantize_aware": ("quantize", "quantize_aware"),
    "finetune": ("finetune", "finetune"),
}


def run_step(
    name: str,
    *,
    student: Path,
    folder: Path,
    material: Material,
    options: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Do one step and note it in the new student's state.

    Args:
        name: one of `STEPS`.
        student: folder of the student before.
        folder: where the student after it is saved.
        material: what it learns from.
        options: the step's own, as the recipe gives them.
        progress: told while it works.

    Returns:
        What the step did.

    Raises:
        TrainingFailed: the weights before or after it are not finite.
    """
    _check_finite(student, f"before step {name}")
    module, function = STEPS[name]
    step: StepFunction = getattr(import_module(f"packager.compress.{module}"), function)
    facts = dict(step(student, folder, material=material, progress=progress, **options))
    _check_finite(folder, f"after step {name}")
    description = read_description(folder)
    state = read_state(description)
    done = {"step": name, "options": dict(options), "facts": facts}
    description = with_state(description, replace(state, steps=(*state.steps, done)))
    save_student(load_student(folder), description, folder)
    return facts


def _check_finite(folder: Path, when: str) -> None:
    for weight in load_student(folder).weights:
        broken = int((~np.isfinite(weight.numpy())).sum())
        if broken:
            raise TrainingFailed(
                f"{broken} of {weight.numpy().size} weights of {weight.name} are not finite {when}. Lower "
                "the step's learning rate, or train the student again."
            )
