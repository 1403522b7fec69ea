"""Verification scores; lower is better. NaN in, where nothing was reported or forecast, is NaN out."""

import numpy as np

from weatherapp.core.arrays import FloatArray


class LevelsNotIncreasing(ValueError):
    """Quantile levels are not strictly increasing inside 0..1."""


def quantile_crps(quantiles: FloatArray, levels: FloatArray, observed: FloatArray) -> FloatArray:
    """Approximate CRPS from predicted quantiles: twice the mean pinball loss, every level counting the same.

    Args:
        quantiles: (case, lead, level), in the variable's units, non-decreasing along level.
        levels: (level,), strictly inside 0..1, increasing.
        observed: (case, lead), same units; NaN where nothing was reported.

    Returns:
        (case, lead), same units; NaN where observed is NaN.

    Raises:
        LevelsNotIncreasing: levels are not strictly increasing inside 0..1.

    Source: Gneiting and Ranjan (2011), doi:10.1198/jbes.2010.08110.
    """
    if levels[0] <= 0 or levels[-1] >= 1 or np.any(np.diff(levels) <= 0):
        raise LevelsNotIncreasing(f"Levels {levels.tolist()} must increase strictly inside 0..1.")
    error = observed[..., None] - quantiles
    pinball = np.maximum(levels * error, (levels - 1) * error)
    return np.asarray(2.0 * pinball.mean(axis=-1))


def brier(probability: FloatArray, occurred: FloatArray) -> FloatArray:
    """Squared error of a probability.

    Args:
        probability: any shape, 0..1.
        occurred: same shape, 0 or 1; NaN where unknown.

    Returns:
        Same shape, 0..1.

    Source: Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    return np.asarray((probability - occurred) ** 2)


def multi_category_brier(probabilities: FloatArray, category: FloatArray) -> FloatArray:
    """Sum over categories of squared errors, 0..2.

    Args:
        probabilities: (..., category), summing to 1.
        category: (...), index of what happened; NaN where unknown.

    Returns:
        (...).

    Source: Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    happened = np.arange(probabilities.shape[-1]) == category[..., None]
    score = ((probabilities - happened) ** 2).sum(axis=-1)
    return np.where(np.isnan(category), np.nan, score)


def ranked_probability_score(probabilities: FloatArray, category: FloatArray) -> FloatArray:
    """Squared errors of cumulative probabilities over ordered categories, divided by categories − 1: 0..1.

    Args:
        probabilities: (..., category), summing to 1, categories in order.
        category: (...), index of what happened; NaN where unknown.

    Returns:
        (...).

    Source: Epstein (1969), doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2.
    """
    count = probabilities.shape[-1]
    cumulative = np.cumsum(probabilities, axis=-1)[..., :-1]
    happened = np.arange(count - 1) >= category[..., None]
    score = ((cumulative - happened) ** 2).sum(axis=-1) / (count - 1)
    return np.where(np.isnan(category), np.nan, score)
