"""Weather that people remember: strong wind, heavy precipitation, frost; how much skill is lost on it.

Cases are chosen by what was observed. That alone would reward a forecaster who always cries wolf (Lerch et
al. 2017, doi:10.1214/16-STS588), so these are never scores of their own: they are ratios to the teacher's
scores of the same hours, beside the loss over all hours, and show whether compression flattens the tails.
"""

from dataclasses import dataclass

import numpy as np

from packager.types import BoolArray, FloatArray, Tensors
from packager.verify.breakdown import Paired, loss_percent

STRONGEST_SHARE = 0.05
FROST_BELOW = 0.0
WET_ABOVE = 0.0


@dataclass(frozen=True, slots=True)
class Extreme:
    """One kind: which outputs are scored on it."""

    name: str
    outputs: tuple[str, ...]


EXTREMES = (
    Extreme("wind", ("wind", "wind_speed")),
    Extreme("wet", ("precipitation", "precipitation_type")),
    Extreme("frost", ("temperature",)),
)


def extreme_hours(targets: Tensors) -> dict[str, BoolArray]:
    """Which observed hours are extreme, (case, lead) by name.

    Args:
        targets: (case, lead), °C, m/s and mm in the hour; NaN where nothing was reported.

    Returns:
        `wind`: the strongest 5 % of observed wind speeds; `wet`: the wettest 5 % of wet hours; `frost`: below
        0 °C. Nothing that was not reported is in any.
    """
    amount = targets["precipitation"]
    return {
        "wind": _strongest(targets["wind_speed"]),
        "wet": _strongest(np.where(amount > WET_ABOVE, amount, np.nan)),
        "frost": np.asarray(targets["temperature"] < FROST_BELOW),
    }


def extreme_losses(pair: Paired, targets: Tensors) -> dict[str, float | None]:
    """Loss in percent on each kind of extreme, over the outputs that it concerns; None without such hours."""
    hours = extreme_hours(targets)
    return {
        kind.name: loss_percent(pair, hours[kind.name], outputs=kind.outputs)
        if set(kind.outputs) & set(pair.own)
        else None
        for kind in EXTREMES
    }


def _strongest(values: FloatArray) -> BoolArray:
    reported = values[np.isfinite(values)]
    if not reported.size:
        return np.zeros(values.shape, bool)
    return np.asarray(values >= np.quantile(reported, 1.0 - STRONGEST_SHARE))
