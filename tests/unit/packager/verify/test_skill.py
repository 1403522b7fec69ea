"""Scores of forecasts: by output, by lead bucket, and as a loss against a reference."""

import numpy as np
import pytest

from packager.contract import reference_contract
from packager.verify.skill import (
    LEAD_BUCKETS,
    Scores,
    case_scores,
    metric_of,
    score_forecasts,
    skill_loss_percent,
)

CONTRACT = reference_contract()
CASES, LEADS = 5, CONTRACT.lead_hours


def truth(seed=1):
    random = np.random.default_rng(seed)
    targets = {spec.name: random.normal(8, 3, (CASES, LEADS)) for spec in CONTRACT.outputs}
    targets["wind"] = random.normal(0, 4, (CASES, LEADS, 2))
    targets["cloud_base"] = random.integers(0, 6, (CASES, LEADS)).astype(float)
    targets["precipitation_type"] = random.integers(0, 4, (CASES, LEADS)).astype(float)
    targets["precipitation"] = np.maximum(0, random.normal(0, 2, (CASES, LEADS)))
    return {name: values.astype(np.float32) for name, values in targets.items()}


def forecasts(targets, error=1.0):
    """Every quantile and median is `error` too high; classes get 0.4 for what happened."""
    outputs = {}
    for spec in CONTRACT.outputs:
        happened = targets[spec.name]
        if spec.kind == "probabilities":
            other = 0.6 / (spec.width - 1)
            hit = np.arange(spec.width) == happened[..., None]
            outputs[spec.name] = np.where(hit, 0.4, other)
        elif spec.kind == "quantiles":
            outputs[spec.name] = np.repeat(happened[..., None] + error, spec.width, axis=-1)
        else:
            outputs[spec.name] = happened + error
    return {name: values.astype(np.float32) for name, values in outputs.items()}


def scored(outputs, targets, split="unseen_station"):
    return score_forecasts(outputs, targets, CONTRACT, split=split)


def test_every_output_is_scored_by_its_kind():
    targets = truth()
    scores = scored(forecasts(targets), targets)
    assert set(scores.values) == {spec.name for spec in CONTRACT.outputs} | {
        "temperature_mae", "wind_speed_mae", "cloud_cover_mae", "precipitation_probability"
    }  # fmt: skip
    assert scores.cases == CASES
    # A certain forecast one too high: twice the mean of 1 − level, which is one for symmetric levels.
    assert scores.get("temperature") == pytest.approx(1.0, abs=1e-5)
    assert scores.get("temperature_mae") == pytest.approx(1.0, abs=1e-5)
    assert scores.get("dew_point") == pytest.approx(1.0, abs=1e-5)
    assert scores.get("wind") == pytest.approx(2**0.5, abs=1e-5)
    assert scores.get("precipitation_type") == pytest.approx(0.6**2 + 3 * 0.2**2, abs=1e-5)


def test_rain_chance_is_one_minus_the_chance_of_none():
    targets = truth()
    outputs = forecasts(targets)
    outputs["precipitation_type"][:] = [0.7, 0.1, 0.1, 0.1]
    wet = (targets["precipitation_type"] > 0).mean()
    expected = wet * 0.7**2 + (1 - wet) * 0.3**2
    assert scored(outputs, targets).get("precipitation_probability") == pytest.approx(expected, abs=1e-5)


def test_amounts_are_scored_in_wet_hours_only():
    targets = truth()
    outputs = forecasts(targets)
    outputs["precipitation"][targets["precipitation"] == 0] = 1e6
    assert scored(outputs, targets).get("precipitation") == pytest.approx(1.0, abs=1e-5)


def test_buckets_hold_their_leads():
    targets = truth()
    outputs = forecasts(targets, error=0)
    outputs["dew_point"] = targets["dew_point"] + np.arange(1, LEADS + 1, dtype=np.float32)
    scores = scored(outputs, targets).values["dew_point"]
    means = {name: np.arange(first, last + 1).mean() for name, (first, last) in LEAD_BUCKETS.items()}
    assert scores == pytest.approx(means, abs=1e-4)
    assert LEAD_BUCKETS["1-48"] == (1, CONTRACT.lead_hours)


