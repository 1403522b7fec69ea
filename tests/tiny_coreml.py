"""A real ML Program of a contract's shape from coremltools' own builder: no TensorFlow, one second."""

import warnings
from pathlib import Path

import numpy as np

from packager.contract import Contract


def build_mlpackage(contract: Contract, path: Path) -> Path:
    """Write a package whose outputs are small linear maps of the inputs; the middle is fp16."""
    with warnings.catch_warnings():
        # coremltools warns about the versions of its neighbours.
        warnings.simplefilter("ignore")
        import coremltools
        from coremltools.converters.mil import Builder as mb  # noqa: N813

        shapes = {spec.name: spec.shape for spec in contract.inputs}
        names = ("history", "history_mask", "site", "clock")

        @mb.program(
            input_specs=[mb.TensorSpec(shape=shapes[name]) for name in names],
            opset_version=coremltools.target.iOS17,
        )
        def program(history, history_mask, site, clock):
            rows = mb.mul(x=history, y=history_mask)
            return tuple(_output(mb, out, rows, {"site": site, "clock": clock}) for out in contract.outputs)

        model = coremltools.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=coremltools.target.iOS17,
            compute_precision=coremltools.precision.FLOAT16,
        )
        model.save(str(path))
    return path


def _output(mb, out, rows, inputs):
    value = _linear(mb, rows, out.width, np.linspace(-1, 1, out.width))
    for source in inputs.values():
        part = _linear(mb, source, out.width, np.zeros(out.width))
        value = mb.add(x=value, y=mb.reshape(x=part, shape=(1, 1, out.width)))
    if out.kind == "probabilities":
        value = mb.softmax(x=value, axis=-1)
    return mb.reshape(x=value, shape=out.shape, name=out.name)


def _linear(mb, source, width, bias):
    inputs = source.shape[-1]
    weight = np.random.default_rng(inputs).uniform(-1e-3, 1e-3, (width, inputs))
    return mb.linear(x=source, weight=weight.astype(np.float32), bias=bias.astype(np.float32))
