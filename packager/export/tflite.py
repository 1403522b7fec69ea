"""TFLite: float, fp16 weights, or static int8 in the body with a float head and tail.

The converter makes the float model; litert-quantizer compresses the layers whose names start with `body_`.
Inputs and outputs stay float32 in physical units, whatever the scheme. See
`docs/adr/0011-float-head-and-tail.md`.
"""

import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from ai_edge_litert import schema_py_generated
from litert_quantizer import calibrator, qtyping, quantizer, recipe, recipe_manager
from litert_quantizer.utils import qsv_utils, tfl_flatbuffer_utils

from packager.contract import Contract
from packager.errors import ConversionFailed
from packager.export.refill import refill_tflite
from packager.runtimes.interface import check_inputs
from packager.runtimes.tflite import SIGNATURE
from packager.types import Tensors

QUANTIZATIONS = ("fp32", "fp16", "w8a8")
COMPRESSED_TYPES = {"fp16": "float16", "w8a8": "int8"}
# A TFLite operation is named by the path of the layer that made it.
BODY = r"(^|/)body_"
TYPE_NAMES = {
    value: name.lower() for name, value in vars(schema_py_generated.TensorType).items() if name.isupper()
}
OPERATORS = schema_py_generated.BuiltinOperator


def export_tflite(
    model: tf_keras.Model,
    contract: Contract,
    path: Path,
    *,
    quantization: str,
    calibration: Tensors | None,
    batch: int | None = 1,
    frozen: Path | None = None,
) -> dict[str, Any]:
    """Convert a model to one `.tflite` file; equal weights give equal bytes.

    Args:
        model: from a dict of the contract's inputs to a dict of its outputs, layers named head_*, body_* or
            tail_*.
        contract: gives names and shapes.
        path: the file to write.
        quantization: one of `QUANTIZATIONS`.
        calibration: for w8a8: representative inputs, (case, ...), physical units; their extremes set the int8
            ranges.
        batch: 1, or None for any number of cases at once (a server).
        frozen: an artifact that was exported in the same way before: its scales are kept, and the file
            differs from it in the weights only. Nothing is calibrated then.

    Returns:
        What was quantized, for the manifest: counts of tensors per type and of operations, scales at the two
        borders.

    Raises:
        ConversionFailed: unknown quantization, no calibration where it is needed, or no body to quantize.
    """
    if quantization not in QUANTIZATIONS:
        raise ConversionFailed(
            f"TFLite quantization {quantization!r} is not known; choose one of {', '.join(QUANTIZATIONS)}."
        )
    cases = check_inputs(contract, calibration) if calibration else 0
    if quantization == "w8a8" and not cases and not frozen:
        raise ConversionFailed(
            "Static int8 needs calibration inputs; give a few hundred representative cases."
        )
    content = convert_float(model, contract, batch=batch)
    if frozen:
        content = refill_tflite(frozen.read_bytes(), content)
    else:
        content = _compressed(content, contract, quantization, calibration)
    facts = _facts(content, quantization)
    if quantization in COMPRESSED_TYPES and COMPRESSED_TYPES[quantization] not in facts["tensors"]:
        raise ConversionFailed(
            f"Nothing was compressed by {quantization}: no layer's name starts with `body_`. "
            "Name the layers of the body so."
        )
    if quantization == "w8a8" and not frozen:
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


def _compressed(content: bytes, contract: Contract, quantization: str, calibration: Tensors | None) -> bytes:
    with warnings.catch_warnings():
        # LiteRT warns that keeping every tensor costs memory; the quantizer does it to see their ranges.
        warnings.simplefilter("ignore", UserWarning)
        if quantization == "fp16":
            return _quantize(content, _fp16_recipe(), {})
        if quantization == "w8a8" and calibration:
            return _quantize_static(content, contract, calibration)
    return content


def _fp16_recipe() -> list[dict[str, Any]]:
    manager = recipe_manager.RecipeManager()
    manager.add_weight_only_config(
        regex=BODY,
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        num_bits=16,
        algorithm_key=quantizer.AlgorithmName.FLOAT_CASTING,
    )
    return manager.get_quantization_recipe()  # type: ignore[no-any-return]


def _quantize_static(content: bytes, contract: Contract, calibration: Tensors) -> bytes:
    rules = recipe.static_wi8_ai8()
    for rule in rules:
        rule["regex"] = BODY
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(rules)
    # The default update is a moving average, which clips what is rare: 0.98 against 0.065 on a test model.
    observer = calibrator.Calibrator(content, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    observer.calibrate({SIGNATURE: list(_cases(contract, calibration))}, model_recipe_manager=manager)
    return _quantize(content, rules, observer.get_model_qsvs())


def _cases(contract: Contract, inputs: Tensors) -> Iterator[Tensors]:
    """One dict per case: addressed by name, because TFLite reorders inputs."""
    for index in range(check_inputs(contract, inputs)):
        yield {
            spec.name: np.ascontiguousarray(inputs[spec.name][index : index + 1], np.float32)
            for spec in contract.inputs
        }


def _quantize(content: bytes, rules: list[dict[str, Any]], ranges: dict[str, Any]) -> bytes:
    result = quantizer.Quantizer(bytearray(content), rules).quantize(ranges)
    if result.quantized_model is None:
        raise ConversionFailed(
            "litert-quantizer gave no model. Check that the body has layers it can quantize."
        )
    return bytes(result.quantized_model)


def _facts(content: bytes, scheme: str) -> dict[str, Any]:
    """Count tensors and operations by type, and read the scales at the borders of the int8 body."""
    model = tfl_flatbuffer_utils.read_model(content)
    (graph,) = model.subgraphs
    codes = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in graph.operators]
    types = [TYPE_NAMES[tensor.type] for tensor in graph.tensors]
    facts: dict[str, Any] = {
        "scheme": scheme,
        "tensors": dict(sorted(Counter(types).items())),
        "operations": len(codes),
    }
    if scheme == "w8a8":
        kinds = {OPERATORS.QUANTIZE: "in", OPERATORS.DEQUANTIZE: "out"}
        inner = [op for op, code in zip(graph.operators, codes, strict=True) if code not in kinds]
        facts["int8_operations"] = sum(any(types[i] == "int8" for i in op.outputs) for op in inner)
        facts["borders"] = _borders(graph, codes, kinds)
    return facts


def _borders(graph: Any, codes: list[int], kinds: dict[int, str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {"in": [], "out": []}
    for operator, code in zip(graph.operators, codes, strict=True):
        if code not in kinds:
            continue
        side = kinds[code]
        tensor = graph.tensors[operator.outputs[0] if side == "in" else operator.inputs[0]]
        scale, zero = tensor.quantization.scale, tensor.quantization.zeroPoint
        name = tensor.name.decode().split(";")[0].removesuffix("_quantized")
        found[side].append({"tensor": name, "scale": float(scale[0]), "zero_point": int(zero[0])})
    return found
