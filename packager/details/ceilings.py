"""Reliability of the ceiling classes: how often the ceiling was below a height when a forecast said 30 %."""

from typing import Any

import numpy as np

from packager.contract import Contract
from packager.types import Tensors
from packager.verify.reliability import probability_bins


def ceiling_reliability(outputs: Tensors, targets: Tensors, contract: Contract) -> dict[str, dict[str, Any]]:
    """Bins of the probability that the ceiling is below each threshold, and that there is none.

    Classes of an ordered output add up: what decisions are made by is "below 300 m", not "150 to 300 m".

    Args:
        outputs: by contract name, (case, lead, class).
        targets: (case, lead), class indexes, NaN where nothing was reported.
        contract: names, kinds and thresholds.

    Returns:
        By event, `probability_bins`; one that nothing was reported of is left out.
    """
    found = {}
    for spec in contract.outputs:
        if spec.kind != "probabilities" or not spec.ordered:
            continue
        observed = targets[spec.name].astype(np.float64)
        below = np.cumsum(outputs[spec.name].astype(np.float64), axis=-1)
        for index, threshold in enumerate(spec.thresholds):
            happened = np.where(np.isnan(observed), np.nan, (observed <= index).astype(float))
            name = f"ceiling below {threshold:g} m"
            found[name] = probability_bins(np.clip(below[..., index], 0.0, 1.0), happened)
        last = len(spec.classes) - 1
        none = np.where(np.isnan(observed), np.nan, (observed == last).astype(float))
        found["no ceiling"] = probability_bins(outputs[spec.name][..., last], none)
    return {name: bins for name, bins in found.items() if bins["hours"]}
