"""ONNX: float, or static int8 in the body between a float head and tail, for ONNX Runtime.

tf2onnx makes the float model; ONNX Runtime's own quantizer puts pairs of QuantizeLinear and DequantizeLinear
around the operations of the layers whose names start with `body_`. Inputs and outputs stay float32 in
physical units, one case at a time. tf2onnx numbers what it makes differently every time:
`packager.export.onnx_names` puts the same names to the same graph.
"""

import logging
import re
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
import tf_keras

from packager.contract import Contract
from packager.errors import ConversionFailed
from packager.export.onnx_names import canonical_model
from packager.export.tflite_rules import BODY
from packager.runtimes.interface import check_inputs
from packager.student.lead_decoder import PROJECTION
from packager.types import Tensors

QUANTIZATIONS = ("fp32", "w8a8")
# The first with per-channel QuantizeLinear is 13; 17 is what ONNX Runtime 1.12 and newer run.
OPSET = 17


def export_onnx(
    model: tf_keras.Model,
    contract: Contract,
    path: Path,
    *,
    quantization: str,
    calibration: Tensors | None,
    frozen: Path | None = None,
) -> dict[str, Any]:
    """Convert a model to one `.onnx` file; equal weights give equal bytes.

    Args:
        model: from a dict of the contract's inputs to a dict of its outputs, layers named head_*, body_* or
            tail_*.
        contract: gives names and shapes.
        path: the file to write.
        quantization: one of `QUANTIZATIONS`.
        calibration: for w8a8: representative inputs, (case, ...), physical units; their extremes set the int8
            ranges.
        frozen: not possible for this format.

    Returns:
        What was quantized, for the manifest: counts of constants per type and of operations.

    Raises:
        ConversionFailed: unknown quantization, no calibration where it is needed, no body to quantize, or a
            released artifact whose scales were to be kept.
    """
    if quantization not in QUANTIZATIONS:
        raise ConversionFailed(
            f"ONNX quantization {quantization!r} is not known; choose one of {', '.join(QUANTIZATIONS)}."
        )
    if frozen is not None:
        raise ConversionFailed(
            "The scales of a released ONNX artifact cannot be kept; only TFLite, TFLite Micro and Core ML "
            "can be refilled. Export without the released artifact."
        )
    cases = check_inputs(contract, calibration) if calibration else 0
    if quantization == "w8a8" and not cases:
        raise ConversionFailed(
            "Static int8 needs calibration inputs; give a few hundred representative cases."
        )
    converted = _convert(model, contract)
    if quantization == "w8a8" and calibration:
        converted = _quantize(converted, contract, calibration)
    finished = canonical_model(converted, contract)
    onnx.checker.check_model(finished)
    path.write_bytes(finished.SerializeToString(deterministic=True))
    facts = _facts(finished, quantization)
    return facts | {"calibration_cases": cases} if quantization == "w8a8" else facts


def _convert(model: tf_keras.Model, contract: Contract) -> Any:
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    names = [spec.name for spec in contract.inputs]
    specs = [tf.TensorSpec(spec.shape, tf.float32, name=spec.name) for spec in contract.inputs]
    function = tf.function(
        lambda *values: model(dict(zip(names, values, strict=True)), training=False),
        input_signature=specs,
        autograph=False,
    )
    with warnings.catch_warnings():
        # Written for an older numpy and onnx; what it says concerns its own code.
        warnings.simplefilter("ignore")
        converted, _ = tf2onnx.convert.from_function(function, input_signature=specs, opset=OPSET)
    return converted


class _Cases:
    """Calibration cases one by one, as ONNX Runtime asks for them."""

    def __init__(self, contract: Contract, inputs: Tensors) -> None:
        self._cases = self._each(contract, inputs)

    @staticmethod
    def _each(contract: Contract, inputs: Tensors) -> Iterator[dict[str, Any]]:
        for index in range(check_inputs(contract, inputs)):
            yield {s.name: inputs[s.name][index : index + 1].astype(np.float32) for s in contract.inputs}

    def get_next(self) -> dict[str, Any] | None:
        """The next case by input name; None after the last."""
        return next(self._cases, None)


def _quantize(converted: Any, contract: Contract, calibration: Tensors) -> Any:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, quantized = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "int8"))
        onnx.save(converted, plain)
        # Symbolic shape inference stumbles over what tf2onnx makes; every shape here is static.
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        names = [node.name for node in onnx.load(prepared).graph.node]
        # The raw numbers of all outputs stay float: in one 8-bit range temperatures would lose half a degree.
        body = [name for name in names if re.search(BODY, name) and PROJECTION not in name]
        if not body:
            raise ConversionFailed(
                "There is nothing that w8a8 could compress: no layer's name starts with `body_`. "
                "Name the layers of the body so."
            )
        quantize_static(
            str(prepared),
            str(quantized),
            _Cases(contract, calibration),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Processors without VNNI add pairs of products in 16 bits, which eight bits of weights overflow:
            # temperature was 5.7 K off instead of 1.0 K. Seven bits are right everywhere, 1.2 K off.
            reduce_range=True,
            nodes_to_quantize=body,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return onnx.load(quantized)


def _facts(model: Any, scheme: str) -> dict[str, Any]:
    types = [onnx.helper.tensor_dtype_to_np_dtype(item.data_type).name for item in model.graph.initializer]
    return {
        "scheme": scheme,
        "tensors": dict(sorted(Counter(types).items())),
        "operations": len(model.graph.node),
        "quantized_operations": sum(node.op_type == "QuantizeLinear" for node in model.graph.node),
        "opset": OPSET,
    }
