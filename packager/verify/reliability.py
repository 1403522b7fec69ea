"""Whether probabilities mean what they say: how often it rained when a forecast said 30 %.

Pure functions from outputs and observations to plain values that a reliability diagram is drawn from.
"""

from typing import Any

import numpy as np

from packager.contract import Contract, Output
from packager.types import FloatArray, Tensors

BINS = 10
DIGITS = 5


def reliability(outputs: Tensors, targets: Tensors, contract: Contract) -> dict[str, dict[str, Any]]:
    """Reliability of every output that gives probabilities or quantiles.

    Args:
        outputs: by contract name, (case, lead, level or class).
        targets: (case, lead), NaN where nothing was reported; classes as indices.
        contract: names, kinds and levels.

    Returns:
        `precipitation_probability` as `probability_bins` gives it, and each quantile output as
        `quantile_coverage` gives it. What nothing was reported of is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for spec in contract.outputs:
        observed = targets[spec.name].astype(np.float64)
        if spec.name == "precipitation_type":
            wet = np.where(np.isnan(observed), np.nan, (observed > 0).astype(float))
            found["precipitation_probability"] = probability_bins(1.0 - outputs[spec.name][..., 0], wet)
        elif spec.kind == "quantiles":
            found[spec.name] = _coverage(spec, outputs[spec.name], observed)
    return {name: data for name, data in found.items() if data["hours"]}


def probability_bins(probability: FloatArray, occurred: FloatArray) -> dict[str, Any]:
    """Mean forecast and observed frequency in ten equal bins of the forecast probability.

    Args:
        probability: any shape, 0..1.
        occurred: same shape, 0 or 1; NaN where unknown.

    Returns:
        `hours`, how many were known; `bins`, of those that hold some: `forecast`, `observed`, `hours`.

    Source: Bröcker and Smith (2007), doi:10.1175/WAF993.1.
    """
    known = np.isfinite(occurred) & np.isfinite(probability)
    said, happened = probability[known].astype(np.float64), occurred[known]
    index = np.minimum((said * BINS).astype(int), BINS - 1)
    counts = np.bincount(index, minlength=BINS)
    totals = np.bincount(index, said, BINS), np.bincount(index, happened, BINS)
    bins = [
        {
            "forecast": round(float(totals[0][i] / counts[i]), DIGITS),
            "observed": round(float(totals[1][i] / counts[i]), DIGITS),
            "hours": int(counts[i]),
        }
        for i in np.flatnonzero(counts).tolist()
    ]
    return {"hours": int(known.sum()), "bins": bins}


def quantile_coverage(quantiles: FloatArray, levels: FloatArray, observed: FloatArray) -> dict[str, Any]:
    """Share of observations at or below each quantile; a reliable one has its level there.

    Args:
        quantiles: (case, lead, level), in the variable's units.
        levels: (level,).
        observed: (case, lead), same units; NaN where nothing was reported.

    Returns:
        `hours`, how many were reported; `levels`; `observed`, the share for each.
    """
    known = np.isfinite(observed)
    below = observed[known][:, None] <= quantiles[known]
    shares = below.mean(axis=0) if known.any() else np.zeros(len(levels))
    return {
        "hours": int(known.sum()),
        "levels": [float(level) for level in levels],
        "observed": [round(float(share), DIGITS) for share in shares],
    }


def _coverage(spec: Output, quantiles: FloatArray, observed: FloatArray) -> dict[str, Any]:
    if spec.name == "precipitation":
        # The amount is forecast on condition that the hour is wet.
        observed = np.where(observed > 0, observed, np.nan)
    return quantile_coverage(quantiles, np.asarray(spec.levels), observed)
