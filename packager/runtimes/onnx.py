"""ONNX artifacts on ONNX Runtime: one thread, one case at a time."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from packager.contract import Contract
from packager.errors import ArtifactRefused, RuntimeUnavailable
from packager.runtimes.interface import TensorSpec, check_artifact, check_inputs, concatenate
from packager.types import Tensors

WARM_UP = 20
TYPE_NAMES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}


class OnnxRuntime:
    """An ONNX model, addressed by the names of its inputs and outputs."""

    format = "onnx"

    def __init__(self, path: Path, contract: Contract) -> None:
        """Open a model on one thread.

        Raises:
            ArtifactRefused: not an ONNX model, or not what the contract says.
            RuntimeUnavailable: ONNX Runtime is not installed.
        """
        self._contract = contract
        self._session = _open(path)
        sides = self._session.get_inputs(), self._session.get_outputs()
        specs = [{item.name: _spec(item) for item in side} for side in sides]
        check_artifact(contract, specs[0], specs[1], artifact=path.name)
        self._names = [spec.name for spec in contract.outputs]

    def run(self, inputs: Tensors) -> Tensors:
        """Run every case, one by one."""
        cases = check_inputs(self._contract, inputs)
        return concatenate(self._contract, [self._run(self._case(inputs, index)) for index in range(cases)])

    def microseconds_per_inference(self, inputs: Tensors, *, repeats: int = 200) -> float:
        """Median of `repeats` runs of the first case, one thread, after a warm-up."""
        check_inputs(self._contract, inputs)
        case = self._case(inputs, 0)
        times = [self._nanoseconds(case) for _ in range(WARM_UP + repeats)]
        return float(np.median(times[WARM_UP:])) / 1000

    def _run(self, case: Tensors) -> Tensors:
        return dict(zip(self._names, self._session.run(self._names, case), strict=True))

    def _nanoseconds(self, case: Tensors) -> int:
        started = time.perf_counter_ns()
        self._session.run(self._names, case)
        return time.perf_counter_ns() - started

    def _case(self, inputs: Tensors, index: int) -> Tensors:
        names = [spec.name for spec in self._contract.inputs]
        return {name: np.ascontiguousarray(inputs[name][index : index + 1], np.float32) for name in names}


def _open(path: Path) -> Any:
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as refusals
    except ImportError as error:
        raise RuntimeUnavailable("ONNX artifacts run on the package onnxruntime; install it.") from error
    if not path.is_file():
        raise ArtifactRefused(f"{path.name} is not a file; an ONNX artifact is one `.onnx` file.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # What it cannot load is said below, once.
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (
        refusals.Fail,
        refusals.InvalidArgument,
        refusals.InvalidGraph,
        refusals.InvalidProtobuf,
        refusals.NotImplemented,
        refusals.RuntimeException,
    ) as error:
        raise ArtifactRefused(
            f"{path.name} is not an ONNX model that ONNX Runtime can run: {error}"
        ) from error


def _spec(item: Any) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else None for size in item.shape)
    return TensorSpec(shape, TYPE_NAMES.get(item.type, item.type))
