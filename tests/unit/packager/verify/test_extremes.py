"""Extremes are chosen by what was observed, and scored on the outputs that they concern."""

import numpy as np
import pytest

from packager.verify.extremes import EXTREMES, extreme_hours, extreme_losses
from tests.unit.packager.verify.pairs import CONTRACT, LEADS, pair

CASES = 8


def observed():
    random = np.random.default_rng(4)
    speed = random.permutation(np.arange(CASES * LEADS, dtype=float)).reshape(CASES, LEADS)
    amount = np.where(speed % 2 == 0, speed / 10, 0.0)
    temperature = np.full((CASES, LEADS), 5.0)
    temperature[0] = -1.0
    temperature[1] = 0.0
    return {"wind_speed": speed, "precipitation": amount, "temperature": temperature}


def test_the_strongest_twentieth_of_the_wind_is_chosen():
    targets = observed()
    targets["wind_speed"][2] = np.nan
    chosen = extreme_hours(targets)["wind"]
    reported = np.isfinite(targets["wind_speed"])
    assert chosen.sum() == pytest.approx(0.05 * reported.sum(), abs=1)
    assert targets["wind_speed"][chosen].min() > targets["wind_speed"][reported & ~chosen].max()


def test_the_wettest_hours_are_chosen_among_the_wet_ones():
    targets = observed()
    wet = targets["precipitation"] > 0
    chosen = extreme_hours(targets)["wet"]
    assert chosen.sum() == pytest.approx(0.05 * wet.sum(), abs=1)
    targets["precipitation"][:] = 0
    assert not extreme_hours(targets)["wet"].any()


def test_frost_is_below_zero_and_nothing_unreported_is_frost():
    targets = observed()
    targets["temperature"][0, 0] = np.nan
    chosen = extreme_hours(targets)["frost"]
    assert chosen.sum() == LEADS - 1
    assert chosen[0, 1:].all()


def test_a_loss_in_frost_alone_shows_in_frost_alone():
    targets = observed()
    ratio = np.where(extreme_hours(targets)["frost"], 1.5, 1.0)
    every_output = [spec.name for spec in CONTRACT.outputs]
    losses = extreme_losses(pair(ratio, outputs=every_output), targets)
    assert losses["frost"] == pytest.approx(50.0)
    assert losses["wind"] != pytest.approx(50.0)
    assert set(losses) == {kind.name for kind in EXTREMES}


def test_only_the_outputs_that_an_extreme_concerns_count():
    targets = observed()
    losses = extreme_losses(pair(1.25, outputs=("temperature",)), targets)
    assert losses == {"wind": None, "wet": None, "frost": pytest.approx(25.0)}
    targets["temperature"][:] = 20.0
    assert extreme_losses(pair(1.25, outputs=("temperature",)), targets)["frost"] is None
