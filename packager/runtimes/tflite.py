"""TFLite artifacts on the LiteRT interpreter: what an Android phone runs, and the server."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from packager.contract import Contract
from packager.errors import ArtifactRefused
from packager.runtimes.interface import TensorSpec, check_artifact, check_inputs, concatenate
from packager.types import Tensors

SIGNATURE = "serving_default"
# Bounds the memory of a dynamic batch; larger ones are no faster on one thread.
CASES_AT_ONCE = 256
WARM_UP = 20


class TfliteRuntime:
    """A TFLite model, addressed by its signature: names, never positions."""

    format = "tflite"

    def __init__(self, path: Path, contract: Contract) -> None:
        """Open a model on one thread.

        Raises:
            ArtifactRefused: not a TFLite model, without the signature, or not what the contract says.
        """
        self._path = path
        self._contract = contract
        self._runner = _open(path).get_signature_runner(SIGNATURE)
        details = self._runner.get_input_details(), self._runner.get_output_details()
        self._input_index = {name: int(detail["index"]) for name, detail in details[0].items()}
        specs = [{name: _spec(detail) for name, detail in side.items()} for side in details]
        check_artifact(contract, specs[0], _without_unknown_batch(specs[1], contract), artifact=path.name)
        self._dynamic = all(spec.shape[0] is None for spec in specs[0].values())

    def run(self, inputs: Tensors) -> Tensors:
        """Run every case; a model with a batch of 1 is run case by case."""
        cases = check_inputs(self._contract, inputs)
        step = CASES_AT_ONCE if self._dynamic else 1
        parts = [self._runner(**self._cases(inputs, start, start + step)) for start in range(0, cases, step)]
        return concatenate(self._contract, parts)

    def microseconds_per_inference(self, inputs: Tensors, *, repeats: int = 200) -> float:
        """Median of `repeats` calls of the interpreter with the first case, one thread, after a warm-up."""
        check_inputs(self._contract, inputs)
        # The interpreter refuses `invoke` while a signature runner holds its tensors: time a second one.
        interpreter = _open(self._path)
        for name, value in self._cases(inputs, 0, 1).items():
            interpreter.resize_tensor_input(self._input_index[name], value.shape)
        interpreter.allocate_tensors()
        for name, value in self._cases(inputs, 0, 1).items():
            interpreter.set_tensor(self._input_index[name], value)
        times = [_nanoseconds(interpreter) for _ in range(WARM_UP + repeats)]
        return float(np.median(times[WARM_UP:])) / 1000

    def _cases(self, inputs: Tensors, start: int, stop: int) -> Tensors:
        names = [spec.name for spec in self._contract.inputs]
        return {name: np.ascontiguousarray(inputs[name][start:stop], np.float32) for name in names}


def _open(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    if not path.is_file():
        raise ArtifactRefused(f"{path.name} is not a file; a TFLite artifact is one `.tflite` file.")
    try:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        signatures = interpreter.get_signature_list()
    except (ValueError, RuntimeError) as error:
        raise ArtifactRefused(f"{path.name} is not a TFLite model that LiteRT can run: {error}") from error
    if SIGNATURE not in signatures:
        raise ArtifactRefused(
            f"{path.name} has signatures {sorted(signatures) or 'none'}; it needs {SIGNATURE!r}. "
            "Convert it from a function with named inputs and outputs."
        )
    return interpreter


def _spec(detail: dict[str, Any]) -> TensorSpec:
    declared = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    shape = tuple(int(size) if size >= 0 else None for size in declared)
    return TensorSpec(shape, np.dtype(detail["dtype"]).name)


def _without_unknown_batch(specs: dict[str, TensorSpec], contract: Contract) -> dict[str, TensorSpec]:
    """Fill in the inner sizes that the converter lost behind a dynamic batch; `run` gives the real ones."""
    filled = dict(specs)
    for wanted in contract.outputs:
        spec = specs.get(wanted.name)
        if spec is not None and spec.shape[0] is None and len(spec.shape) == len(wanted.shape):
            pairs = zip(spec.shape[1:], wanted.shape[1:], strict=True)
            inner = tuple(size if known is None else known for known, size in pairs)
            filled[wanted.name] = TensorSpec((None, *inner), spec.dtype)
    return filled


def _nanoseconds(interpreter: Any) -> int:
    started = time.perf_counter_ns()
    interpreter.invoke()
    return time.perf_counter_ns() - started
