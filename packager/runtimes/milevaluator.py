"""Run an ML Program with numpy: compiled once to a list of functions, then called with many cases at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from packager.errors import ArtifactRefused
from packager.runtimes import millayers, milshapes  # noqa: F401 - importing them fills the registry
from packager.runtimes.milkernels import KERNELS, Node
from packager.runtimes.milprogram import Operation, Program
from packager.types import Tensors

FP16_SMALLEST_NORMAL = np.float32(2.0**-14)
FP16_OVERFLOW = np.float32(65520.0)
# Adding and taking away 0.75 leaves a float32 rounded to 2^-24, the step of fp16's subnormal numbers.
FP16_SUBNORMAL_SHIFT = np.float32(0.75)


@dataclass(frozen=True, slots=True)
class Step:
    """One compiled operation: values are kept in numbered slots and dropped after their last use."""

    run: Callable[..., Any]
    arguments: tuple[int, ...]
    results: tuple[int, ...]
    rounds: tuple[bool, ...]
    drops: tuple[int, ...]


class Evaluator:
    """A program, ready to run.

    With `rounding`, the result of every operation that is declared fp16 is rounded to fp16; without,
    everything is computed in float32. Weights are what the file holds in both cases.
    """

    def __init__(self, program: Program, *, rounding: bool) -> None:
        compiler = _Compiler(program, rounding=rounding)
        self._steps = compiler.compile()
        self._slots = compiler.slots
        self._constants = compiler.constants
        self._inputs = {
            name: rounding and declared.dtype == "fp16" for name, declared in program.inputs.items()
        }
        self._outputs = program.outputs

    def run(self, inputs: Tensors) -> Tensors:
        """Run many cases at once.

        Args:
            inputs: by name, (case, *declared shape).

        Returns:
            By name, (case, *declared shape).
        """
        cases = len(next(iter(inputs.values())))
        values: dict[int, Any] = dict(self._constants)
        for name, rounds in self._inputs.items():
            value = np.ascontiguousarray(inputs[name], np.float32)
            values[self._slots[name]] = round_to_fp16(value) if rounds else value
        with np.errstate(all="ignore"):
            for step in self._steps:
                _store(values, step, step.run(*[values[slot] for slot in step.arguments]))
        return {name: _for_all(values[self._slots[name]], cases) for name in self._outputs}


def _store(values: dict[int, Any], step: Step, results: Any) -> None:
    for slot in step.drops:
        del values[slot]
    each = results if isinstance(results, tuple) else (results,)
    for slot, value, rounds in zip(step.results, each, step.rounds, strict=True):
        values[slot] = round_to_fp16(value) if rounds else value


def _for_all(value: Any, cases: int) -> Any:
    # An output that depends on no input has one case for all.
    return np.array(np.broadcast_to(value, (cases, *value.shape[1:])))


class _Compiler:
    """Turns operations into steps; what depends on constants only is computed now."""

    def __init__(self, program: Program, *, rounding: bool) -> None:
        self.program = program
        self.rounding = rounding
        self.slots = {name: number for number, name in enumerate(program.types)}
        self.constants: dict[int, Any] = {}

    def compile(self) -> list[Step]:
        self._refuse_unknown()
        steps = [self._step(operation) for operation in self.program.operations]
        steps = [step for step in steps if not self._fold(step)]
        return self._with_drops(steps)

    def _refuse_unknown(self) -> None:
        unknown = sorted({operation.type for operation in self.program.operations} - set(KERNELS))
        if unknown:
            raise ArtifactRefused(
                f"Operations {', '.join(unknown)} have no kernel here. "
                f"Build the model from those that have: {', '.join(sorted(KERNELS))}."
            )

    def _step(self, operation: Operation) -> Step:
        entry = KERNELS[operation.type]
        arguments = [name for tensor in entry.tensors for name in operation.inputs.get(tensor, ())]
        for name in arguments:
            self._lift_constant(name)
        outputs = [self.slots[name] for name, _ in operation.outputs]
        rounds = [
            self.rounding and not entry.exact and declared.dtype == "fp16"
            for _, declared in operation.outputs
        ]
        run = entry.build(Node(operation, self.program))
        return Step(run, tuple(self.slots[name] for name in arguments), tuple(outputs), tuple(rounds), ())

    def _lift_constant(self, name: str) -> None:
        if name in self.program.constants and self.slots[name] not in self.constants:
            value = np.asarray(self.program.constants[name])
            kind = np.float32 if value.dtype in {np.dtype(np.float16), np.dtype(np.float32)} else value.dtype
            self.constants[self.slots[name]] = value.astype(kind)[None]

    def _fold(self, step: Step) -> bool:
        if not all(slot in self.constants for slot in step.arguments):
            return False
        with np.errstate(all="ignore"):
            _store(self.constants, step, step.run(*[self.constants[slot] for slot in step.arguments]))
        return True

    def _with_drops(self, steps: list[Step]) -> list[Step]:
        kept = set(self.constants) | {self.slots[name] for name in self.program.outputs}
        dropped: list[Step] = []
        for step in reversed(steps):
            last = {slot for slot in step.arguments if slot not in kept}
            kept |= last
            dropped.append(Step(step.run, step.arguments, step.results, step.rounds, tuple(sorted(last))))
        return dropped[::-1]


def round_to_fp16(values: Any) -> Any:
    """Round float32 numbers to the nearest fp16, ties to even, kept as float32.

    Three times faster than converting there and back, which numpy does one number at a time.
    """
    size = np.abs(values)
    if not size.max(initial=0) < FP16_OVERFLOW:
        return values.astype(np.float16).astype(np.float32)
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = bits >> 13
    rounded &= 1
    rounded += 0xFFF
    rounded += bits
    rounded &= 0xFFFFE000
    result = rounded.view(np.float32)
    tiny = values + FP16_SUBNORMAL_SHIFT
    tiny -= FP16_SUBNORMAL_SHIFT
    np.copyto(result, tiny, where=size < FP16_SMALLEST_NORMAL)
    return result
