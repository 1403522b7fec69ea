import numpy as np
import pytest

from weatherapp.core.drift import (
    BEFORE_DAYS,
    CLOSES_AT,
    LEAST_BEFORE,
    LEAST_WORSE,
    OPENS_AT,
    RECENT_DAYS,
    drift,
)

DAYS = RECENT_DAYS + BEFORE_DAYS


def days(rng, count, *, correlation=0.3, spread=0.1):
    """Daily figures around 1 that are like the day before."""
    noise = rng.normal(0, spread * np.sqrt(1 - correlation**2), count)
    level = np.empty(count)
    level[0] = rng.normal(0, spread)
    for day in range(1, count):
        level[day] = correlation * level[day - 1] + noise[day]
    return np.exp(level)


def alarms(series):
    """How many alarms a walk over the days opens, by the rule that the service follows."""
    opened, is_open = 0, False
    for end in range(DAYS, len(series) + 1):
        found = drift(series[:end])
        worse = found.statistic >= OPENS_AT and found.recent >= found.before * LEAST_WORSE
        opened += worse and not is_open
        is_open = worse if not is_open else found.statistic >= CLOSES_AT
    return opened


def test_without_drift_alarms_are_rare():
    series = days(np.random.default_rng(4), 365 * 12)
    assert alarms(series) <= 3  # docs/verification.md has the rate


def test_a_variable_that_is_forecast_much_worse_raises_an_alarm_within_a_week():
    rng = np.random.default_rng(5)
    raised = 0
    for _ in range(20):
        series = days(rng, DAYS, correlation=0.0)
        series[-RECENT_DAYS:] *= 1.4
        raised += alarms(series)
    assert raised >= 18


def test_a_variable_that_is_forecast_better_raises_none():
    series = days(np.random.default_rng(6), DAYS)
    series[-RECENT_DAYS:] *= 0.5
    assert drift(series).statistic < -OPENS_AT


def test_the_figures_are_the_means_of_both_spans():
    series = np.tile([1.0, 1.2], DAYS)[:DAYS]
    series[-RECENT_DAYS:] = 2.0
    found = drift(series)
    assert found.recent == pytest.approx(2.0)
    assert found.before == pytest.approx(np.sqrt(1.2))


def test_days_that_are_like_the_day_before_count_less():
    slow, fast = np.ones(DAYS), np.ones(DAYS)
    slow[: BEFORE_DAYS // 2] = 1.2  # one long swing
    fast[:BEFORE_DAYS:2] = 1.2  # the same values, back and forth
    slow[-RECENT_DAYS:] = fast[-RECENT_DAYS:] = 1.6
    assert drift(slow).statistic < drift(fast).statistic / 2


@pytest.mark.parametrize("missing", ["recent", "before"])
def test_too_few_days_say_nothing(missing):
    series = days(np.random.default_rng(7), DAYS)
    if missing == "recent":
        series[-3:] = np.nan
    else:
        series[: BEFORE_DAYS - LEAST_BEFORE + 1] = np.nan
    assert drift(series) is None
    assert drift(series[-10:]) is None


def test_gaps_are_left_out():
    series = days(np.random.default_rng(8), DAYS)
    series[[3, 9, 30]] = np.nan
    assert np.isfinite(drift(series).statistic)


def test_days_before_that_never_vary_say_nothing():
    assert drift(np.ones(DAYS)) is None
