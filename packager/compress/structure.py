"""Remove whole channels and neurons, the least important first: the graph, the file and the time shrink.

What belongs to one unit is read off the model's graph (`packager.compress.units`); which of its units a width
of the configuration counts is read off a model that is built one wider. A smaller model is built, and what is
kept of every weight is copied into it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from packager.compress.importance import least_important, norm_importance, taylor_importance
from packager.compress.material import EPOCHS, LEARNING_RATE, Material
from packager.compress.rebuild import config_of, with_config
from packager.compress.units import Units, find_units
from packager.compress.widths import Width, find_widths, keep_unalike, resized, size_of, width_names
from packager.errors import RecipeInvalid
from packager.student import build, load_student, read_description, save_student
from packager.student.lead_decoder import parameter_count
from packager.student.training import Progress
from packager.types import FloatArray, IntArray


def prune_structure(
    student: Path,
    folder: Path,
    *,
    material: Material,
    progress: Progress,
    criterion: str = "l2",
    remove: float = 0.25,
    widths: Mapping[str, float] | None = None,
    epochs: int = EPOCHS,
    learning_rate: float = LEARNING_RATE,
) -> Mapping[str, Any]:
    """Remove the least important units, then fine-tune.

    Args:
        student: folder of the student before.
        folder: where the smaller one is saved.
        material: what importance is measured on, and what the smaller student learns from.
        progress: told after every epoch.
        criterion: `l1` or `l2`, norms of weights; or `taylor`, by how much the loss would change.
        remove: share of every width that goes, 0..1; one unit stays at least.
        widths: the share by width, where it differs.
        epochs: of fine-tuning.
        learning_rate: the highest of it.

    Raises:
        RecipeInvalid: a width that the student has not, or different shares for widths that belong together.
    """
    model, description = load_student(student), read_description(student)
    before, units = config_of(description), find_units(model)
    known = find_widths(model, description, units)
    shares = shares_of(known, widths or {}, remove)
    if criterion == "taylor":
        importance = taylor_importance(model, units, material.lesson())
    else:
        importance = norm_importance(model, units, order=1 if criterion == "l1" else 2)
    removed = {
        width.names: least_important(width.units, importance, int(shares[width.names] * width.size))
        for width in known
    }
    smaller, description = remove_units(model, description, units, known, removed)
    facts = {
        "parameters": [parameter_count(model), parameter_count(smaller)],
        "widths": {
            name: [size_of(before, name), size_of(config_of(description), name)]
            for name in width_names(before)
        },
    }
    if epochs:
        lesson = material.lesson(epochs=epochs, learning_rate=learning_rate)
        facts["early_stopping_loss"] = lesson.teach(smaller, progress).early_stopping_loss
    save_student(smaller, description, folder)
    return facts


def remove_units(
    model: Any,
    description: Mapping[str, Any],
    units: Units,
    widths: list[Width],
    removed: Mapping[tuple[str, ...], IntArray],
) -> tuple[Any, dict[str, Any]]:
    """Build the student without some units and copy what is kept of every weight.

    Args:
        model: the student.
        description: its own.
        units: its own.
        widths: its own, from `find_widths`.
        removed: by the names of a width, its units that go, (set, unit), the least important first; the last
            stay where the graph would change otherwise: layers of one width are summed, others are not.

    Returns:
        The smaller student and its description.
    """
    config = config_of(description)
    gone = keep_unalike(config, widths, removed)
    sizes = {name: w.size - gone[w.names].shape[1] for w in widths for name in w.names}
    description = with_config(description, resized(config, sizes))
    smaller = build(description)
    left = np.concatenate([[], *(units.ravel() for units in gone.values())]).astype(int)
    for layer in model.layers:
        if layer.weights:
            smaller.get_layer(layer.name).set_weights(_kept(layer, units, left))
    return smaller, description


def shares_of(
    widths: list[Width], given: Mapping[str, float], otherwise: float
) -> dict[tuple[str, ...], float]:
    """By the names of a width, the share of its units that goes.

    Raises:
        RecipeInvalid: an unknown width, or different shares for widths that lose the same units.
    """
    known = [name for width in widths for name in width.names]
    if unknown := sorted(set(given) - set(known)):
        raise RecipeInvalid(
            f"prune_structure: width {', '.join(unknown)} is none that this student can lose units of; "
            f"choose among {', '.join(known)}."
        )
    shares = {}
    for width in widths:
        own = {given[name] for name in width.names if name in given}
        if len(own) > 1:
            raise RecipeInvalid(
                f"prune_structure: {' and '.join(width.names)} are summed and lose the same units; they were "
                f"given the shares {', '.join(map(str, sorted(own)))}. Give one share to all of them."
            )
        shares[width.names] = own.pop() if own else otherwise
    return shares


def _kept(layer: Any, units: Units, gone: IntArray) -> list[FloatArray]:
    """A layer's weights without what makes and what reads the units that are gone."""
    weights: list[FloatArray] = layer.get_weights()
    if layer.name not in units.read:
        return weights
    kernel, *bias = weights
    inputs = ~np.isin(units.read[layer.name], gone)
    kernel = kernel[..., inputs, :]
    outputs = inputs
    if layer.name in units.made:
        outputs = ~np.isin(units.made[layer.name], gone)
        kernel = kernel[..., outputs]
    return [kernel, *(part[outputs] for part in bias)]
