"""The interval of a loss comes from whole blocks of days at a station, drawn for both forecasts at once."""

import numpy as np
import pytest

from packager.verify.bootstrap import BLOCK_DAYS, loss_interval
from packager.verify.breakdown import Paired, loss_percent
from tests.unit.packager.verify.pairs import LEADS, pair, windows

BLOCK_HOURS = 24 * BLOCK_DAYS
BLOCKS, IN_A_BLOCK = 30, 6


def place(blocks=BLOCKS):
    """Cases of one station, so many in each block of days."""
    step = BLOCK_HOURS // IN_A_BLOCK
    return windows([0] * blocks * IN_A_BLOCK, np.arange(blocks * IN_A_BLOCK) * step)


def noisy(by_block, seed=1):
    """Ratios that differ between blocks, or from case to case."""
    random = np.random.default_rng(seed)
    size = BLOCKS if by_block else BLOCKS * IN_A_BLOCK
    ratios = 1.05 + 0.2 * random.normal(size=size)
    return pair(np.repeat(ratios, BLOCKS * IN_A_BLOCK // size)[:, None], cases=BLOCKS * IN_A_BLOCK)


def test_a_loss_that_is_the_same_everywhere_is_certain():
    interval = loss_interval(pair(1.1, cases=BLOCKS * IN_A_BLOCK), place())
    assert (interval.low, interval.high) == (pytest.approx(10.0), pytest.approx(10.0))
    assert interval.blocks == BLOCKS


def test_weather_that_is_hard_for_both_widens_nothing():
    hard = np.random.default_rng(1).uniform(1, 9, (BLOCKS * IN_A_BLOCK, LEADS))
    interval = loss_interval(Paired({"wind": 1.1 * hard}, {"wind": hard}), place())
    assert interval.high - interval.low < 1e-3


def test_the_interval_holds_the_loss_and_is_as_wide_as_blocks_differ():
    found = noisy(by_block=True)
    interval = loss_interval(found, place())
    assert interval.low < loss_percent(found) < interval.high
    # 90 % of a normal mean: 2 × 1.645 × spread / √blocks.
    spread = 100 * np.std([found.own["wind"][i * IN_A_BLOCK, 0] / 2 for i in range(BLOCKS)])
    assert interval.high - interval.low == pytest.approx(2 * 1.645 * spread / BLOCKS**0.5, rel=0.15)


def test_cases_of_a_block_stay_together():
    together, apart = (loss_interval(noisy(by_block), place()) for by_block in (True, False))
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_stations_on_the_same_days_are_blocks_of_their_own():
    both = windows([0, 1] * 4, np.repeat(np.arange(4) * BLOCK_HOURS, 2))
    assert loss_interval(pair(1.0), both).blocks == 8


def test_equal_seeds_give_equal_intervals():
    found = noisy(by_block=True)
    assert loss_interval(found, place()) == loss_interval(found, place())
    assert loss_interval(found, place()) != loss_interval(found, place(), seed=2)


def test_an_output_of_few_hours_does_not_spoil_draws_without_them():
    found = pair(1.1, cases=BLOCKS * IN_A_BLOCK)
    rare = np.full_like(found.own["wind"], np.nan)
    rare[0] = 2.2
    seldom = Paired({**found.own, "wind": rare}, {**found.reference, "wind": rare / 1.1})
    interval = loss_interval(seldom, place())
    assert (interval.low, interval.high) == (pytest.approx(10.0), pytest.approx(10.0))


def test_one_block_says_nothing_of_its_spread():
    assert loss_interval(pair(1.1, cases=IN_A_BLOCK), place(blocks=1)) is None
    assert loss_interval(Paired({}, {}), place()) is None
