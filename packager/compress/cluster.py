"""Cluster: the weights of every matrix share a few values, which learn on together.

The toolkit's wrapper finds the values by k-means++, keeps for every weight the nearest one, and trains values
and choices at once: the kernel that it wraps goes on moving and says which value is nearest. So the averaged
weights of training, too, are averages of values and of choosing kernels, never of shared weights.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from packager.compress.layers import kernel_of
from packager.compress.material import EPOCHS, LEARNING_RATE, Material
from packager.compress.state import State, read_state
from packager.compress.toolkit import (
    by_layer,
    chosen_layers,
    held_in,
    load_toolkit,
    rewrapped,
    save_learned,
    teach,
    variables_of,
    zero_masks,
)
from packager.errors import RecipeInvalid
from packager.student import load_student, read_description
from packager.student.training import Progress
from packager.types import FloatArray

ITERATIONS = 100
KERNEL = "kernel"


def cluster(
    student: Path,
    folder: Path,
    *,
    material: Material,
    progress: Progress,
    clusters: int = 16,
    preserve_sparsity: bool = True,
    per_layer: Mapping[str, int] | None = None,
    layers: str = "",
    epochs: int = EPOCHS,
    learning_rate: float = LEARNING_RATE,
) -> Mapping[str, Any]:
    """Let weights share values and save the student; see `packager.compress.steps` for the arguments.

    Args:
        student: folder of the student before.
        folder: where the clustered one is saved.
        material: what it learns from.
        progress: told after every epoch.
        clusters: at most so many values in every matrix; zero is one of them.
        preserve_sparsity: zeros of pruned layers stay zero; else they may share another value.
        per_layer: clusters by layer, where it differs.
        layers: only layers whose names start so.
        epochs: of fine-tuning; none only shares.
        learning_rate: the highest.

    Returns:
        `values`: by clustered layer, how many values it has; `left`: layers that were not clustered
        (depthwise ones, as in the toolkit, and those with no more different weights than values); the
        early-stopping losses.

    Raises:
        RecipeInvalid: too few clusters, or layers that are not there.
    """
    model, state = load_student(student), read_state(read_description(student))
    chosen = chosen_layers(model, layers)
    if not preserve_sparsity:
        state = replace(state, sparse=tuple(name for name in state.sparse if name not in chosen))
    counts = by_layer(chosen, clusters, per_layer)
    _check_counts(counts, state)
    counts = {name: count for name, count in counts.items() if _enough_weights(chosen[name], count)}
    held = held_in(model, zero_masks(model, state))
    learned = variables_of(model)
    wrapped = rewrapped(model, lambda layer: _wrapped(layer, counts, state))
    wrappers = {layer.layer.name: layer for layer in wrapped.layers if hasattr(layer, "cluster_centroids")}
    for wrapper in wrappers.values():
        _settle(wrapper)
    losses = teach(wrapped, material, progress, epochs=epochs, learning_rate=learning_rate, held=held)
    kernels = {name: _shared(wrapper) for name, wrapper in wrappers.items()}
    values = {name: int(np.unique(kernel).size) for name, kernel in kernels.items()}
    state = replace(state, clusters=dict(state.clusters) | values)
    save_learned(student, folder, state, learned, kernels)
    left = [name for name in chosen if name not in kernels]
    return {"values": values, "left": left, "early_stopping_loss": losses}


def _check_counts(counts: Mapping[str, int], state: State) -> None:
    for name, count in counts.items():
        least = 3 if name in state.sparse else 2
        if count < least:
            raise RecipeInvalid(
                f"cluster: {count} values for {name} are too few; it takes at least {least}"
                f"{', zero and one on each side of it, because it was pruned' if least == 3 else ''}. Raise "
                "clusters, or give the layer its own number in per_layer."
            )


def _enough_weights(layer: Any, count: int) -> bool:
    """Whether sharing would save anything. The toolkit clusters no depthwise kernels: they lose too much."""
    depthwise = isinstance(layer, tf_keras.layers.DepthwiseConv2D)
    return not depthwise and int(np.unique(kernel_of(layer).numpy()).size) > count


def _wrapped(layer: Any, counts: Mapping[str, int], state: State) -> Any:
    if layer.name not in counts:
        return layer
    clustering = load_toolkit().clustering.keras
    return clustering.cluster_weights(
        layer,
        counts[layer.name],
        clustering.CentroidInitialization.KMEANS_PLUS_PLUS,
        preserve_sparsity=layer.name in state.sparse,
    )


def _settle(wrapper: Any) -> None:
    """Move the values to the means of their weights, until k-means has converged.

    The toolkit only seeds k-means: its values are weights picked by k-means++, and a small weight beside a
    large gap would become zero, and stay so.
    """
    weights = wrapper.original_clusterable_weights[KERNEL].numpy()
    values = wrapper.cluster_centroids[KERNEL]
    if wrapper.preserve_sparsity:
        wrapper.sparsity_masks[KERNEL] = tf.constant((weights != 0).astype(np.float32))
    values.assign(settled(weights, values.numpy(), keep_zero=wrapper.preserve_sparsity))


def settled(weights: FloatArray, values: FloatArray, *, keep_zero: bool) -> FloatArray:
    """Lloyd's iterations of k-means on a line.

    Args:
        weights: any shape.
        values: (cluster,) to start from.
        keep_zero: the value nearest to zero is zero and stays so.

    Returns:
        (cluster,) in the order of the given ones; a value that has no weights stays where it is.
    """
    flat = weights.ravel().astype(np.float64)
    current = values.astype(np.float64)
    zero = int(np.abs(current).argmin())
    for _ in range(ITERATIONS):
        nearest = np.abs(flat[:, None] - current[None, :]).argmin(axis=1)
        count = np.bincount(nearest, minlength=current.size)
        total = np.bincount(nearest, weights=flat, minlength=current.size)
        moved = np.where(count > 0, total / np.maximum(count, 1), current)
        if keep_zero:
            moved[zero] = 0.0
        if np.array_equal(moved, current):
            break
        current = moved
    return current.astype(np.float32)


def _shared(wrapper: Any) -> FloatArray:
    """The kernel of shared values, from the values and the choosing kernel that training left."""
    wrapper.update_clustered_weights_associations()
    return np.asarray(wrapper.get_weight_from_layer(KERNEL).numpy(), np.float32)
