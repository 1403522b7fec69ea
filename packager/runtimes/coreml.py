"""Core ML artifacts on our own evaluator of the ML Program, for machines that are not made by Apple.

It proves what the file says, not what Apple's kernels make of it: a phone may compute a tensor that is
declared fp16 in fp16 or in float32, so both modes are run and reported as a bracket. See
`docs/adr/0010-ml-program-evaluator.md`.
"""

from pathlib import Path

from packager.contract import Contract
from packager.runtimes.interface import TensorSpec, check_artifact, check_inputs, concatenate
from packager.runtimes.milevaluator import Evaluator
from packager.runtimes.milprogram import TensorType, read_program
from packager.types import Tensors

# Intermediate values of this many cases stay in a core's cache.
CASES_AT_ONCE = 32
NUMPY_NAMES = {"fp32": "float32", "fp16": "float16"}


class CoremlRuntime:
    """An ML Program, compiled once to a list of numpy functions.

    With precision "float32" every float is computed in float32 (weights are what the file holds); with
    "float16" the result of every operation that is declared fp16 is rounded to fp16.
    """

    format = "coreml"

    def __init__(self, path: Path, contract: Contract, *, precision: str = "float32") -> None:
        """Read, check and compile a package.

        Raises:
            ArtifactRefused: unreadable, not what the contract says, or with an operation that has no kernel.
        """
        self._contract = contract
        program = read_program(path)
        check_artifact(
            contract,
            {name: _spec(declared) for name, declared in program.inputs.items()},
            {name: _spec(program.types[name]) for name in program.outputs},
            artifact=path.name,
        )
        self._evaluator = Evaluator(program, rounding=precision == "float16")

    def run(self, inputs: Tensors) -> Tensors:
        """Run every case, a few at a time."""
        cases = check_inputs(self._contract, inputs)
        starts = range(0, cases, CASES_AT_ONCE)
        parts = [
            self._run({name: value[s : s + CASES_AT_ONCE] for name, value in inputs.items()}) for s in starts
        ]
        return concatenate(self._contract, parts)

    def microseconds_per_inference(self, inputs: Tensors, *, repeats: int = 200) -> None:
        """Give None: numpy's speed says nothing about a phone's."""

    def _run(self, inputs: Tensors) -> Tensors:
        # The program's own batch of 1 stands behind the case axis.
        outputs = self._evaluator.run({name: value[:, None] for name, value in inputs.items()})
        return {name: value[:, 0] for name, value in outputs.items()}


def _spec(declared: TensorType) -> TensorSpec:
    return TensorSpec(declared.shape, NUMPY_NAMES.get(declared.dtype, declared.dtype))
