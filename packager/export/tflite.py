"""TFLite: float, or compressed in the body only, with a float head and tail.

The converter makes the float model; litert-quantizer compresses the layers whose names start with `body_`
(`packager.export.tflite_rules`); then everything goes that no runtime reads (`packager.export.slim`). Inputs
and outputs stay float32 in physical units, whatever the scheme. See `docs/adr/0011-float-head-and-tail.md`.
"""

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from litert_quantizer import calibrator, quantizer, recipe_manager
from litert_quantizer.utils import qsv_utils

from packager.compress.state import State
from packager.contract import Contract
from packager.errors import ConversionFailed
from packager.export.refill import refill_tflite
from packager.export.slim import slim
from packager.export.tflite_facts import describe_numbers
from packager.export.tflite_rules import (
    ACTIVATION_BITS,
    Ranges,
    Rules,
    activation_ranges,
    body_matrices,
    check_bits,
    rules_for,
    weight_ranges,
)
from packager.runtimes.interface import check_inputs
from packager.runtimes.tflite import SIGNATURE
from packager.types import Tensors

QUANTIZATIONS = ("fp32", "fp16", "w8", "dynamic", "w8a8", "w8a16", "w4", "mixed")


def export_tflite(
    model: tf_keras.Model,
    contract: Contract,
    path: Path,
    *,
    quantization: str,
    calibration: Tensors | None,
    batch: int | None = 1,
    state: State | None = None,
    float_results: bool = True,
    frozen: Path | None = None,
) -> dict[str, Any]:
    """Convert a model to one `.tflite` file; equal weights give equal bytes.

    Args:
        model: from a dict of the contract's inputs to a dict of its outputs, layers named head_*, body_* or
            tail_*.
        contract: gives names and shapes.
        path: the file to write.
        quantization: one of `QUANTIZATIONS`: fp16 rounds the weights; w8 has int8 weights and computes in
            float; dynamic has int8 weights and rounds activations to int8 as they come; w8a8 and w8a16 have
            int8 weights and calibrated int8 or int16 activations; w4 has int4 weights; mixed has the bits
            that `state` says, by layer.
        calibration: for w8a8 and w8a16: representative inputs, (case, ...), physical units; their extremes
            set the activations' ranges.
        batch: 1, or None for any number of cases at once (a server).
        state: what the steps before did to the weights: layers of shared values get one scale for the whole
            matrix, so that so many values are so many codes.
        float_results: keep the raw numbers of the outputs float, whose ranges differ; else the whole body is
            integer, for runtimes that cannot compute in float with integer weights.
        frozen: an artifact that was exported in the same way before: its scales are kept, and the file
            differs from it in the weights only. Nothing is calibrated then.

    Returns:
        What was quantized, for the manifest: counts of tensors per type and of operations, scales at the two
        borders.

    Raises:
        ConversionFailed: unknown quantization, no calibration or no bits where they are needed, or no body to
            quantize.
    """
    if quantization not in QUANTIZATIONS:
        raise ConversionFailed(
            f"TFLite quantization {quantization!r} is not known; choose one of {', '.join(QUANTIZATIONS)}."
        )
    cases = check_inputs(contract, calibration) if calibration else 0
    if quantization in ACTIVATION_BITS and not cases and not frozen:
        raise ConversionFailed(
            f"Static int8 ({quantization}) needs calibration inputs; give a few hundred representative cases."
        )
    known = state or State()
    if quantization == "mixed":
        check_bits(known)
    original = convert_float(model, contract, batch=batch)
    if frozen:
        content = refill_tflite(frozen.read_bytes(), original)
    else:
        named = _compressed(original, contract, quantization, calibration, known, float_results=float_results)
        content = slim(named, original)
    facts = describe_numbers(content, original, quantization)
    if quantization in ACTIVATION_BITS and not frozen:
        facts["calibration_cases"] = cases
    path.write_bytes(content)
    return facts


def convert_float(model: tf_keras.Model, contract: Contract, *, batch: int | None) -> bytes:
    """The float TFLite model, with a signature whose inputs and outputs have the contract's names."""
    module = tf.Module()
    # The weights only: a whole Keras model would be traced and saved layer by layer.
    module.weights = model.weights
    function = tf.function(lambda **inputs: model(inputs, training=False), autograph=False)
    specs = {
        spec.name: tf.TensorSpec((batch, *spec.shape[1:]), tf.float32, name=spec.name)
        for spec in contract.inputs
    }
    module.serve = function
    concrete = function.get_concrete_function(**specs)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={SIGNATURE: concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        content: bytes = converter.convert()
    return content


def _compressed(
    original: bytes,
    contract: Contract,
    quantization: str,
    calibration: Tensors | None,
    state: State,
    *,
    float_results: bool,
) -> bytes:
    if quantization == "fp32":
        return original
    matrices = body_matrices(original)
    if not matrices:
        raise ConversionFailed(
            f"There is nothing that {quantization} could compress: no layer's name starts with `body_`. "
            "Name the layers of the body so."
        )
    rules = rules_for(quantization, matrices, state, float_results=float_results)
    ranges = weight_ranges(quantization, matrices, state)
    with warnings.catch_warnings():
        # LiteRT warns that keeping every tensor costs memory; the quantizer does it to see their ranges.
        warnings.simplefilter("ignore", UserWarning)
        if quantization in ACTIVATION_BITS and calibration:
            seen = _seen_ranges(original, contract, rules, calibration)
            ranges = activation_ranges(seen, quantization) | ranges
        return _quantize(original, rules, ranges)


def _seen_ranges(content: bytes, contract: Contract, rules: Rules, calibration: Tensors) -> Ranges:
    """Lowest and highest value of each tensor of the body over all cases."""
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(rules)
    # The default update is a moving average, which clips what is rare: 0.98 against 0.065 on a test model.
    observer = calibrator.Calibrator(content, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    observer.calibrate({SIGNATURE: list(_cases(contract, calibration))}, model_recipe_manager=manager)
    ranges: Ranges = observer.get_model_qsvs()
    return ranges


def _cases(contract: Contract, inputs: Tensors) -> Iterator[Tensors]:
    """One dict per case: addressed by name, because TFLite reorders inputs."""
    for index in range(check_inputs(contract, inputs)):
        yield {
            spec.name: np.ascontiguousarray(inputs[spec.name][index : index + 1], np.float32)
            for spec in contract.inputs
        }


def _quantize(content: bytes, rules: Rules, ranges: Ranges) -> bytes:
    result = quantizer.Quantizer(bytearray(content), rules).quantize(ranges)
    if result.quantized_model is None:
        raise ConversionFailed(
            "litert-quantizer gave no model. Check that the body has layers it can quantize."
        )
    return bytes(result.quantized_model)
