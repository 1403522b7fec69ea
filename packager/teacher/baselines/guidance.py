"""Guidance as it comes: the numerical model's own forecast, one value for all quantiles."""

import numpy as np

from packager.contract import Contract
from packager.dataset.labels import NONE, type_of_wet_bulb
from packager.teacher.baselines.persistence import certain, repeated
from packager.types import FloatArray, Tensors

# Less than half of the smallest amount that a station reports is dry to it.
DRY_MM = 0.05


def guidance(inputs: Tensors, contract: Contract) -> Tensors:
    """What the guidance says of every lead.

    Args:
        inputs: `guidance`, `guidance_mask` and `site`, (case, ...).
        contract: names the channels and outputs.

    Returns:
        Outputs by contract name, (case, lead, ...), NaN where there is no guidance; no ceiling, which it does
        not know. What falls is told by the wet-bulb rule that labels observations.
    """
    values = np.where(inputs["guidance_mask"] > 0, inputs["guidance"], np.nan)
    names = contract.input("guidance").channel_names
    column = {name: values[..., index] for index, name in enumerate(names)}
    amount = column["precipitation"]
    return repeated(column, contract) | {
        "precipitation": np.repeat(amount[..., None], contract.output("precipitation").width, axis=-1),
        "precipitation_type": certain(_type(column, inputs["site"]), contract.output("precipitation_type")),
    }


def _type(column: dict[str, FloatArray], site: FloatArray) -> FloatArray:
    """(case, lead) class index, NaN where amount, temperature or dew point is missing."""
    elevation = np.broadcast_to(site[:, 2:3], column["precipitation"].shape)
    wet = type_of_wet_bulb(column["temperature"], column["dew_point"], elevation)
    kind = np.where(column["precipitation"] < DRY_MM, NONE, wet)
    return np.where(np.isnan(column["precipitation"]), np.nan, kind)
