"""Stock Core ML: coremltools' own weight compression with its default configurations.

Its default of fp16 for every operation cannot hold visibility in metres, and the scores would not be finite:
peers are converted with our float head and tail, and only what compresses the weights is stock.
"""

import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from packager.comparison.stock import Subject
from packager.export.coreml import in_body
from packager.export.mlpackage import rename_outputs, write_package


def kmeans4(subject: Subject, path: Path) -> Mapping[str, Any]:
    """`OpPalettizerConfig(mode="kmeans", nbits=4)` for every weight that its threshold lets through."""
    import coremltools.optimize.coreml as cto

    rule = cto.OptimizationConfig(global_config=cto.OpPalettizerConfig(mode="kmeans", nbits=4))
    return _compress(subject, path, lambda model: cto.palettize_weights(model, rule), "coremltools kmeans 4")


def linear8(subject: Subject, path: Path) -> Mapping[str, Any]:
    """`OpLinearQuantizerConfig()`: symmetric int8 for every weight that its threshold lets through."""
    import coremltools.optimize.coreml as cto

    rule = cto.OptimizationConfig(global_config=cto.OpLinearQuantizerConfig())
    return _compress(
        subject, path, lambda model: cto.linear_quantize_weights(model, rule), "coremltools linear int8"
    )


def _compress(subject: Subject, path: Path, compress: Callable[[Any], Any], scheme: str) -> Mapping[str, Any]:
    converted, names = _convert(subject)
    with warnings.catch_warnings():
        # k-means tells of matrices with fewer distinct values than entries.
        warnings.simplefilter("ignore")
        converted = compress(converted)
    specification = converted.get_spec()
    rename_outputs(specification, names)
    write_package(specification, Path(converted.weights_dir) / "weight.bin", path)
    return {"scheme": scheme}


def _convert(subject: Subject) -> tuple[Any, dict[str, str]]:
    """The converted model, and the contract's name of each output that the converter numbered."""
    import coremltools as ct

    logging.getLogger("coremltools").setLevel(logging.ERROR)
    inputs = subject.contract.inputs
    function = tf.function(lambda **given: subject.model(given, training=False), autograph=False)
    concrete = function.get_concrete_function(
        **{spec.name: tf.TensorSpec(spec.shape, tf.float32, name=spec.name) for spec in inputs}
    )
    names = {tensor.name.split(":")[0]: name for name, tensor in concrete.structured_outputs.items()}
    converted = ct.convert(
        [concrete],
        source="tensorflow",
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=ct.transform.FP16ComputePrecision(op_selector=in_body),
        inputs=[ct.TensorType(name=spec.name, shape=spec.shape, dtype=np.float32) for spec in inputs],
        outputs=[ct.TensorType(name=name, dtype=np.float32) for name in sorted(names)],
        skip_model_load=True,
    )
    return converted, names
