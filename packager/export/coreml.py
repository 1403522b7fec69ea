"""Core ML: an ML Program with an fp16 body between a float32 head and tail, for iOS 16, 17 or 18.

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
from packager.export.coreml_facts import program_facts, read_specification
from packager.export.mlpackage import rename_outputs, write_package
from packager.export.refill_coreml import refill_package
from packager.export.weightforms import PLAIN, check_weights

BODY = re.compile(r"(^|_|/)body_")
FLOAT = re.compile(r"(^|_|/)(head|tail)_")


def export_coreml(
    model: tf_keras.Model,
    contract: Contract,
    path: Path,
    *,
    weights: str,
    target: str = "ios17",
    frozen: Path | None = None,
) -> dict[str, Any]:
    """Convert a model to a `.mlpackage`; equal weights give equal bytes.

    Args:
        model: from a dict of the contract's inputs to a dict of its outputs, layers named head_*, body_* or
            tail_*.
        contract: gives names and shapes.
        path: the folder to write; it must not exist.
        weights: how the weight matrices of the body are stored, one of `weightforms.WEIGHTS`: fp32 keeps the
            whole body in float32; fp16 rounds it; int8 has a scale per output channel; pal8 to pal2 a palette
            of 256 to 4 values for each matrix, smaller where the matrix has fewer distinct values; sparse
            leaves zeros out; sparse_pal4 has a palette of 16 beside; int4 has a scale per block.
        target: the oldest system that can read it: ios16, ios17 or ios18.
        frozen: a package that was exported in the same way before: its palettes and scales are kept, and the
            package differs from it in the weights only.

    Returns:
        What the file holds, for the manifest: `scheme`, `operations` by precision, `matrices` by how they are
        stored, `minimum_deployment_target`.

    Raises:
        ConversionFailed: unknown weights, weights that the target cannot hold or that cannot be retrained
            into, or a body without weights.
    """
    check_weights(weights, target)
    fresh = weights if frozen is None or weights in PLAIN else "fp16"
    converted, names = _convert(model, contract, fresh, target)
    specification = converted.get_spec()
    rename_outputs(specification, names)
    written = Path(converted.weights_dir) / "weight.bin"
    if frozen is None:
        write_package(specification, written, path)
    else:
        with tempfile.TemporaryDirectory() as folder:
            write_package(specification, written, Path(folder) / path.name)
            refill_package(frozen, Path(folder) / path.name, path)
    found = program_facts(read_specification(path))
    return {"scheme": weights, **found, "minimum_deployment_target": target.replace("ios", "iOS")}


def _convert(
    model: tf_keras.Model, contract: Contract, weights: str, target: str
) -> tuple[Any, dict[str, str]]:
    """The converted model, and the contract's name of each output that the converter numbered."""
    import coremltools as ct

    from packager.export.coreml_pass import pipeline

    logging.getLogger("coremltools").setLevel(logging.ERROR)
    specs = {spec.name: tf.TensorSpec(spec.shape, tf.float32, name=spec.name) for spec in contract.inputs}
    function = tf.function(lambda **inputs: model(inputs, training=False), autograph=False)
    concrete = function.get_concrete_function(**specs)
    names = {tensor.name.split(":")[0]: name for name, tensor in concrete.structured_outputs.items()}
    half = ct.transform.FP16ComputePrecision(op_selector=in_body)
    converted = ct.convert(
        [concrete],
        source="tensorflow",
        convert_to="mlprogram",
        minimum_deployment_target=getattr(ct.target, target.replace("ios", "iOS")),
        compute_precision=ct.precision.FLOAT32 if weights == "fp32" else half,
        pass_pipeline=ct.PassPipeline() if weights in PLAIN else pipeline(weights, target, in_body),
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
