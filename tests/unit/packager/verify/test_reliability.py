"""Reliability says how often what was forecast came true."""

import json

import numpy as np
import pytest

from packager.contract import reference_contract
from packager.verify.reliability import probability_bins, quantile_coverage, reliability
from tests.unit.packager.verify.test_skill import forecasts, truth

CONTRACT = reference_contract()


def test_bins_hold_mean_forecast_and_observed_frequency():
    probability = np.array([0.02, 0.04, 0.33, 0.37, 0.35, 1.0])
    occurred = np.array([0, 1, 1, 0, np.nan, 1], float)
    found = probability_bins(probability, occurred)
    assert found["hours"] == 5
    assert found["bins"] == [
        {"forecast": pytest.approx(0.03), "observed": 0.5, "hours": 2},
        {"forecast": pytest.approx(0.35), "observed": 0.5, "hours": 2},
        {"forecast": 1.0, "observed": 1.0, "hours": 1},
    ]


def test_a_reliable_forecast_lies_on_the_diagonal():
    random = np.random.default_rng(2)
    probability = random.uniform(size=100_000)
    found = probability_bins(probability, (random.uniform(size=probability.size) < probability).astype(float))
    assert len(found["bins"]) == 10
    for one in found["bins"]:
        assert one["observed"] == pytest.approx(one["forecast"], abs=0.02)


def test_true_quantiles_hold_their_share_of_observations():
    random = np.random.default_rng(3)
    levels = np.array([0.1, 0.5, 0.9])
    observed = random.uniform(size=(200, 48))
    observed[0] = np.nan
    found = quantile_coverage(np.broadcast_to(levels, (200, 48, 3)), levels, observed)
    assert found["hours"] == 199 * 48
    assert found["observed"] == pytest.approx(levels.tolist(), abs=0.02)


def test_every_output_with_quantiles_is_there_and_amounts_count_in_wet_hours():
    targets = truth()
    wet = int((targets["precipitation"] > 0).sum())
    found = reliability(forecasts(targets), targets, CONTRACT)
    assert set(found) == {
        "temperature", "wind_speed", "cloud_cover", "precipitation", "precipitation_probability"
    }  # fmt: skip
    assert found["precipitation"]["hours"] == wet
    # Every quantile is one too high: every observation lies below all of them.
    assert found["temperature"]["observed"] == [1.0] * 7
    assert json.loads(json.dumps(found)) == found


def test_what_nothing_was_reported_of_is_left_out():
    targets = truth()
    targets["precipitation"][:] = 0
    targets["precipitation_type"][:] = np.nan
    found = reliability(forecasts(targets), targets, CONTRACT)
    assert "precipitation" not in found
    assert "precipitation_probability" not in found
