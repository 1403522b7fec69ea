"""The float head and tail compute what their names say, for every input."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from packager.contract import GUIDANCE_VARIABLES, reference_contract
from packager.student.layers import (
    CLOUD_LOGIT,
    AddRegression,
    Anchors,
    Denormalise,
    GuidanceAnchors,
    GuidanceFeatures,
    LeadFeatures,
    NormaliseHistory,
    OrderedQuantiles,
    RegressionFeatures,
    SameHourYesterday,
    ValuesOnly,
)
from packager.student.normalisation import Normalisation
from weatherapp.core.solar import clock_features

CONTRACT = reference_contract()
CHANNELS = CONTRACT.input("history").channel_names
LEVELS = CONTRACT.output("temperature").levels
HOURS, LEADS = CONTRACT.history_hours, CONTRACT.lead_hours
free_numbers = arrays(
    np.float32, (2, 3, len(LEVELS)), elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
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


@settings(max_examples=200, deadline=None)
@given(free_numbers)
def test_ordered_quantiles_never_cross(raw):
    ordered = OrderedQuantiles(LEVELS)(raw).numpy()
    assert np.isfinite(ordered).all()
    assert (np.diff(ordered, axis=-1) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(free_numbers, st.sampled_from(["temperature", "wind_speed", "cloud_cover", "precipitation"]))
def test_quantiles_stay_ordered_and_inside_the_valid_range_in_physical_units(raw, name):
    spec = CONTRACT.output(name)
    bounded = np.clip(raw, -20, 20)
    ordered = OrderedQuantiles(spec.levels)(bounded)
    physical = Denormalise(spec, (8.0, 5.0))([ordered]).numpy()
    # Vectorised sigmoid and exp differ in the last bit from their scalar remainder.
    assert (np.diff(physical, axis=-1) >= -4 * np.finfo(np.float32).eps * np.abs(physical[..., 1:])).all()
    if spec.valid_range[0] == 0:
        assert physical.min() >= 0
    if name == "cloud_cover":
        assert physical.max() <= 1


def test_the_middle_quantile_is_the_free_number_itself():
    raw = np.random.default_rng(1).normal(size=(1, 4, 7)).astype(np.float32)
    ordered = OrderedQuantiles(LEVELS)(raw).numpy()
    np.testing.assert_array_equal(ordered[..., 3], raw[..., 3])
    step = np.log1p(np.exp(raw[..., 4] - 1))
    np.testing.assert_allclose(ordered[..., 4] - ordered[..., 3], step, rtol=1e-5, atol=1e-6)


def test_denormalising_adds_the_anchor_before_the_units():
    spec = CONTRACT.output("dew_point")
    physical = Denormalise(spec, (4.0, 10.0))([tf.constant([[0.5]]), tf.constant([[-1.0]])])
    assert physical.numpy() == pytest.approx(-1.0)


@pytest.mark.parametrize(("hour", "longitude"), [(385_704, -95.0), (500_003, 0.0), (421_337, 151.2)])
def test_the_rotated_clock_is_the_solar_phase_at_the_valid_time(hour, longitude):
    latitude = np.array([40.0])
    clock = clock_features(np.array([hour]), latitude, np.array([longitude]))
    features = LeadFeatures(LEADS)([clock, np.zeros((1, 3), np.float32)]).numpy()[0, :, 0]
    valid = hour + np.arange(1, LEADS + 1)
    expected = clock_features(valid, latitude, np.array([longitude]))[:, 2:4]
    # The equation of time moves by at most half a minute a day, a five-hundredth of a radian.
    np.testing.assert_allclose(features[:, :2], expected, atol=2 * 2 * np.pi * 30 / 86400 + 1e-5)


def test_season_and_site_are_the_same_at_every_lead_and_the_lead_is_not():
    clock, site = np.array([[0.6, 0.8, 0.0, 1.0]], np.float32), np.array([[0.1, 0.2, 0.3]], np.float32)
    features = LeadFeatures(LEADS)([clock, site]).numpy()[0, :, 0]
    assert features.shape == (LEADS, 11)
    np.testing.assert_allclose(features[:, 2:7], np.tile([0.6, 0.8, 0.1, 0.2, 0.3], (LEADS, 1)), rtol=1e-6)
    np.testing.assert_allclose(features[:, 7], np.arange(1, LEADS + 1) / LEADS, rtol=1e-6)
    assert features[:, 10].tolist() == [0.0] * 24 + [1.0] * 24


def test_same_hour_yesterday_takes_the_hours_that_it_says():
    days = SameHourYesterday(LEADS)(hour_numbers()).numpy()[0, :, 0]
    for lead in (1, 2, 12, 23):
        assert (lead - days[lead - 1])[:4].tolist() == [23, 24, 25, 48]
    # The 24th lead's following hour is not observed yet: the oldest one of the last day stands in.
    assert (24 - days[23])[:4].tolist() == [47, 24, 25, 48]
    np.testing.assert_array_equal(days[24:, :4], days[:24, :4])
    assert set(days[:, 4]) == {0.0}


def test_anchors_start_from_yesterday_and_pressure_from_now():
    history = hour_numbers(2 * len(CHANNELS))
    anchors = {name: value.numpy() for name, value in Anchors(CONTRACT)(tf.constant(history)).items()}
    yesterday = np.tile(np.arange(-23, 1, dtype=np.float32), 2)
    np.testing.assert_array_equal(anchors["temperature"][0, :, 0], yesterday)
    np.testing.assert_array_equal(anchors["dew_point"][0], yesterday)
    np.testing.assert_array_equal(anchors["wind"][0], np.stack([yesterday, yesterday], axis=-1))
    np.testing.assert_allclose(anchors["wind_speed"][0, :, 0], np.abs(yesterday) * 2**0.5, atol=2e-3)
    np.testing.assert_array_equal(anchors["pressure_msl"][0], np.zeros(LEADS))


def test_the_regression_moves_the_anchor_of_its_own_target():
    anchors = {
        "temperature": tf.zeros((1, LEADS, 1)),
        "dew_point": tf.zeros((1, LEADS)),
        "pressure_msl": tf.zeros((1, LEADS)),
        "wind": tf.zeros((1, LEADS, 2)),
        "wind_speed": tf.ones((1, LEADS, 1)),
    }
    change = np.arange(LEADS * 5, dtype=np.float32)[None]
    moved = {name: value.numpy()[0] for name, value in AddRegression()([anchors, change]).items()}
    lead = np.arange(LEADS)
    np.testing.assert_array_equal(moved["temperature"][:, 0], lead * 5)
    np.testing.assert_array_equal(moved["dew_point"], lead * 5 + 1)
    np.testing.assert_array_equal(moved["pressure_msl"], lead * 5 + 2)
    np.testing.assert_array_equal(moved["wind"], np.stack([lead * 5 + 3, lead * 5 + 4], axis=-1))
    np.testing.assert_array_equal(moved["wind_speed"][:, 0], np.ones(LEADS))


def test_history_is_normalised_and_missing_values_become_zero():
    norm = normalisation(temperature=(10.0, 5.0), precipitation=(0.0, 2.0), visibility=(9.0, 0.5))
    history, mask = np.zeros((2, 1, HOURS, len(CHANNELS)), np.float32)
    at = CHANNELS.index
    history[..., at("temperature")] = 20.0
    history[..., at("precipitation")] = 3.5
    history[..., at("visibility")] = 99_000.0
    history[..., at("dew_point")] = 7.0
    mask[..., at("temperature")] = mask[..., at("precipitation")] = mask[..., at("visibility")] = 1.0
    out = NormaliseHistory(norm)([history, mask]).numpy()[0, 0, 0]
    values, given = out[: len(CHANNELS)], out[len(CHANNELS) :]
    assert values[at("temperature")] == pytest.approx(2.0)
    assert values[at("precipitation")] == pytest.approx(np.log(4.0) / 2)
    # Sights beyond 20 km say no more.
    assert values[at("visibility")] == pytest.approx((np.log(20_200.0) - 9) / 0.5, rel=1e-5)
    assert values[at("dew_point")] == 0.0
    np.testing.assert_array_equal(given, mask[0, 0])


def test_what_a_linear_layer_sees_does_not_hold_the_mask():
    history = np.random.default_rng(2).normal(size=(3, HOURS, 1, 18)).astype(np.float32)
    other_mask = history.copy()
    other_mask[..., 9:] += 1
    site, clock = np.ones((3, 3), np.float32), np.ones((3, 4), np.float32)
    assert ValuesOnly()(history).shape == (3, HOURS * 9)
    np.testing.assert_array_equal(ValuesOnly()(history), ValuesOnly()(other_mask))
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
    anchors = {
        "temperature": np.full((1, LEADS, 1), -5.0, np.float32),
        "dew_point": np.full((1, LEADS), -6.0, np.float32),
        "pressure_msl": np.full((1, LEADS), -7.0, np.float32),
        "wind": np.full((1, LEADS, 2), -8.0, np.float32),
        "wind_speed": np.full((1, LEADS, 1), 9.0, np.float32),
    }
    # Cloud cover 7 widths of 0.1 above 0.2.
    layer = GuidanceAnchors(normalisation(cloud_cover=(0.2, 0.1)).of(GUIDANCE_VARIABLES))
    moved = {name: value.numpy() for name, value in layer([anchors, guidance_numbers([3, 47])]).items()}
    for lead, expected in ((0, [1, 2, 3, 4, 5, np.hypot(4, 5)]), (3, [-5, -6, -7, -8, -8, 9])):
        names = ("temperature", "dew_point", "pressure_msl", "wind", "wind_speed")
        seen = np.concatenate([np.ravel(moved[name][0, lead]) for name in names])
        np.testing.assert_allclose(seen, expected, rtol=1e-6)
    cloud = moved.pop("cloud_cover")[0, :, 0]
    assert cloud[0] == pytest.approx((0.9 - 0.5) * CLOUD_LOGIT)
    assert cloud[[3, 47]].tolist() == [0, 0]
    assert {name: value.shape for name, value in moved.items()} == {
        name: value.shape for name, value in anchors.items()
    }
