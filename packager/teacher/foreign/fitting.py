"""From the contract's tensors to a model's and back: order, units, and what a teacher must not give.

Everything here is numpy; what runs the model is elsewhere.
"""

from collections.abc import Mapping

import numpy as np

from packager.contract import Contract, Output
from packager.errors import TeacherRefused
from packager.teacher.foreign.side_file import InputMapping, Place, TeacherContract, by_place, own_name
from packager.types import BoolArray, FloatArray, Tensors

# Half precision and sums of softmax are off by this much.
ROUNDING = 1e-3
SUM_ROUNDING = 1e-2
# Independent quantiles cross now and then, and the tails of a regression leave the range; a mapping that is
# wrong is wrong nearly everywhere.
MAX_CROSSING_SHARE = 0.05
MAX_OUTSIDE_SHARE = 0.05


def model_inputs(inputs: Tensors, side: TeacherContract, contract: Contract) -> dict[Place, FloatArray]:
    """What the model takes, by its own names or positions.

    Args:
        inputs: by contract name, (case, ...), the contract's units.
        side: how they map.
        contract: gives the masks.

    Returns:
        float32, the model's channels in its order and units; a value that was not reported is 0 or NaN, as
        the side file says.
    """
    return {item.place: _model_input(item, inputs, side, contract) for item in side.inputs}


def _model_input(
    item: InputMapping, inputs: Tensors, side: TeacherContract, contract: Contract
) -> FloatArray:
    chosen = list(item.channels)
    factor = np.array([c.factor for c in item.conversions])
    offset = np.array([c.offset for c in item.conversions])
    values = np.asarray(inputs[item.name], np.float64)[..., chosen] * factor + offset
    if contract.has_input(f"{item.name}_mask"):
        reported = inputs[f"{item.name}_mask"][..., chosen] > 0
        values = np.where(reported, values, np.nan if side.missing_is_nan else 0.0)
    model_values: FloatArray = values.astype(np.float32)
    return model_values


def contract_outputs(given: Mapping[str, FloatArray], side: TeacherContract, cases: int) -> Tensors:
    """What the model gave, as the contract has it.

    Quantiles that cross are sorted, which never makes them worse (Chernozhukov et al. 2010,
    doi:10.3982/ECTA7880); values just outside the valid range are put on its end; probabilities get a sum of
    1.

    Args:
        given: by the model's own names, in the order of its outputs.
        side: how they map.
        cases: how many cases were asked.

    Returns:
        By contract name, (case, lead) or (case, lead, level, class or component), float32, the contract's
        units.

    Raises:
        TeacherRefused: an output is missing or too many, of another shape, not finite, mostly out of range,
            not ordered, or no probabilities.
    """
    raw = raw_outputs(given, side, cases)
    return {
        item.spec.name: _tidied(item.spec, raw[item.spec.name]).astype(np.float32) for item in side.outputs
    }


def raw_outputs(given: Mapping[str, FloatArray], side: TeacherContract, cases: int) -> Tensors:
    """The same in the contract's names and units, with nothing sorted, cut or summed yet."""
    found = by_place(given)
    _check_places(given, found, side)
    outputs: Tensors = {}
    for item in side.outputs:
        values = np.asarray(found[item.place])
        _check_tensor(item.spec, values, cases)
        outputs[item.spec.name] = values.astype(np.float64) * item.conversion.factor + item.conversion.offset
    return outputs


def _check_places(
    given: Mapping[str, FloatArray], found: Mapping[Place, FloatArray], side: TeacherContract
) -> None:
    names = list(given)
    for place, meant in [(o.place, o.spec.name) for o in side.outputs] + [
        (p, "ignored") for p in side.ignored
    ]:
        if place not in found:
            raise TeacherRefused(
                f"The model has no output {place!r} (meant as {meant}); it gives {', '.join(names)}. Name "
                "one of "
                f"these, or a position from 0 to {len(names) - 1}."
            )
    used = {own_name(place, names) for place in (*side.ignored, *(item.place for item in side.outputs))}
    if extra := [name for name in names if name not in used]:
        raise TeacherRefused(
            f"The model also gives {', '.join(extra)}, which the side file does not mention. Map it to an "
            "output of "
            "the contract, or list it under ignored_outputs."
        )


def _check_tensor(spec: Output, values: FloatArray, cases: int) -> None:
    wanted = (cases, *spec.shape[1:])
    if values.shape != wanted:
        raise TeacherRefused(
            f"Output {spec.name} of {cases} cases has shape {values.shape}; the contract asks for {wanted}: "
            "cases, "
            f"{spec.shape[1]} leads"
            + (f", {spec.width} values each" if len(wanted) > 2 else "")
            + ". Let the model "
            "give that."
        )
    if values.dtype.kind != "f":
        raise TeacherRefused(
            f"Output {spec.name} has numbers of type {values.dtype}; allowed are floats. Let the model give "
            "floats."
        )
    broken = int((~np.isfinite(values.reshape(cases, -1))).any(axis=1).sum())
    if broken:
        raise TeacherRefused(
            f"Output {spec.name} is not finite in {broken} of {cases} cases. A teacher must answer every "
            "case, "
            "also one with missing values: check how it treats them (`missing` in the side file), and its "
            "weights."
        )


def _tidied(spec: Output, values: FloatArray) -> FloatArray:
    _check_range(spec, values)
    values = np.clip(values, *spec.valid_range)
    if spec.kind == "quantiles":
        _check_order(spec, values)
        ordered: FloatArray = np.sort(values, axis=-1)
        return ordered
    if spec.kind == "probabilities":
        _check_sums(spec, values)
        shares: FloatArray = values / values.sum(axis=-1, keepdims=True)
        return shares
    return values


def _check_range(spec: Output, values: FloatArray) -> None:
    low, high = spec.valid_range
    outside = (values < low - ROUNDING) | (values > high + ROUNDING)
    if outside.mean() > MAX_OUTSIDE_SHARE:
        hint = (
            "Are these probabilities, or logits without a softmax?"
            if spec.kind == "probabilities"
            else "Is the unit in the side file the model's?"
        )
        raise TeacherRefused(
            f"Output {spec.name} has {outside.mean():.0%} of its values outside {low:g} to {high:g} "
            f"{spec.units}, "
            f"half of them above {np.median(values):.4g}; allowed are {MAX_OUTSIDE_SHARE:.0%}. {hint}"
        )


def crossing_share(values: FloatArray) -> float:
    """Share of (case, lead) whose quantiles, along the last axis, fall by more than rounding."""
    falls: BoolArray = np.diff(values, axis=-1) < -ROUNDING
    return float(np.mean(falls.any(axis=-1)))


def _check_order(spec: Output, values: FloatArray) -> None:
    share = crossing_share(values)
    if share > MAX_CROSSING_SHARE:
        raise TeacherRefused(
            f"The quantiles of output {spec.name} cross in {share:.0%} of all cases and leads; allowed are "
            f"{MAX_CROSSING_SHARE:.0%}, which are sorted. Are they in the order {list(spec.levels)}?"
        )


def _check_sums(spec: Output, values: FloatArray) -> None:
    off = np.abs(values.sum(axis=-1) - 1.0)
    if off.max() > SUM_ROUNDING:
        raise TeacherRefused(
            f"The probabilities of output {spec.name} sum to something else than 1, by up to "
            f"{off.max():.3g}; "
            f"allowed is {SUM_ROUNDING:g}. Let the model end in a softmax over the classes."
        )
