"""Run a loaded model by the contract's names, in batches, and check that it is a teacher at all."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from packager.contract import Contract
from packager.errors import TeacherRefused
from packager.teacher.foreign.fitting import contract_outputs, crossing_share, model_inputs, raw_outputs
from packager.teacher.foreign.interface import ForeignModel, Shape
from packager.teacher.foreign.side_file import TeacherContract, own_name
from packager.types import FloatArray, Tensors

CASES_AT_ONCE = 256
# Between a case alone and the same case among others: other orders of summation, relative to an output's
# largest.
BATCH_TOLERANCE = 1e-3


def run_model(model: ForeignModel, side: TeacherContract, contract: Contract, inputs: Tensors) -> Tensors:
    """Run every case.

    Args:
        model: a loaded model whose inputs were checked.
        side: how its tensors map.
        contract: names and masks.
        inputs: by contract name, (case, ...), the contract's units.

    Returns:
        By contract name, (case, lead) or (case, lead, level, class or component), the contract's units.

    Raises:
        TeacherRefused: it fails on them, or gives what a teacher must not give.
    """
    return contract_outputs(_run(model, side, contract, inputs), side, _cases(inputs))


def check_model(
    model: ForeignModel, side: TeacherContract, contract: Contract, inputs: Tensors
) -> dict[str, Any]:
    """Ask a model about a few cases, alone and together.

    Returns:
        `parameters`, and `crossing`: by output, the share of quantiles that had to be sorted.

    Raises:
        TeacherRefused: its inputs do not fit, the number of cases cannot vary, a case is answered otherwise
            among others, or what `run_model` refuses.
    """
    _check_inputs(model.inputs, side)
    together = run_model(model, side, contract, inputs)
    for index in range(min(2, _cases(inputs))):
        alone = run_model(model, side, contract, {k: v[index : index + 1] for k, v in inputs.items()})
        _check_alone(alone, together, index)
    raw = raw_outputs(_run(model, side, contract, inputs), side, _cases(inputs))
    quantiles = [item.spec.name for item in side.outputs if item.spec.kind == "quantiles"]
    return {
        "parameters": model.parameters,
        "crossing": {name: round(crossing_share(raw[name]), 6) for name in quantiles},
    }


def _run(
    model: ForeignModel, side: TeacherContract, contract: Contract, inputs: Tensors
) -> dict[str, FloatArray]:
    names = list(model.inputs)
    parts = []
    for start in range(0, _cases(inputs), CASES_AT_ONCE):
        part = {name: values[start : start + CASES_AT_ONCE] for name, values in inputs.items()}
        given = {own_name(p, names): v for p, v in model_inputs(part, side, contract).items()}
        parts.append(_answer(model, given))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _answer(model: ForeignModel, given: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    try:
        return model.run(given)
    except Exception as error:
        shapes = ", ".join(f"{name} {values.shape}" for name, values in given.items())
        raise TeacherRefused(
            f"The model fails on {shapes}: {type(error).__name__}: {error}. It must take these shapes, with "
            "any number "
            "of cases first: save it with a free first dimension, or correct the shapes in the side file."
        ) from error


def _cases(inputs: Tensors) -> int:
    return len(next(iter(inputs.values())))


def _check_inputs(declared: Mapping[str, Shape], side: TeacherContract) -> None:
    names = list(declared)
    mapped: dict[str, tuple[int, ...]] = {}
    for item in side.inputs:
        known = item.place < len(names) if isinstance(item.place, int) else item.place in declared
        if not known:
            raise TeacherRefused(
                f"The model has no input {item.place!r} (meant as {item.name}); it takes "
                f"{', '.join(names)}. Name one "
                "of these in the side file."
            )
        mapped[own_name(item.place, names)] = tuple(side.document["inputs"][item.name]["shape"][1:])
    if unfed := [name for name in names if name not in mapped]:
        raise TeacherRefused(
            f"The model also takes {', '.join(unfed)}, which the side file does not mention. Map it to an "
            "input of the "
            "contract, or save the model without it."
        )
    for name, shape in declared.items():
        _check_declared(name, shape, mapped[name])


def _check_declared(name: str, shape: Shape, wanted: tuple[int, ...]) -> None:
    if shape is None:
        return
    fits = len(shape) == len(wanted) + 1 and all(
        size in (None, need) for size, need in zip(shape[1:], wanted, strict=True)
    )
    if not fits:
        raise TeacherRefused(
            f"The model's input {name} has shape {shape}; the side file says {(None, *wanted)}. Correct the "
            "side file, "
            "or the model."
        )
    if shape[0] is not None:
        raise TeacherRefused(
            f"The model's input {name} takes exactly {shape[0]} cases at once; a teacher must take any "
            "number. Save it "
            "with a free first dimension (None in Keras, a named dimension in ONNX, Dim in torch.export)."
        )


def _check_alone(alone: Tensors, together: Tensors, index: int) -> None:
    for name, values in alone.items():
        scale = max(float(np.abs(together[name]).max()), 1e-6)
        apart = float(np.abs(values[0] - together[name][index]).max())
        if apart > BATCH_TOLERANCE * scale:
            raise TeacherRefused(
                f"Output {name} of the same case differs by {apart:.3g} when other cases are asked with it. "
                "A case must "
                "not depend on its neighbours: save the model for inference, without dropout or batch "
                "statistics."
            )
