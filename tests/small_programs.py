"""A small ML Program whose weights are stored in any form, each converted once, in less than a second."""

import atexit
import gc
import hashlib
import logging
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path

import numpy as np

from packager.export.mlpackage import WEIGHTS, block_of, rename_outputs, write_package
from tests.students import bytes_of

FOLDER = Path(tempfile.mkdtemp(prefix="skyfold-programs-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
CHANNELS, STEPS = 48, 4


def stored(weights: str, target: str = "ios17", zeros: float = 0.5, seed: int = 0) -> Path:
    """A package: a convolution, a grouped one, a dense layer and a product, half of their weights zero."""
    return _stored(weights, target, zeros, seed)


@cache
def _stored(weights, target, zeros, seed):
    path = FOLDER / f"{weights}-{target}-{zeros}-{seed}.mlpackage"
    with warnings.catch_warnings():
        # coremltools warns about the versions of its neighbours, and leaves folders to the garbage collector.
        warnings.simplefilter("ignore")
        logging.getLogger("coremltools").setLevel(logging.CRITICAL)
        try:
            _write(weights, target, matrices(zeros, seed), path)
        finally:
            gc.collect()
    return path


def digest(weights: str, target: str) -> str:
    """SHA-256 of every byte of a package."""
    return hashlib.sha256(repr(bytes_of(stored(weights, target))).encode()).hexdigest()


def matrices(zeros: float = 0.5, seed: int = 0) -> list:
    """The weights, float32."""
    random = np.random.default_rng(seed)
    shapes = [(40, CHANNELS, 3, 1), (40, 1, 7, 1), (36, 40 * STEPS), (36, 24)]
    return [_pruned(random.normal(size=shape), zeros).astype(np.float32) for shape in shapes]


def inputs(cases: int = 5):
    """By name, with the case axis in front."""
    random = np.random.default_rng(7)
    return {"x": random.normal(size=(cases, 1, CHANNELS, STEPS, 1)).astype(np.float32)}


def by_coremltools(package: Path) -> dict:
    """What coremltools itself decompresses, by the name of the constant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from coremltools.converters.mil.frontend.milproto.load import load

        from packager.export.coreml_facts import read_specification

        specification = read_specification(package)
        folder = str(package / "Data" / WEIGHTS)
        program = load(specification, specification.specificationVersion, folder)
        values = {}
        for operation in program.functions["main"].operations:
            if operation.op_type.startswith("constexpr_"):
                given = operation.materialized_val_inference()
                given = given if isinstance(given, tuple) else (given,)
                names = [output.name for output in operation.outputs]
                values |= dict(zip(names, given, strict=True))
    return values


def _pruned(values, share):
    return np.where(np.abs(values) < np.quantile(np.abs(values), share), 0.0, values)


def _write(weights, target, weight, path):
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    from packager.export.coreml_pass import pipeline

    system = getattr(ct.target, target.replace("ios", "iOS"))
    bias = np.linspace(-1, 1, 40).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, CHANNELS, STEPS, 1))], opset_version=system)
    def program(x):
        y = mb.conv(x=x, weight=weight[0], bias=bias, pad_type="same")
        y = mb.relu(x=mb.conv(x=y, weight=weight[1], groups=40, pad_type="same"))
        y = mb.linear(x=mb.reshape(x=y, shape=(1, 40 * STEPS)), weight=weight[2])
        return mb.matmul(x=y, y=weight[3], name="out")

    converted = ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=system,
        compute_precision=ct.precision.FLOAT16,
        pass_pipeline=ct.PassPipeline() if weights == "fp16" else pipeline(weights, target, _everything),
        skip_model_load=True,
    )
    specification = converted.get_spec()
    rename_outputs(specification, {name: name for name in block_of(specification).outputs})
    write_package(specification, Path(converted.weights_dir) / "weight.bin", path)


def _everything(_):
    return True