def test_what_was_not_reported_or_not_forecast_is_left_out():
    targets = truth()
    outputs = forecasts(targets)
    targets["dew_point"][0] = np.nan
    outputs["dew_point"][0] = 1e9
    outputs["dew_point"][1] = np.nan
    del outputs["pressure_msl"]
    scores = scored(outputs, targets)
    assert scores.get("dew_point") == pytest.approx(1.0, abs=1e-5)
    assert "pressure_msl" not in scores.values
    assert np.isnan(case_scores(outputs, targets, CONTRACT)["dew_point"][:2]).all()


def test_a_score_that_cannot_be_made_is_none_and_asking_for_it_says_where():
    targets = truth()
    targets["cloud_base"][:] = np.nan
    scores = scored(forecasts(targets), targets)
    assert scores.values["cloud_base"]["1-24"] is None
    with pytest.raises(KeyError, match="cloud_base has no value over leads 1-24 on unseen_station"):
        scores.get("cloud_base", "1-24")


def test_scores_survive_being_written_down():
    targets = truth()
    scores = scored(forecasts(targets), targets)
    assert Scores.from_dict(scores.to_dict()) == scores


def test_losing_nothing_is_zero_percent():
    targets = truth()
    scores = scored(forecasts(targets), targets)
    assert skill_loss_percent(scores, scores, CONTRACT) == pytest.approx(0)


def test_the_loss_is_the_mean_of_ratios_over_outputs():
    def constant(**values):
        names = {spec.name: 2.0 for spec in CONTRACT.outputs} | values
        return Scores("unseen_station", 1, {name: {"1-48": value} for name, value in names.items()})

    worse = constant(temperature=3.0, wind=1.0, cloud_cover=2.4)
    # Ratios 1.5, 0.5 and 1.2 among nine: a gain in one output pays for a loss in another.
    assert skill_loss_percent(worse, constant(), CONTRACT) == pytest.approx(100 * 0.2 / 9)
    assert skill_loss_percent(constant(temperature=4.0), constant(), CONTRACT) == pytest.approx(100 / 9)


def test_an_output_that_the_cases_never_report_counts_in_neither():
    targets = truth()
    targets["precipitation"][:] = 0
    reference, scores = scored(forecasts(targets), targets), scored(forecasts(targets, error=2.0), targets)
    assert reference.values["precipitation"]["1-48"] is None
    assert skill_loss_percent(scores, reference, CONTRACT) == pytest.approx(100 * 6 / 8, rel=1e-4)


def test_an_output_that_only_the_reference_could_score_is_no_gain():
    targets = truth()
    reference = scored(forecasts(targets), targets)
    outputs = forecasts(targets)
    outputs["wind"][:] = np.nan
    with pytest.raises(KeyError, match="wind has no value"):
        skill_loss_percent(scored(outputs, targets), reference, CONTRACT)
    empty = {name: np.full_like(values, np.nan) for name, values in targets.items()}
    nothing = scored(forecasts(targets), empty)
    with pytest.raises(KeyError, match="No output has a score"):
        skill_loss_percent(nothing, nothing, CONTRACT)


def test_a_perfect_reference_is_matched_by_perfection_only():
    targets = truth()
    perfect, good = scored(forecasts(targets, error=0), targets), scored(forecasts(targets), targets)
    assert skill_loss_percent(perfect, perfect, CONTRACT) == 0
    assert skill_loss_percent(good, perfect, CONTRACT) == float("inf")


def test_scores_are_named_for_people():
    names = {spec.name: metric_of(spec) for spec in CONTRACT.outputs}
    assert names["temperature"] == "CRPS"
    assert names["pressure_msl"] == "MAE"
    assert names["wind"] == "vector error"
    assert names["cloud_base"] == "RPS"
    assert names["precipitation_type"] == "Brier"
