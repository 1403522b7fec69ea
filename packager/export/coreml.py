"""Core ML: an ML Program for iOS 17, fp16 body, float32 head and tail; weights fp16 or a palette of 16.

The head and the tail are float32 for range and resolution, not for accuracy alone: visibility in metres
overflows fp16, and its step at 1013 hPa is half a hectopascal. Inputs and outputs are float32 for the same
reason.
"""

import logging
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from packager.contract import Contract
from packager.errors import ConversionFailed
from packager.export.mlpackage import rename_outputs, write_package
from packager.export.palette import palette
from packager.export.refill_coreml import refill_package

WEIGHTS = ("fp32", "fp16", "pal4")
# Below this a look-up table costs more than it saves.
SMALLEST_PALETTIZED = 256
BODY = re.compile(r"(^|_|/)body_")
FLOAT = re.compile(r"(^|_|/)(head|tail)_")


def export_coreml(
    model: tf_keras.Model, contract: Contract, path: Path, *, weights: str, frozen: Path | None = None
) -> dict[str, Any]:
    """Convert a model to a `.mlpackage`; equal weights give equal bytes.

    Args:
        model: from a dict of the contract's inputs to a dict of its outputs, layers named head_*, body_* or
            tail_*.
        contract: gives names and shapes.
        path: the folder to write; it must not exist.
        weights: one of `WEIGHTS`: fp32 keeps the body in float32 too, fp16 rounds it, pal4 also gives every
            weight matrix of the body a palette of 16 values (one per matrix: finer ones need iOS 18).
        frozen: a package that was exported in the same way before: its palettes are kept, and the package
            differs from it in the weights only.

    Returns:
        What was compressed, for the manifest.

    Raises:
        ConversionFailed: unknown weights, or a body without weights.
    """
    if weights not in WEIGHTS:
        raise ConversionFailed(
            f"Core ML weights {weights!r} are not known; choose one of {', '.join(WEIGHTS)}."
        )
    converted, names = _convert(model, contract, fp16=weights != "fp32")
    palettized = _body_weights(converted) if weights == "pal4" else []
    if weights == "pal4" and frozen is None:
        converted = _palettize(converted, palettized)
    specification = converted.get_spec()
    rename_outputs(specification, names)
    written = Path(converted.weights_dir) / "weight.bin"
    if frozen is None:
        write_package(specification, written, path)
    else:
        with tempfile.TemporaryDirectory() as folder:
            write_package(specification, written, Path(folder) / path.name)
            refill_package(frozen, Path(folder) / path.name, path)
    return _facts(converted, weights, len(palettized))


def _convert(model: tf_keras.Model, contract: Contract, *, fp16: bool) -> tuple[Any, dict[str, str]]:
    """The converted model, and the contract's name of each output that the converter numbered."""
    import coremltools as ct

    logging.getLogger("coremltools").setLevel(logging.ERROR)
    specs = {spec.name: tf.TensorSpec(spec.shape, tf.float32, name=spec.name) for spec in contract.inputs}
    function = tf.function(lambda **inputs: model(inputs, training=False), autograph=False)
    concrete = function.get_concrete_function(**specs)
    names = {tensor.name.split(":")[0]: name for name, tensor in concrete.structured_outputs.items()}
    precision = ct.transform.FP16ComputePrecision(op_selector=in_body) if fp16 else ct.precision.FLOAT32
    converted = ct.convert(
        [concrete],
        source="tensorflow",
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=precision,
        # Without a type coremltools makes inputs and outputs fp16 as soon as the program has fp16 in it.
        inputs=[
            ct.TensorType(name=spec.name, shape=spec.shape, dtype=np.float32) for spec in contract.inputs
        ],
        outputs=[ct.TensorType(name=name, dtype=np.float32) for name in sorted(names)],
        skip_model_load=True,
    )
    return converted, names


def in_body(operation: Any) -> bool:
    """Whether an operation of the program being converted belongs to the body.

    Named layers say it themselves. What the converter's own passes made has no layer's name, and belongs
    where what it reads was made; an output of the program is never in the body.
    """
    if any(output in operation.enclosing_block.outputs for output in operation.outputs):
        return False
    name = str(operation.name)
    if BODY.search(name):
        return True
    if FLOAT.search(name) or operation.op_type == "const":
        return False
    return any(in_body(source) for source in _sources(operation))


def _sources(operation: Any) -> list[Any]:
    values = [
        v
        for given in operation.inputs.values()
        for v in (given if isinstance(given, (list, tuple)) else [given])
    ]
    return [
        value.op
        for value in values
        if value is not None and value.op is not None and value.op.op_type != "const"
    ]


def _palettize(model: Any, chosen: list[str]) -> Any:
    import coremltools.optimize.coreml as cto

    if not chosen:
        raise ConversionFailed(
            "No weights to palettize: no layer's name starts with `body_`. Name the body's layers."
        )
    rule = cto.OpPalettizerConfig(
        mode="custom", lut_function=palette, granularity="per_tensor", weight_threshold=SMALLEST_PALETTIZED
    )
    config = cto.OptimizationConfig(op_name_configs=dict.fromkeys(chosen, rule))
    return cto.palettize_weights(model, config)


def _body_weights(model: Any) -> list[str]:
    """Names of the constants that hold the body's weight matrices."""
    operations = model._mil_program.functions["main"].operations  # noqa: SLF001 - there is no public way
    chosen: list[str] = []
    for operation in operations:
        weight = {"conv": "weight", "linear": "weight", "matmul": "y"}.get(operation.op_type)
        source = operation.inputs[weight].op if weight else None
        if source is None or source.op_type != "const" or not in_body(operation):
            continue
        if np.size(source.outputs[0].val) >= SMALLEST_PALETTIZED:
            chosen.append(source.name)
    return chosen


def _facts(model: Any, weights: str, palettized: int) -> dict[str, Any]:
    operations = model._mil_program.functions["main"].operations  # noqa: SLF001 - there is no public way
    types: dict[str, int] = {}
    for operation in operations:
        if operation.op_type != "const" and not operation.op_type.startswith("constexpr_"):
            name = operation.outputs[0].dtype.__name__
            types[name] = types.get(name, 0) + 1
    return {
        "scheme": weights,
        "operations": dict(sorted(types.items())),
        "palettized_tensors": palettized,
        "minimum_deployment_target": "iOS17",
    }
