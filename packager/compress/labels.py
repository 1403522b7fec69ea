"""What the teacher says of training cases, and what cases and labels must not hold."""

from pathlib import Path

import numpy as np

from packager.contract import Contract
from packager.dataset.windows import Windows
from packager.errors import TrainingFailed
from packager.teacher.forecasting import forecasts_of
from packager.types import FloatArray, Tensors

HALF_PRECISION_BELOW = 128.0


def label_name(output: str) -> str:
    """The key, among targets, of what the teacher says of an output."""
    return f"teacher_{output}"


def teacher_labels(teacher: Path, windows: Windows, contract: Contract) -> Tensors:
    """The teacher's outputs by `label_name`, in half the memory where that costs little.

    Raises:
        TrainingFailed: an input or a label is not finite.
    """
    check_inputs_finite(windows.inputs, contract)
    outputs = forecasts_of(teacher)(windows.inputs)
    for name, values in outputs.items():
        if broken := _cases_not_finite(values):
            raise TrainingFailed(
                f"The teacher's {name} is not finite in {broken} of {len(values)} training cases. Its own "
                "weights or its training went wrong: train the teacher again, or check the one you brought."
            )
    return {label_name(name): half_precision(values) for name, values in outputs.items()}


def half_precision(values: FloatArray) -> FloatArray:
    """Half the memory, where all values are small enough.

    Half precision has eleven bits: a hundredth of a degree, but a whole hectopascal of pressure.
    """
    return values.astype(np.float16) if np.abs(values).max(initial=0) < HALF_PRECISION_BELOW else values


def check_inputs_finite(inputs: Tensors, contract: Contract) -> None:
    """Refuse inputs that are not numbers: what was not reported is 0 with 0 in its mask.

    Raises:
        TrainingFailed: names the channel, and in how many cases.
    """
    for spec in contract.inputs:
        values = inputs[spec.name]
        if np.isfinite(values).all():
            continue
        counts = {
            channel: broken
            for index, channel in enumerate(spec.channel_names)
            if (broken := _cases_not_finite(values[..., index]))
        }
        found = ", ".join(f"{channel} in {count}" for channel, count in counts.items())
        raise TrainingFailed(
            f"Input {spec.name} is not finite: channel {found} of {len(values)} cases. A missing value is 0 "
            "with 0 in the mask: repair the data or what cuts windows from it."
        )


def outputs_without_targets(targets: Tensors, contract: Contract) -> list[str]:
    """Outputs that no case has a target for."""
    return [spec.name for spec in contract.outputs if not np.isfinite(targets[spec.name]).any()]


def check_targets(targets: Tensors, contract: Contract, hard_share: float) -> str:
    """Refuse targets that are infinite, and outputs that nothing would teach.

    Args:
        targets: by contract name, (case, ...), NaN where nothing was reported.
        contract: names the outputs.
        hard_share: of the loss that the targets have.

    Returns:
        A note about outputs that the teacher alone teaches; empty when there are none.

    Raises:
        TrainingFailed: names the outputs.
    """
    for spec in contract.outputs:
        if infinite := int(np.isinf(targets[spec.name]).sum()):
            raise TrainingFailed(
                f"{infinite} targets of {spec.name} are infinite. Mark what was not reported as missing, or "
                "run quality control on the dataset."
            )
    missing = ", ".join(outputs_without_targets(targets, contract))
    if missing and hard_share >= 1.0:
        raise TrainingFailed(
            f"No training window has a target for {missing}, and hard_share {hard_share:g} leaves nothing to "
            "the teacher: nothing would teach it. Bring data that reports it, or lower hard_share."
        )
    if missing and hard_share > 0:
        return f"no training window has a target for {missing}: the teacher alone teaches it"
    return ""


def _cases_not_finite(values: FloatArray) -> int:
    return int((~np.isfinite(values.reshape(len(values), -1))).any(axis=1).sum())
