"""How sure a skill loss is: a block bootstrap over days and stations, paired with the reference.

Forecasts that start a few hours apart see the same weather, so that cases are not independent: whole blocks
of some days at one station are drawn, with everything in them.
"""

from dataclasses import dataclass

import numpy as np

from packager.dataset.windows import Windows
from packager.types import FloatArray, IntArray
from packager.verify.breakdown import Paired

# Longer than the 48 h that a forecast reaches, and about as long as weather lasts.
BLOCK_DAYS = 5
RESAMPLES = 1000
SEED = 20
PERCENTILES = (5.0, 95.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """The 5th and the 95th percentile of the resampled losses, in percent, and of how many blocks."""

    low: float
    high: float
    blocks: int


def loss_interval(
    pair: Paired, windows: Windows, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval | None:
    """Interval of the mean skill loss.

    Blocks of 5 days × station are drawn with replacement, as many as there are; each draw takes a block's
    scores of the forecast and of the reference together, so that weather that is hard for both widens
    nothing.

    Args:
        pair: scores of both, (case, lead) by output.
        windows: the same cases; says station and init time.
        resamples: how many draws.
        seed: the same seed gives the same interval.

    Returns:
        None where there are fewer than two blocks, which say nothing of their spread, or nothing was scored.

    Source: Künsch (1989), doi:10.1214/aos/1176347265; blocks that do not overlap: Carlstein (1986),
    doi:10.1214/aos/1176350057.
    """
    block = _block_of(windows)
    count = int(block.max()) + 1
    if count < 2 or not pair.own:
        return None
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=resamples)
    ratios = np.stack([_ratios(pair, name, block, draws) for name in pair.own])
    # An output that a draw holds no hour of counts in that draw as little as in a split that lacks it.
    losses = 100.0 * (np.nanmean(ratios, axis=0) - 1.0)
    low, high = np.percentile(losses, PERCENTILES)
    return Interval(round(float(low), 4), round(float(high), 4), count)


def _block_of(windows: Windows) -> IntArray:
    """(case,) number of the block of days and station of each case, from 0 without gaps."""
    days = windows.init_hour // (24 * BLOCK_DAYS)
    pairs = np.stack([windows.station.astype(np.int64), days.astype(np.int64)], axis=1)
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1].ravel(), np.int64)


def _ratios(pair: Paired, name: str, block: IntArray, draws: IntArray) -> FloatArray:
    """(draw,) score ÷ reference score of one output; NaN where a draw has nothing to score."""
    count = draws.shape[1]
    own = np.bincount(block, np.nansum(pair.own[name], axis=1), count)
    reference = np.bincount(block, np.nansum(pair.reference[name], axis=1), count)
    # Both are over the same hours: their number cancels.
    total, expected = draws @ own, draws @ reference
    ratio: FloatArray = np.divide(total, expected, out=np.full(len(draws), np.nan), where=expected > 0)
    return ratio
