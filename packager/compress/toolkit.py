"""What the steps that change single weights share.

The Model Optimization Toolkit's entry points take whole models and ask every layer for its configuration,
which the layers of head and tail do not have. Its wrappers around single layers work: a model is rebuilt with
wrappers around layers of the body and all others as they are, and taught by `packager.student.training`.
"""

import difflib
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from packager.compress.layers import compressible, kernel_of
from packager.compress.material import Material
from packager.compress.state import State, with_state
from packager.errors import RecipeInvalid
from packager.student import load_student, read_description, save_student
from packager.student.training import AfterStep, Progress
from packager.types import FloatArray

# By layer: its variables, in the order in which a plain layer has them.
Variables = Mapping[str, list[Any]]
# From so many bits a kernel is stored as floats, and not rounded to integers.
FLOAT_BITS = 16


def load_toolkit() -> Any:
    """The Model Optimization Toolkit's module; its import takes a second."""
    with warnings.catch_warnings():
        # It compares TensorFlow's version by a class that setuptools no longer recommends.
        warnings.simplefilter("ignore", DeprecationWarning)
        import tensorflow_model_optimization
    return tensorflow_model_optimization


def chosen_layers(model: tf_keras.Model, prefix: str) -> dict[str, Any]:
    """Layers of the body that have a kernel and whose names start with `prefix`, by name.

    Raises:
        RecipeInvalid: there is none.
    """
    chosen = {layer.name: layer for layer in compressible(model, prefix)}
    if not chosen:
        known = ", ".join(layer.name for layer in compressible(model))
        raise RecipeInvalid(
            f"No layer of the student's body has a name that starts with {prefix!r}. Its layers are {known}."
        )
    return chosen


def by_layer(layers: Collection[str], default: Any, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """A step's value for each layer: the default, or what the recipe gives for the layer.

    Raises:
        RecipeInvalid: the recipe names a layer that the step does not change.
    """
    for name in given or {}:
        if name not in layers:
            close = difflib.get_close_matches(name, layers, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            raise RecipeInvalid(
                f"per_layer names {name!r}, which this step does not change.{meant} "
                f"It changes {', '.join(layers)}."
            )
    return dict.fromkeys(layers, default) | dict(given or {})


def rewrapped(model: tf_keras.Model, wrap: Callable[[Any], Any]) -> tf_keras.Model:
    """The model with every layer as `wrap` gives it back; both share the weights."""
    return tf_keras.models.clone_model(model, clone_function=wrap)


def variables_of(model: tf_keras.Model) -> Variables:
    """All variables by layer: taken before wrappers put tensors into their places."""
    return {layer.name: list(layer.weights) for layer in model.layers if layer.weights}


def save_learned(
    student: Path, folder: Path, state: State, learned: Variables, kernels: Mapping[str, FloatArray]
) -> None:
    """Save a plain student with what a wrapped one learned.

    Args:
        student: folder of the student before, of the same configuration.
        folder: where to save.
        state: of the new student.
        learned: variables of all layers.
        kernels: by layer, what its kernel is to be; as learned where not given.
    """
    model = load_student(student)
    for name, variables in learned.items():
        model.get_layer(name).set_weights([variable.numpy() for variable in variables])
    for name, values in kernels.items():
        # A product with a mask leaves zeros with a sign, and other bits are no zeros to an archive.
        kernel_of(model.get_layer(name)).assign(np.where(values == 0, 0.0, values))
    save_student(model, with_state(read_description(student), state), folder)


def zero_masks(model: tf_keras.Model, state: State) -> dict[str, FloatArray]:
    """By sparse layer, 1 where its kernel is not zero and 0 where it must stay so."""
    kernels = {name: kernel_of(model.get_layer(name)).numpy() for name in state.sparse}
    return {name: (values != 0).astype(np.float32) for name, values in kernels.items()}


def held_in(model: tf_keras.Model, masks: Mapping[str, FloatArray]) -> dict[Any, FloatArray]:
    """Masks by the reference of the kernel's variable, which stays the same in a wrapped model."""
    return {kernel_of(model.get_layer(name)).ref(): mask for name, mask in masks.items()}


def teach(
    model: tf_keras.Model,
    material: Material,
    progress: Progress,
    *,
    epochs: int,
    learning_rate: float,
    held: Mapping[Any, FloatArray] | None = None,
    after_step: AfterStep | None = None,
    penalty: Callable[[], Any] | None = None,
) -> list[float]:
    """Fine-tune a model, plain or wrapped; no epochs are no training.

    Args:
        model: trained in place.
        material: gives the lesson.
        progress: told after every epoch.
        epochs: at most.
        learning_rate: the highest.
        held: by a variable's reference, 1 where it may move; every other one may.
        after_step: as `train` takes it.
        penalty: as `train` takes it.

    Returns:
        The early-stopping loss after every epoch.
    """
    if not epochs:
        return []
    held = held or {}
    masks = [held.get(weight.ref(), np.ones(weight.shape, np.float32)) for weight in model.trainable_weights]
    lesson = material.lesson(epochs=epochs, learning_rate=learning_rate)
    result = lesson.teach(model, progress, masks if held else None, after_step=after_step, penalty=penalty)
    return result.early_stopping_loss
