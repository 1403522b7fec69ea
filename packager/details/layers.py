"""What compression changed in each layer, and what each change alone costs.

Two changes are told apart. The steps of a recipe (pruning, clustering, …) train all layers together: a
layer's old weights in the new network say nothing, so that only how far they moved is told. The export
rounds one layer beside the other: each layer's rounded weights are put into the network alone, and it is
scored.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from packager.compress.layers import compressible, kernel_of
from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.details.weights import find_kernel
from packager.student import load_student
from packager.types import FloatArray, Tensors
from packager.verify.breakdown import loss_percent, pair_scores

# Beside the contract's outputs, the output of each layer.
OWN = "layer:"
DIGITS = 5


def layer_errors(
    exported: Path,
    constants: Sequence[FloatArray],
    windows: Windows,
    contract: Contract,
    *,
    distilled: Path | None = None,
) -> dict[str, Any]:
    """Compare the body's layers before and after export, and with those of the distilled student.

    Biases and activations are left alone: what rounding activations costs is the difference between
    `all_weights_percent` and what the whole artifact loses.

    Args:
        exported: folder of the student that was exported.
        constants: the artifact's, as `artifact_weights` gives them.
        windows: held-out cases to score on.
        contract: inputs and outputs.
        distilled: folder of the student before the recipe's steps.

    Returns:
        `cases`; `all_weights_percent`, what all replaced weights together cost; `layers`, in the model's
        order, each with `layer`, `weights`, `zeros` (share), `values` (how many differ in the artifact),
        `moved` (norm of the change by the steps ÷ norm before; None where the shape changed too),
        `weight_error` and `output_error` (norm of the error ÷ norm of what it should be), `loss_percent`
        (mean over outputs of score ÷ score before − 1). Errors are None for a layer that the converter
        merged with others.
    """
    network = _Network(load_student(exported), windows, contract)
    before = _kernels(load_student(distilled)) if distilled else {}
    replaced = {name: find_kernel(kernel, constants) for name, kernel in network.kernels.items()}
    rows = []
    for name, kernel in network.kernels.items():
        found = replaced[name]
        held = kernel if found is None else found
        rows.append(
            {
                "layer": name,
                "weights": int(kernel.size),
                "zeros": round(float((held == 0).mean()), DIGITS),
                "values": len(np.unique(held)),
                "moved": _moved(kernel, before.get(name)),
                **_errors(network, name, found),
            }
        )
    known = {name: found for name, found in replaced.items() if found is not None}
    return {
        "cases": len(windows),
        "all_weights_percent": network.loss_with(known)[0] if known else None,
        "layers": rows,
    }


class _Network:
    """A student on fixed cases, run with other kernels in some layers; compiled once."""

    def __init__(self, model: Any, windows: Windows, contract: Contract) -> None:
        self.windows, self.contract = windows, contract
        self._variables = {layer.name: kernel_of(layer) for layer in compressible(model)}
        self.kernels = _kernels(model)
        outputs = dict(model.output) | {
            OWN + layer.name: layer.get_output_at(0) for layer in compressible(model)
        }
        joint = tf_keras.Model(model.input, outputs)
        inputs = {name: tf.constant(values) for name, values in windows.inputs.items()}
        self._call = tf.function(lambda: joint(inputs, training=False))
        self.untouched = self._run()

    def loss_with(self, kernels: Mapping[str, FloatArray]) -> tuple[float | None, Tensors]:
        """Loss in percent with these kernels in their layers, and all outputs; then put back its own."""
        for name, kernel in kernels.items():
            self._variables[name].assign(kernel)
        outputs = self._run()
        for name in kernels:
            self._variables[name].assign(self.kernels[name])
        pair = pair_scores(outputs, self.untouched, self.windows.targets, self.contract)
        return loss_percent(pair), outputs

    def _run(self) -> Tensors:
        return {name: value.numpy() for name, value in self._call().items()}


def _kernels(model: Any) -> dict[str, FloatArray]:
    return {layer.name: kernel_of(layer).numpy() for layer in compressible(model)}


def _errors(network: _Network, name: str, found: FloatArray | None) -> dict[str, float | None]:
    if found is None:
        return {"weight_error": None, "output_error": None, "loss_percent": None}
    loss, outputs = network.loss_with({name: found})
    return {
        "weight_error": _relative(found, network.kernels[name]),
        "output_error": _relative(outputs[OWN + name], network.untouched[OWN + name]),
        "loss_percent": loss,
    }


def _moved(kernel: FloatArray, before: FloatArray | None) -> float | None:
    return None if before is None or before.shape != kernel.shape else _relative(kernel, before)


def _relative(values: FloatArray, true: FloatArray) -> float:
    """Norm of the error ÷ norm of the true values; of all zeros only an exact copy has an error of 0."""
    size, error = float(np.linalg.norm(true)), float(np.linalg.norm(values - true))
    return round(error / size, DIGITS) if size else float(error > 0)
