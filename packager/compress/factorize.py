"""Replace large kernels by products of thin ones, then fine-tune."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tf_keras import layers as keras_layers

from packager.compress.layers import BODY, compressible, kernel_of
from packager.compress.lowrank import Choice, choices, cost, fitting_ranks, kept_energy, thin_kernels
from packager.compress.material import EPOCHS, LEARNING_RATE, Material
from packager.compress.ranks import by_budget, by_energy
from packager.compress.rebuild import config_of, with_config
from packager.errors import RecipeInvalid
from packager.student import build, load_student, read_description, save_student
from packager.student.lead_decoder import parameter_count
from packager.student.training import Progress
from packager.types import FloatArray

KIB_PER_WEIGHT = 4 / 1024


def factorize(
    student: Path,
    folder: Path,
    *,
    material: Material,
    progress: Progress,
    dense: str = "svd",
    convolution: str = "tucker",
    energy: float = 0.9,
    budget_kib: float | None = None,
    ranks: Mapping[str, int] | None = None,
    layers: str = BODY,
    epochs: int = EPOCHS,
    learning_rate: float = LEARNING_RATE,
) -> Mapping[str, Any]:
    """Make thin layers of large ones; a layer that would not get smaller stays whole.

    Args:
        student: folder of the student before.
        folder: where the smaller one is saved.
        material: what the smaller student learns from.
        progress: told after every epoch.
        dense: `svd` for dense and pointwise layers, or `none`.
        convolution: `tucker` or `cp` for convolutions over several hours, or `none`.
        energy: share of every squared kernel that is kept.
        budget_kib: instead, KiB of float32 weights that the whole body may have, biases included.
        ranks: by layer, where it is given; both ranks of Tucker.
        layers: only layers whose names start so.
        epochs: of fine-tuning.
        learning_rate: the highest of it.

    Raises:
        RecipeInvalid: a rank for a layer that cannot be factorized, or a budget that rank one does not meet.
    """
    model, description = load_student(student), read_description(student)
    methods = find_methods(model, description, layers, dense=dense, convolution=convolution)
    kernels = {name: kernel_of(model.get_layer(name)).numpy() for name in methods}
    taken = _given(kernels, methods, ranks or {})
    tried = {name: choices(kernels[name], methods[name]) for name in methods if name not in taken}
    if budget_kib is None:
        taken |= {name: by_energy(ways, energy) for name, ways in tried.items()}
    else:
        taken |= _within(budget_kib, model, kernels, taken, tried)
    thin = {name: choice for name, choice in taken.items() if choice.ranks}
    smaller, description = with_thin_layers(
        model, description, {name: choice.ranks for name, choice in thin.items()}, methods
    )
    facts: dict[str, Any] = {
        "parameters": [parameter_count(model), parameter_count(smaller)],
        "body_kib": round(_body_weights(smaller) * KIB_PER_WEIGHT, 3),
        "ranks": {name: list(choice.ranks) for name, choice in thin.items()},
        "energy": {name: round(choice.energy, 4) for name, choice in thin.items()},
    }
    if epochs:
        lesson = material.lesson(epochs=epochs, learning_rate=learning_rate)
        facts["early_stopping_loss"] = lesson.teach(smaller, progress).early_stopping_loss
    save_student(smaller, description, folder)
    return facts


def find_methods(
    model: Any, description: Mapping[str, Any], prefix: str, *, dense: str, convolution: str
) -> dict[str, str]:
    """By layer that the architecture can make thin, how: svd, tucker or cp.

    A student is built with a rank for every layer: where it has thin layers, it can have them.
    """
    config = config_of(description)
    names = [layer.name for layer in compressible(model)]
    ranks = dict.fromkeys(names, (1,)) | dict(config.ranks)
    able = {layer.name for layer in build(with_config(description, replace(config, ranks=ranks))).layers}
    methods = {}
    for layer in compressible(model, prefix):
        wide = isinstance(layer, keras_layers.Conv2D) and max(layer.kernel_size) > 1
        method = convolution if wide else dense
        if method != "none" and f"{layer.name}_thin0" in able and layer.name not in config.ranks:
            methods[layer.name] = method
    return methods


def with_thin_layers(
    model: Any,
    description: Mapping[str, Any],
    ranks: Mapping[str, tuple[int, ...]],
    methods: Mapping[str, str],
) -> tuple[Any, dict[str, Any]]:
    """The student with thin layers instead of some of its own; all other weights are copied.

    Args:
        model: the student.
        description: its own.
        ranks: by layer.
        methods: by layer, at least for those with ranks.

    Returns:
        The student with thin layers, and its description.
    """
    config = config_of(description)
    description = with_config(description, replace(config, ranks=dict(config.ranks) | dict(ranks)))
    smaller = build(description)
    for layer in model.layers:
        weights = layer.get_weights()
        if layer.name in ranks:
            kernel, *bias = weights
            *thin, last = thin_kernels(kernel, ranks[layer.name], methods[layer.name])
            for index, part in enumerate(thin):
                smaller.get_layer(f"{layer.name}_thin{index}").set_weights([part])
            weights = [last, *bias]
        if weights:
            smaller.get_layer(layer.name).set_weights(weights)
    return smaller, description


def _given(
    kernels: Mapping[str, FloatArray], methods: Mapping[str, str], ranks: Mapping[str, int]
) -> dict[str, Choice]:
    """The layers whose ranks the recipe gives."""
    if unknown := sorted(set(ranks) - set(kernels)):
        raise RecipeInvalid(
            f"factorize: {', '.join(unknown)} cannot be made thin in this student with these options; "
            f"give ranks for {', '.join(kernels)}."
        )
    taken = {}
    for name, rank in ranks.items():
        kernel, method = kernels[name], methods[name]
        fitting = fitting_ranks(kernel, rank, method)
        parameters = cost(kernel, fitting, method)
        smaller = parameters < kernel.size
        taken[name] = (
            Choice(fitting, parameters, kept_energy(kernel, fitting, method))
            if smaller
            else Choice((), kernel.size, 1.0)
        )
    return taken


def _within(
    budget_kib: float,
    model: Any,
    kernels: Mapping[str, FloatArray],
    given: Mapping[str, Choice],
    tried: Mapping[str, list[Choice]],
) -> dict[str, Choice]:
    """Choices for the layers without given ranks, so that the whole body fits."""
    others = _body_weights(model) - sum(kernel.size for kernel in kernels.values())
    others += sum(choice.parameters for choice in given.values())
    taken = by_budget(tried, int(budget_kib / KIB_PER_WEIGHT) - others)
    if taken is None:
        least = others + sum(ways[0].parameters for ways in tried.values())
        raise RecipeInvalid(
            f"factorize: with the lowest ranks the body has {least * KIB_PER_WEIGHT:.1f} KiB of weights, "
            f"and budget_kib is {budget_kib:g}. Raise it, or remove units first with prune_structure."
        )
    return taken


def _body_weights(model: Any) -> int:
    """Weights and biases of the body."""
    return sum(int(np.prod(w.shape)) for layer in compressible(model) for w in layer.weights)
