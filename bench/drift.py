"""`python -m bench.drift`: how often the drift alarm is false, and how soon it is right, by simulation.

Daily figures are lognormal and like the day before.
"""

import sys

import numpy as np

from weatherapp.core.arrays import FloatArray
from weatherapp.core.drift import BEFORE_DAYS, CLOSES_AT, LEAST_WORSE, OPENS_AT, RECENT_DAYS, drift

SPREAD = 0.10
YEARS = 200
TRIALS = 200
WARM_UP = RECENT_DAYS + BEFORE_DAYS
WATCHED_DAYS = 21


def main() -> int:
    rng = np.random.default_rng(20)
    print("correlation of a day with the next; false alarms per variable-year;")
    print(f"share found within {WATCHED_DAYS} days (median day) when suddenly 20, 30, 50 % worse")
    for correlation in (0.0, 0.3, 0.6):
        false = _alarms(_days(rng, 365 * YEARS, correlation)) / YEARS
        found = [_found(rng, correlation, 1 + worse) for worse in (0.2, 0.3, 0.5)]
        shown = "  ".join(f"{share:4.0%} ({day:.0f})" for share, day in found)
        print(f"{correlation:.1f}  {false:.3f}  {shown}", flush=True)
    return 0


def _days(rng: np.random.Generator, count: int, correlation: float) -> FloatArray:
    noise = rng.normal(0, SPREAD * np.sqrt(1 - correlation**2), count)
    level = np.empty(count)
    level[0] = rng.normal(0, SPREAD)
    for day in range(1, count):
        level[day] = correlation * level[day - 1] + noise[day]
    return np.exp(level)


def _worse(series: FloatArray) -> tuple[bool, bool]:
    """Whether the alarm would open, and whether an open one would stay."""
    found = drift(series)
    if found is None:
        return False, True
    opens = found.statistic >= OPENS_AT and found.recent >= found.before * LEAST_WORSE
    return opens, found.statistic >= CLOSES_AT


def _alarms(series: FloatArray) -> int:
    opened, is_open = 0, False
    for end in range(WARM_UP, len(series) + 1):
        opens, stays = _worse(series[end - WARM_UP : end])
        opened += opens and not is_open
        is_open = stays if is_open else opens
    return opened


def _found(rng: np.random.Generator, correlation: float, factor: float) -> tuple[float, float]:
    """Share of sudden changes that are noticed, and after how many days."""
    after = []
    for _ in range(TRIALS):
        series = _days(rng, WARM_UP + WATCHED_DAYS, correlation)
        series[WARM_UP:] *= factor
        days = (day for day in range(1, WATCHED_DAYS + 1) if _worse(series[day : WARM_UP + day])[0])
        after += [next(days, 0)]
    noticed = [day for day in after if day]
    return len(noticed) / TRIALS, float(np.median(noticed)) if noticed else float("nan")


if __name__ == "__main__":
    sys.exit(main())
