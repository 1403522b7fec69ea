"""Baselines that repeat what was observed: one value for all quantiles, certainty for classes."""

import numpy as np

from packager.contract import Contract, Output
from packager.dataset.windows import ceiling_class
from packager.types import FloatArray, IntArray, Tensors

HOURS_PER_DAY = 24


def persistence(inputs: Tensors, contract: Contract) -> Tensors:
    """The latest observation, at every lead.

    Args:
        inputs: `history` and `history_mask`, (case, hour, channel).
        contract: names the channels and outputs.

    Returns:
        Outputs by contract name, (case, lead, ...), NaN where the observation is missing.
    """
    rows = np.full(contract.lead_hours, contract.history_hours - 1)
    return _repeat(inputs, contract, rows)


def same_hour_yesterday(inputs: Tensors, contract: Contract) -> Tensors:
    """The observation 24 h before the valid time; past a day, the last day's. As `persistence`."""
    leads = np.arange(contract.lead_hours)
    return _repeat(inputs, contract, contract.history_hours - HOURS_PER_DAY + leads % HOURS_PER_DAY)


def _repeat(inputs: Tensors, contract: Contract, rows: IntArray) -> Tensors:
    observed = np.where(inputs["history_mask"] > 0, inputs["history"], np.nan)[:, rows]
    channels = contract.input("history").channel_names
    column = {name: observed[..., index] for index, name in enumerate(channels)}
    return repeated(column, contract)


def repeated(column: dict[str, FloatArray], contract: Contract) -> Tensors:
    """The outputs that single values can stand for, (case, lead, ...), without precipitation.

    Args:
        column: by channel name, (case, lead), NaN where missing; at least the wind.
        contract: names the outputs.
    """
    column = column | {"wind_speed": np.hypot(column["wind_u"], column["wind_v"])}
    outputs: Tensors = {}
    for spec in contract.outputs:
        if spec.name == "wind":
            outputs["wind"] = np.stack([column["wind_u"], column["wind_v"]], axis=-1)
        elif spec.name == "cloud_base" and spec.name in column:
            outputs["cloud_base"] = certain(ceiling_class(column["cloud_base"], spec.thresholds), spec)
        elif spec.name in column and spec.name != "precipitation":
            values = column[spec.name]
            outputs[spec.name] = np.repeat(values[..., None], spec.width, axis=-1) if spec.levels else values
    return outputs


def certain(category: FloatArray, spec: Output) -> FloatArray:
    """All probability on one class; NaN where the class is."""
    sure = (np.arange(spec.width) == category[..., None]).astype(np.float32)
    return np.where(np.isnan(category)[..., None], np.float32(np.nan), sure)
