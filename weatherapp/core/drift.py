"""Whether daily figures have become worse: recent days against those before them. Pure."""

from dataclasses import dataclass

import numpy as np

from weatherapp.core.arrays import FloatArray

RECENT_DAYS, BEFORE_DAYS = 7, 28
LEAST_RECENT, LEAST_BEFORE = 5, 20  # days that must have a figure
# Standard errors. Chosen by simulation (bench/drift.py): docs/verification.md has the rates.
OPENS_AT, CLOSES_AT = 4.5, 2.25
LEAST_WORSE = 1.05  # what is less than this many times as bad is not worth an alarm
MOST_CORRELATED = 0.8


@dataclass(frozen=True, slots=True)
class Drift:
    """Recent days against those before.

    Attributes:
        statistic: difference of the means in standard errors; above 0 is worse.
        recent: geometric mean over the recent days, in the figures' unit.
        before: geometric mean over the days before.
    """

    statistic: float
    recent: float
    before: float


def drift(daily: FloatArray) -> Drift | None:
    """Compare the last days of a series with those before them.

    In logarithms: what counts is how many times worse a day is. The standard error counts that a day is like
    the day before: with a correlation r between neighbours, days count only (1 − r) ÷ (1 + r) each.

    Args:
        daily: (day,) one positive figure per day, oldest first, lower is better; NaN where a day has none.

    Returns:
        The comparison; None where too few days have a figure, or the days before do not vary at all.

    Source: Zwiers and von Storch (1995), doi:10.1175/1520-0442(1995)008<0336:TSCIAI>2.0.CO;2.
    """
    series = np.log(np.asarray(daily, dtype=np.float64)[-(RECENT_DAYS + BEFORE_DAYS) :])
    recent, before = series[-RECENT_DAYS:], series[:-RECENT_DAYS]
    days = int(np.isfinite(recent).sum()), int(np.isfinite(before).sum())
    if days[0] < LEAST_RECENT or days[1] < LEAST_BEFORE:
        return None
    centre = float(np.nanmean(before))
    spread = float(np.nanstd(before, ddof=1))
    if spread <= 1e-12:
        return None
    correlation = _neighbour_correlation(before - centre)
    inflation = (1 + correlation) / (1 - correlation)
    error = spread * np.sqrt(inflation * (1 / days[0] + 1 / days[1]))
    latest = float(np.nanmean(recent))
    return Drift(
        statistic=float((latest - centre) / error),
        recent=float(np.exp(latest)),
        before=float(np.exp(centre)),
    )


def _neighbour_correlation(departure: FloatArray) -> float:
    """Correlation of a day with the next, 0 to `MOST_CORRELATED`; negative ones count as none."""
    product = departure[1:] * departure[:-1]
    known = np.isfinite(product)
    if not known.any():
        return 0.0
    value = float(product[known].mean() / np.nanmean(departure**2))
    return float(np.clip(value, 0.0, MOST_CORRELATED))
