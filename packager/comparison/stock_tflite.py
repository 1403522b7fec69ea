"""Stock TFLite: the converter's own post-training int8, and the LiteRT quantizer's default recipes."""

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from packager.comparison.stock import Subject
from packager.errors import ConversionFailed
from packager.export.tflite import convert_float
from packager.export.tflite_rules import BODY
from packager.runtimes.tflite import SIGNATURE
from packager.types import Tensors


def full_int8(subject: Subject, path: Path) -> Mapping[str, Any]:
    """The converter's `Optimize.DEFAULT` with a representative dataset: int8 wherever it has a kernel.

    Inputs and outputs stay float32, as it leaves them unless it is told otherwise.
    """
    function = tf.function(lambda **inputs: subject.model(inputs, training=False), autograph=False)
    module = tf.Module()
    module.weights, module.serve = subject.model.weights, function
    concrete = function.get_concrete_function(
        **{s.name: tf.TensorSpec(s.shape, tf.float32, name=s.name) for s in subject.contract.inputs}
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={SIGNATURE: concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        # By signature: a list would feed the inputs in another order than the file's.
        converter.representative_dataset = lambda: ((SIGNATURE, case) for case in _cases(subject))
        path.write_bytes(converter.convert())
    return {"scheme": "tf.lite int8", "calibration_cases": _count(subject.calibration)}


def litert_dynamic(subject: Subject, path: Path) -> Mapping[str, Any]:
    """The LiteRT quantizer's recipe for int8 weights with activations rounded as they come, in the body."""
    from litert_quantizer import recipe

    return _quantize(subject, path, recipe.dynamic_wi8_afp32(), "litert dynamic_wi8_afp32", calibrate=False)


def litert_static(subject: Subject, path: Path) -> Mapping[str, Any]:
    """The LiteRT quantizer's recipe for int8 everywhere in the body, with its default calibration."""
    from litert_quantizer import recipe

    return _quantize(subject, path, recipe.static_wi8_ai8(), "litert static_wi8_ai8", calibrate=True)


def _quantize(subject: Subject, path: Path, rules: Any, scheme: str, *, calibrate: bool) -> Mapping[str, Any]:
    from litert_quantizer import quantizer

    # Metres and hectopascals in eight bits, which its recipes for every operation give our head and tail,
    # would say nothing of the tool.
    rules = [rule | {"regex": BODY} for rule in rules]
    content = bytearray(convert_float(subject.model, subject.contract, batch=1))
    with warnings.catch_warnings():
        # LiteRT warns that keeping every tensor costs memory; the quantizer does it to see their ranges.
        warnings.simplefilter("ignore", UserWarning)
        tool = quantizer.Quantizer(content, rules)
        ranges = tool.calibrate({SIGNATURE: list(_cases(subject))}, num_threads=1) if calibrate else {}
        made = tool.quantize(ranges).quantized_model
    if made is None:
        raise ConversionFailed(f"{scheme} gave no model.")
    path.write_bytes(bytes(made))
    return {"scheme": scheme, "calibration_cases": _count(subject.calibration) if calibrate else 0}


def _cases(subject: Subject) -> Iterator[Tensors]:
    for index in range(_count(subject.calibration)):
        yield {
            spec.name: np.ascontiguousarray(subject.calibration[spec.name][index : index + 1])
            for spec in subject.contract.inputs
        }


def _count(inputs: Tensors) -> int:
    return len(next(iter(inputs.values())))
