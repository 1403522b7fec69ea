"""Scores: figures worked out by hand, and what holds for every forecast."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weatherapp.core.scores import (
    LevelsNotIncreasing,
    brier,
    multi_category_brier,
    quantile_crps,
    ranked_probability_score,
)

LEVELS = np.array([0.1, 0.5, 0.9])
values = st.floats(-60, 60)


def case(quantiles, observed, levels=LEVELS):
    return float(quantile_crps(np.array([[quantiles]], float), levels, np.array([[observed]], float))[0, 0])


def test_crps_is_twice_the_mean_pinball_loss():
    # Observed 3: 0.1 × 2, 0.5 × 1, 0.1 × 1; mean of the three, doubled.
    assert case([1.0, 2.0, 4.0], 3.0) == pytest.approx(2 * (0.2 + 0.5 + 0.1) / 3)


def test_a_single_median_scores_its_absolute_error():
    assert case([17.0], 12.5, np.array([0.5])) == pytest.approx(4.5)


def test_a_perfect_certain_forecast_scores_zero():
    assert case([8.0, 8.0, 8.0], 8.0) == 0


def test_each_case_and_lead_is_scored_alone():
    quantiles = np.array([[[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]], [[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]]])
    observed = np.array([[2.0, 9.0], [1.0, np.nan]])
    scores = quantile_crps(quantiles, LEVELS, observed)
    assert scores.shape == (2, 2)
    assert np.isnan(scores[1, 1])
    for index in [(0, 0), (0, 1), (1, 0)]:
        assert scores[index] == pytest.approx(case(quantiles[index], observed[index]))


@given(arrays(np.float64, 3, elements=values), values, st.floats(-30, 30), st.floats(0.1, 10))
def test_crps_moves_with_the_origin_and_the_unit(quantiles, observed, shift, scale):
    quantiles = np.sort(quantiles)
    score = case(quantiles, observed)
    assert score >= 0
    assert case(quantiles + shift, observed + shift) == pytest.approx(score, abs=1e-9)
    assert case(quantiles * scale, observed * scale) == pytest.approx(score * scale, rel=1e-9, abs=1e-9)


@given(st.integers(0, 10_000))
def test_no_quantiles_beat_those_of_the_weather_itself(seed):
    random = np.random.default_rng(seed)
    observed = random.normal(size=(2001, 1))
    true = np.quantile(observed, LEVELS)
    other = np.sort(true + random.normal(scale=0.5, size=3))
    own = quantile_crps(np.broadcast_to(true, (2001, 1, 3)), LEVELS, observed).mean()
    theirs = quantile_crps(np.broadcast_to(other, (2001, 1, 3)), LEVELS, observed).mean()
    assert own <= theirs + 1e-9


@pytest.mark.parametrize("levels", [[0.0, 0.5], [0.5, 1.0], [0.5, 0.5], [0.9, 0.1]])
def test_levels_that_are_not_levels_are_named(levels):
    with pytest.raises(LevelsNotIncreasing, match=r"must increase strictly inside 0\.\.1"):
        quantile_crps(np.zeros((1, 1, 2)), np.array(levels), np.zeros((1, 1)))


def test_brier_by_hand():
    scores = brier(np.array([0.8, 0.8, 0.0, 0.3]), np.array([1.0, 0.0, 0.0, np.nan]))
    assert scores[:3] == pytest.approx([0.04, 0.64, 0.0])
    assert np.isnan(scores[3])


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_honest_probability_has_the_best_expected_brier_score(chance, claimed):
    def expected(probability):
        outcomes = brier(np.full(2, probability), np.array([1.0, 0.0]))
        return chance * outcomes[0] + (1 - chance) * outcomes[1]

    assert expected(chance) <= expected(claimed) + 1e-12


def test_multi_category_brier_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    scores = multi_category_brier(probabilities, np.array([0.0, 2.0, 1.0, np.nan]))
    assert scores[:3] == pytest.approx([0.09 + 0.04 + 0.01, 0.0, 2.0])
    assert np.isnan(scores[3])


def test_ranked_probability_score_by_hand():
    probabilities = np.array([[0.2, 0.5, 0.3], [0.2, 0.5, 0.3], [0.0, 0.0, 1.0]])
    scores = ranked_probability_score(probabilities, np.array([1.0, 0.0, np.nan]))
    # Cumulative 0.2, 0.7 against 0, 1 and against 1, 1; over two borders.
    assert scores[:2] == pytest.approx([(0.04 + 0.09) / 2, (0.64 + 0.09) / 2])
    assert np.isnan(scores[2])


def test_a_near_miss_ranks_better_than_a_far_one_and_the_worst_scores_one():
    forecasts = np.eye(4)
    scores = ranked_probability_score(forecasts, np.zeros(4))
    assert scores == pytest.approx([0, 1 / 3, 2 / 3, 1])


@given(arrays(np.float64, 5, elements=st.floats(0.01, 1)), st.integers(0, 4))
def test_class_scores_stay_in_their_ranges(weights, category):
    probabilities = (weights / weights.sum())[None]
    observed = np.array([float(category)])
    assert 0 <= ranked_probability_score(probabilities, observed)[0] <= 1
    assert 0 <= multi_category_brier(probabilities, observed)[0] <= 2


@given(st.floats(0, 1), st.booleans())
def test_with_two_classes_ranked_and_plain_brier_agree(chance, happened):
    probabilities, observed = np.array([[1 - chance, chance]]), np.array([float(happened)])
    plain = brier(np.array([chance]), observed)
    assert ranked_probability_score(probabilities, observed) == pytest.approx(plain)
    assert multi_category_brier(probabilities, observed) == pytest.approx(2 * plain)
