"""Quantization-aware training: fine-tune with the rounding of weights and activations that int8 will bring.

Head and tail stay float, as in every export (`docs/adr/0011-float-head-and-tail.md`). What is saved is a
plain student whose kernels lie on the integers that the exporters will choose: scale = largest absolute
weight / 127, by output, or for the whole kernel where its weights share values.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tf_keras
from tf_keras import layers

from packager.compress.layers import compressible
from packager.compress.material import EPOCHS, LEARNING_RATE, Material
from packager.compress.state import State, read_state
from packager.compress.toolkit import FLOAT_BITS, rewrapped, save_learned, teach, variables_of
from packager.errors import RecipeInvalid
from packager.student import load_student, read_description
from packager.student.training import Progress, predict
from packager.types import Tensors

if TYPE_CHECKING:
    from packager.compress.quantizers import BodyConfig

BITS = (4, 8)
# Which of zeros and shared values each choice keeps.
PRESERVE = {
    "nothing": (False, False),
    "sparsity": (True, False),
    "clusters": (False, True),
    "both": (True, True),
}
# Of the early-stopping block, to measure where activations start from.
CALIBRATION_CASES = 512
# Layers without weights whose outputs int8 rounds anew.
ROUNDED_ANEW = (layers.Add, layers.Concatenate, layers.ReLU)


def quantize_aware(
    student: Path,
    folder: Path,
    *,
    material: Material,
    progress: Progress,
    weight_bits: int = 8,
    preserve: str = "auto",
    epochs: int = EPOCHS,
    learning_rate: float = LEARNING_RATE,
) -> Mapping[str, Any]:
    """Fine-tune a student with simulated rounding; see `packager.compress.steps` for the arguments.

    Args:
        student: folder of the student before.
        folder: where the trained one is saved.
        material: what it learns from.
        progress: told after every epoch.
        weight_bits: 4 or 8, where the step mixed_precision chose nothing else for a layer.
        preserve: auto keeps what earlier steps made; nothing, sparsity (PQAT), clusters (CQAT) or both
            (PCQAT) keep that only.
        epochs: of fine-tuning; none only rounds.
        learning_rate: the highest.

    Returns:
        `preserved`, `bits` by layer, and the early-stopping losses.

    Raises:
        RecipeInvalid: unknown bits or choice, or there is nothing of what is to be preserved.
    """
    if weight_bits not in BITS:
        raise RecipeInvalid(f"quantize_aware: weight_bits {weight_bits} is not known; choose 4 or 8.")
    model = load_student(student)
    state = _preserved(read_state(read_description(student)), preserve)
    bits = {layer.name: state.precision.get(layer.name, weight_bits) for layer in compressible(model)}
    learned = variables_of(model)
    configs = _configs(model, state, bits, _part(material.stopping.inputs))
    wrapped = rewrapped(model, lambda layer: _wrapped(layer, configs))
    losses = teach(wrapped, material, progress, epochs=epochs, learning_rate=learning_rate)
    kernels = _kernels(wrapped, bits)
    state = replace(
        state,
        clusters={name: int(np.unique(kernels[name]).size) for name in state.clusters},
        rounded=tuple(name for name, count in bits.items() if count < FLOAT_BITS),
    )
    save_learned(student, folder, state, learned, kernels)
    preserved = [name for name in ("sparse", "clusters") if getattr(state, name)]
    return {"preserved": preserved, "bits": bits, "early_stopping_loss": losses}


def _preserved(state: State, preserve: str) -> State:
    """The state of which only what is to be preserved is left."""
    if preserve == "auto":
        return state
    if preserve not in PRESERVE:
        raise RecipeInvalid(
            f"quantize_aware: preserve {preserve!r} is not known; choose auto, {', '.join(PRESERVE)}."
        )
    zeros, shared = PRESERVE[preserve]
    missing = (
        "prune_weights" if zeros and not state.sparse else "cluster" if shared and not state.clusters else ""
    )
    if missing:
        raise RecipeInvalid(
            f"quantize_aware: preserve is {preserve}, and no step {missing} came before it. "
            f"Put {missing} before it, or set preserve to auto."
        )
    return replace(state, sparse=state.sparse if zeros else (), clusters=state.clusters if shared else {})


def _part(inputs: Tensors) -> Tensors:
    return {name: values[:CALIBRATION_CASES] for name, values in inputs.items()}


def _configs(
    model: tf_keras.Model, state: State, bits: Mapping[str, int], cases: Tensors
) -> dict[str, "BodyConfig"]:
    """How each layer of the body is rounded, by name."""
    from packager.compress.quantizers import BodyConfig, KernelQuantizer, OutputQuantizer

    ranges = _ranges(model, [layer for layer in model.layers if _rounds_output(layer, bits)], cases)
    outputs = {name: OutputQuantizer(*extremes) for name, extremes in ranges.items()}
    configs = {name: BodyConfig(None, None, output) for name, output in outputs.items()}
    for layer in compressible(model):
        name = layer.name
        kernel = KernelQuantizer(
            layer, bits=bits[name], sparse=name in state.sparse, clustered=name in state.clusters
        )
        attribute = "depthwise_kernel" if isinstance(layer, layers.DepthwiseConv2D) else "kernel"
        configs[name] = BodyConfig(attribute, kernel, outputs.get(name))
    return configs


def _rounds_output(layer: Any, bits: Mapping[str, int]) -> bool:
    """Whether int8 rounds what the layer puts out; a sum that goes into a ReLU is rounded after it."""
    if layer.name in bits:
        return bits[layer.name] < FLOAT_BITS
    if not layer.name.startswith("body_") or not isinstance(layer, ROUNDED_ANEW):
        return False
    followers = [node.outbound_layer for node in layer.outbound_nodes]
    return not all(isinstance(follower, layers.ReLU) for follower in followers)


def _ranges(model: tf_keras.Model, measured: list[Any], cases: Tensors) -> dict[str, tuple[float, float]]:
    """Lowest and highest output of some layers over some cases, by name."""
    inner = tf_keras.Model(model.input, {layer.name: layer.output for layer in measured})
    return {
        name: (float(values.min()), float(values.max())) for name, values in predict(inner, cases).items()
    }


def _wrapped(layer: Any, configs: Mapping[str, "BodyConfig"]) -> Any:
    if layer.name not in configs:
        return layer
    from packager.compress.quantizers import wrap

    return wrap(layer, configs[layer.name])


def _kernels(wrapped: tf_keras.Model, bits: Mapping[str, int]) -> dict[str, Any]:
    """The kernels that the wrapped layers work with."""
    from packager.compress.quantizers import rounded_kernel

    inner = {layer.layer.name: layer for layer in wrapped.layers if hasattr(layer, "quantize_config")}
    return {name: rounded_kernel(inner[name]) for name in bits}
