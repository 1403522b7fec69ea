"""The float head and tail compute what their names say, for every input."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from packager.contract import GUIDANCE_VARIABLES, reference_contract
from packager.student.layers import (
    AddRegression,
    EveryDay,
    GuidanceFeatures,
    Hours,
    LeadFeatures,
    NormaliseHistory,
    RegressionFeatures,
)
from packager.student.normalisation import Normalisation
from packager.student.tail import (
    ANCHORS,
    CLOUD_LOGIT,
    STEP,
    Anchors,
    Chances,
    GuidanceAnchors,
    Numbers,
    PhysicalOutput,
    columns_of,
)
from weatherapp.core.solar import clock_features

CONTRACT = reference_contract()
CHANNELS = CONTRACT.input("history").channel_names
HOURS, LEADS = CONTRACT.history_hours, CONTRACT.lead_hours
WIDTH = sum(spec.width for spec in CONTRACT.outputs)
free_numbers = arrays(
    np.float32, (1, 2, WIDTH), elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False)
)


def normalisation(**changed):
    mean, std = dict.fromkeys(CHANNELS, 0.0), dict.fromkeys(CHANNELS, 1.0)
    for name, (centre, width) in changed.items():
        mean[name], std[name] = centre, width
    return Normalisation(CHANNELS, tuple(mean.values()), tuple(std.values()))


def hour_numbers(width=1):
    """(1, hour, 1, width): every value is its hour, counted back from init time: −47 … 0."""
    hours = np.arange(1 - HOURS, 1, dtype=np.float32)
    return np.repeat(hours[None, :, None, None], width, axis=-1)


def tail(raw, anchors=None):
    """Raw numbers (case, lead, number) → every output, as the end of the model gives it."""
    anchors = np.zeros((*raw.shape[:2], len(ANCHORS)), np.float32) if anchors is None else anchors
    numbers, chances, outputs = tail_layers()
    numbers, chances = numbers([raw, anchors]), chances(raw)
    return {
        name: layer(chances if layer.spec.kind == "probabilities" else numbers).numpy()
        for name, layer in outputs.items()
    }


@cache
def tail_layers():
    norm = normalisation(temperature=(8.0, 5.0), wind_u=(0.0, 4.0), dew_point=(4.0, 10.0))
    outputs = {spec.name: PhysicalOutput(CONTRACT, spec) for spec in CONTRACT.outputs if len(spec.shape) > 2}
    return Numbers(CONTRACT, norm, len(ANCHORS)), Chances(CONTRACT), outputs


@settings(max_examples=30, deadline=None)
@given(free_numbers)
def test_quantiles_never_cross_and_stay_inside_the_valid_range(raw):
    for name, values in tail(raw).items():
        spec = CONTRACT.output(name)
        assert np.isfinite(values).all(), name
        if spec.kind == "quantiles":
            # A step between numbers of thousands may vanish in their last digits.
            slack = 1e-5 * np.abs(values[..., 1:]) + 1e-5 * np.abs(raw).max()
            assert (np.diff(values, axis=-1) >= -slack).all(), name
        if spec.valid_range[0] == 0:
            assert values.min() >= 0, name
        if spec.valid_range[1] == 1:
            assert values.max() <= 1 + 1e-6, name


@settings(max_examples=30, deadline=None)
@given(free_numbers)
def test_quantiles_of_ordinary_numbers_are_strictly_ordered(raw):
    for name in ("temperature", "precipitation"):
        values = tail(np.clip(raw, -3, 3))[name]
        assert (np.diff(values, axis=-1) >= 0).all(), name


@settings(max_examples=30, deadline=None)
@given(free_numbers)
def test_chances_of_each_output_add_up_to_one(raw):
    for name in ("cloud_base", "precipitation_type"):
        values = tail(raw)[name]
        np.testing.assert_allclose(values.sum(axis=-1), 1, atol=1e-5)


def test_chances_are_the_softmax_of_their_own_numbers():
    raw = np.random.default_rng(3).normal(size=(1, 4, WIDTH)).astype(np.float32)
    spec = CONTRACT.output("cloud_base")
    numbers = sum(other.width for other in CONTRACT.outputs if other.kind != "probabilities")
    own = columns_of(CONTRACT, spec)
    logits = raw[..., numbers + own.start : numbers + own.stop]
    np.testing.assert_allclose(tail(raw)["cloud_base"], tf.nn.softmax(logits), rtol=1e-5)


def test_the_middle_quantile_is_its_number_in_units_and_the_next_a_positive_step_away():
    raw = np.random.default_rng(1).normal(size=(1, 4, WIDTH)).astype(np.float32)
    places = tail_layers()[0].place[columns_of(CONTRACT, CONTRACT.output("temperature"))]
    own = raw[..., places].astype(float)
    values = tail(raw)["temperature"]
    np.testing.assert_allclose(values[..., 3], own[..., 3] * 5 + 8, rtol=1e-5)
    steps = STEP * np.where(own > 0, 1 + own, np.exp(own)) * 5
    np.testing.assert_allclose(values[..., 4] - values[..., 3], steps[..., 4], rtol=1e-4)
    np.testing.assert_allclose(values[..., 6] - values[..., 5], steps[..., 6], rtol=1e-4)
    np.testing.assert_allclose(values[..., 3] - values[..., 0], steps[..., :3].sum(axis=-1), rtol=1e-4)


def test_every_raw_number_of_the_tail_is_read_once():
    place = tail_layers()[0].place
    assert sorted(place) == list(range(len(place)))
    assert len(place) + sum(s.width for s in CONTRACT.outputs if s.kind == "probabilities") == WIDTH


def test_the_anchor_is_added_before_the_units():
    raw = np.zeros((1, LEADS, WIDTH), np.float32)
    anchors = np.tile(np.arange(1, 7, dtype=np.float32), (1, LEADS, 1))
    moved, still = tail(raw, anchors), tail(raw)
    np.testing.assert_allclose(moved["temperature"] - still["temperature"], 1 * 5.0, rtol=1e-5)
    np.testing.assert_allclose((moved["wind"] - still["wind"])[0, 0], [4 * 4.0, 5 * 4.0], rtol=1e-5)
    np.testing.assert_allclose(moved["wind_speed"][..., 3] - still["wind_speed"][..., 3], 6 * 4.0, rtol=1e-5)
    np.testing.assert_array_equal(moved["cloud_cover"], still["cloud_cover"])


@pytest.mark.parametrize(("hour", "longitude"), [(385_704, -95.0), (500_003, 0.0), (421_337, 151.2)])
def test_the_rotated_clock_is_the_solar_phase_at_the_valid_time(hour, longitude):
    latitude = np.array([40.0])
    clock = clock_features(np.array([hour]), latitude, np.array([longitude]))
    features = LeadFeatures(LEADS)(clock).numpy()[0, :, 0]
    valid = hour + np.arange(1, LEADS + 1)
    expected = clock_features(valid, latitude, np.array([longitude]))[:, 2:4]
    # The equation of time moves by at most half a minute a day, a five-hundredth of a radian.
    np.testing.assert_allclose(features[:, :2], expected, atol=2 * 2 * np.pi * 30 / 86400 + 1e-5)


def test_the_lead_itself_is_among_its_features():
    features = LeadFeatures(LEADS)(np.array([[0.6, 0.8, 0.0, 1.0]], np.float32)).numpy()[0, :, 0]
    assert features.shape == (LEADS, 6)
    np.testing.assert_allclose(features[:, 2], np.arange(1, LEADS + 1) / LEADS, rtol=1e-6)
    assert features[:, 5].tolist() == [0.0] * 24 + [1.0] * 24


def test_every_lead_meets_the_same_hour_of_the_last_days():
    history = hour_numbers()
    day = EveryDay(LEADS)(Hours(-24, None)(history)).numpy()[0, :, 0, 0]
    before = EveryDay(LEADS)(Hours(-48, -24)(history)).numpy()[0, :, 0, 0]
    for lead in (1, 2, 12, 24):
        assert lead - day[lead - 1] == 24
        assert lead - before[lead - 1] == 48
    np.testing.assert_array_equal(day[24:], day[:24])
    assert Hours(-1, None)(history).numpy().ravel().tolist() == [0.0]


def test_leads_that_are_no_whole_days_take_as_many_hours_as_they_need():
    assert EveryDay(30)(Hours(-24, None)(hour_numbers())).shape == (1, 30, 1, 1)


def test_anchors_start_from_yesterday_and_pressure_from_now():
    history = tf.constant(hour_numbers(2 * len(CHANNELS)))
    anchors = EveryDay(LEADS)(Anchors(CONTRACT)(history)).numpy()[0]
    yesterday = np.tile(np.arange(-23, 1, dtype=np.float32), 2)
    for name, values in zip(ANCHORS, anchors.T, strict=True):
        if name == "pressure_msl":
            np.testing.assert_array_equal(values, np.zeros(LEADS))
        elif name == "wind_speed":
            np.testing.assert_allclose(values, np.abs(yesterday) * 2**0.5, atol=2e-3)
        else:
            np.testing.assert_array_equal(values, yesterday)


def test_the_regression_moves_the_anchor_of_its_own_target():
    anchors = np.ones((1, LEADS, len(ANCHORS)), np.float32)
    change = np.arange(LEADS * 5, dtype=np.float32)[None]
    moved = AddRegression()([anchors, change]).numpy()[0]
    lead = np.arange(LEADS)
    for column in range(5):
        np.testing.assert_array_equal(moved[:, column], 1 + lead * 5 + column)
    assert ANCHORS[:5] == AddRegression.TARGETS
    np.testing.assert_array_equal(moved[:, 5], np.ones(LEADS))


def test_history_is_normalised_and_missing_values_become_zero():
    norm = normalisation(temperature=(10.0, 5.0), precipitation=(0.0, 2.0), visibility=(9.0, 0.5))
    history, mask = np.zeros((2, 1, HOURS, len(CHANNELS)), np.float32)
    at = CHANNELS.index
    history[..., at("temperature")] = 20.0
    history[..., at("precipitation")] = 3.5
    history[..., at("visibility")] = 99_000.0
    history[..., at("dew_point")] = 7.0
    mask[..., at("temperature")] = mask[..., at("precipitation")] = mask[..., at("visibility")] = 1.0
    alone, both = (out.numpy() for out in NormaliseHistory(norm)([history, mask]))
    values, given = np.split(both[0, 0, 0], 2)
    np.testing.assert_array_equal(alone[0, 0], values)
    assert values[at("temperature")] == pytest.approx(2.0)
    assert values[at("precipitation")] == pytest.approx(np.log(4.0) / 2)
    # Sights beyond 20 km say no more.
    assert values[at("visibility")] == pytest.approx((np.log(20_200.0) - 9) / 0.5, rel=1e-5)
    assert values[at("dew_point")] == 0.0
    np.testing.assert_array_equal(given, mask[0, 0])


def test_what_a_mask_hides_has_no_effect_whatever_it_is():
    norm = normalisation(temperature=(10.0, 5.0))
    mask = np.zeros((1, HOURS, len(CHANNELS)), np.float32)
    for value in (-9999.0, 1e6):
        assert not NormaliseHistory(norm)([np.full_like(mask, value), mask])[1].numpy().any()


def test_what_a_linear_layer_sees_does_not_hold_the_mask():
    history = np.random.default_rng(2).normal(size=(3, HOURS, 1, 18)).astype(np.float32)
    other_mask = history.copy()
    other_mask[..., 9:] += 1
    site, clock = np.ones((3, 3), np.float32), np.ones((3, 4), np.float32)
    np.testing.assert_array_equal(
        RegressionFeatures()([history, site, clock]), RegressionFeatures()([other_mask, site, clock])
    )


def guidance_numbers(masked=()):
    """(1, lead, 1, 14): the values 1 … 7 in every lead, 0 in the masked leads, and the mask."""
    values = np.broadcast_to(np.arange(1, 8, dtype=np.float32), (1, LEADS, 1, 7)).copy()
    mask = np.ones_like(values)
    values[:, list(masked)], mask[:, list(masked)] = 0, 0
    return np.concatenate([values, mask], axis=-1)


def test_every_lead_has_its_own_guidance_and_that_of_the_first():
    given_numbers = guidance_numbers(masked=[20])
    given_numbers[0, 0, 0, :7] += 10
    features = GuidanceFeatures()(given_numbers).numpy()
    own = np.arange(1, 8)
    assert features.shape == (1, LEADS, 1, 28)
    np.testing.assert_array_equal(features[..., :14], given_numbers)
    for lead, mean in ((0, own + 6), (2, own + 2), (3, own), (19, own * 0.8), (20, own * 0.8), (47, own)):
        np.testing.assert_allclose(features[0, lead, 0, 14:21], mean, rtol=1e-6)
    np.testing.assert_allclose(features[0, :, 0, 21:], np.tile(own + 6, (LEADS, 1)), rtol=1e-6)


def test_differences_start_from_guidance_where_there_is_some():
    anchors = np.tile(np.array([-5, -6, -7, -8, -8, 9], np.float32), (1, LEADS, 1))
    # Cloud cover 7 widths of 0.1 above 0.2.
    layer = GuidanceAnchors(normalisation(cloud_cover=(0.2, 0.1)).of(GUIDANCE_VARIABLES))
    moved = layer([anchors, guidance_numbers([3, 47])]).numpy()[0]
    at = GUIDANCE_VARIABLES.index
    given = [1 + at(name) for name in ANCHORS[:5]]
    np.testing.assert_allclose(moved[0, :6], [*given, np.hypot(given[3], given[4])], rtol=1e-6)
    np.testing.assert_allclose(moved[3, :6], [-5, -6, -7, -8, -8, 9], rtol=1e-6)
    cloud = (0.2 + 0.1 * (1 + at("cloud_cover")) - 0.5) * CLOUD_LOGIT
    assert moved[0, 6] == pytest.approx(cloud, rel=1e-5)
    assert moved[[3, 47], 6].tolist() == [0, 0]
