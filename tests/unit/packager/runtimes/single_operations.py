"""One operation at a time through the evaluator."""

import numpy as np

from packager.runtimes.milevaluator import Evaluator
from packager.runtimes.milprogram import Operation, Program, TensorType

RANDOM = np.random.default_rng(0)
CASES = 3


def evaluate(kind, inputs, attributes, shapes, *, dtype="fp32", rounding=False):
    """Run one operation on CASES cases; `inputs` without the case axis are constants."""
    dynamic = {name: value for name, value in inputs.items() if name.startswith("case_")}
    constants = {f"c_{name}": value for name, value in attributes.items()}
    types = {name: TensorType(dtype, value.shape[1:]) for name, value in dynamic.items()}
    types |= {name: TensorType(dtype, np.shape(value)) for name, value in constants.items()}
    parameters = {name.removeprefix("case_"): (name,) for name in dynamic}
    parameters |= {name.removeprefix("c_"): (name,) for name in constants}
    if "values" in attributes:
        raise ValueError("lists are given as case_ inputs")
    lists = sorted(name for name in dynamic if name.startswith("case_values"))
    if lists:
        parameters = {k: v for k, v in parameters.items() if not k.startswith("values")} | {
            "values": tuple(lists)
        }
    outputs = tuple((f"out{i}", TensorType(dtype, shape)) for i, shape in enumerate(shapes))
    types |= dict(outputs)
    names = tuple(name for name, _ in outputs)
    operation = Operation(kind, parameters, outputs)
    program = Program({name: types[name] for name in dynamic}, (operation,), names, constants, types)
    results = Evaluator(program, rounding=rounding).run(dynamic)
    found = [results[name] for name in names]
    assert [value.shape for value in found] == [(CASES, *shape) for shape in shapes]
    return found[0] if len(found) == 1 else found


def cases(*shape):
    return RANDOM.normal(size=(CASES, *shape)).astype(np.float32)


def each(function, *values):
    return np.stack([function(*(value[i] for value in values)) for i in range(CASES)])
