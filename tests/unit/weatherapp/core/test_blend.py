import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherapp.core.blend import LAPSE, REACH_KM, blend_outputs, great_circle_km, plan_blend, unit_vectors
from weatherapp.core.errors import NothingNear

LATITUDES = np.array([41.0, 41.5, 42.0, 42.2, 42.4, 10.0])
LONGITUDES = np.array([-88.0, -87.5, -88.2, -87.9, -88.4, 10.0])
ELEVATIONS = np.array([100.0, 300.0, 200.0, 250.0, 1500.0, 0.0])


def plan(latitude, longitude, elevation=None):
    return plan_blend(
        latitude,
        longitude,
        elevation,
        station_latitudes=LATITUDES,
        station_longitudes=LONGITUDES,
        station_elevations=ELEVATIONS,
    )


def outputs():
    rng = np.random.default_rng(3)
    chances = rng.dirichlet(np.ones(4), size=(6, 5))
    return {
        "temperature": np.sort(rng.normal(10, 5, (6, 5, 7)), axis=2),
        "dew_point": rng.normal(2, 3, (6, 5)),
        "precipitation_type": chances,
    }


def test_distance_of_a_quarter_of_the_globe():
    assert great_circle_km(0, 0, 90, 0) == pytest.approx(10_007.557, rel=1e-6)
    assert great_circle_km(10, 179.5, 10, -179.5) == pytest.approx(109.5, abs=0.5)


@given(st.floats(40.5, 43), st.floats(-89, -87), st.floats(-100, 3000))
def test_weights_are_a_share_and_stations_are_near(latitude, longitude, elevation):
    blend = plan(latitude, longitude, elevation)
    assert blend.weights.sum() == pytest.approx(1)
    assert (blend.weights >= 0).all()
    assert 1 <= len(blend.stations) <= 4
    assert (np.diff(blend.distances) >= 0).all()
    assert blend.distances.max() < REACH_KM


@given(st.floats(41, 42.5), st.floats(-88.5, -87.5))
def test_blending_keeps_quantiles_ordered_and_probabilities_whole(latitude, longitude):
    blended = blend_outputs(outputs(), plan(latitude, longitude, 400.0))
    assert (np.diff(blended["temperature"], axis=1) >= -1e-9).all()
    assert blended["precipitation_type"].sum(axis=1) == pytest.approx(1)
    assert (blended["dew_point"] <= blended["temperature"][:, 3] + 1e-9).all()


def test_a_place_at_a_station_is_that_station():
    blend = plan(41.0, -88.0, float("nan"))
    assert blend.stations[0] == 0
    assert blend.weights[0] > 0.99


def test_weights_do_not_jump_when_the_fourth_station_changes():
    # Along this line the fourth and the fifth nearest station swap places.
    steps = np.linspace(-88.6, -87.4, 4001)
    whole = np.zeros((len(steps), len(LATITUDES)))
    for row, longitude in enumerate(steps):
        blend = plan(41.75, longitude, float("nan"))
        whole[row, blend.stations] = blend.weights
    assert len({tuple(np.flatnonzero(row)) for row in whole}) > 1
    assert np.abs(np.diff(whole, axis=0)).max() < 0.005


def test_a_higher_place_is_colder_by_the_lapse_rate():
    values = outputs()
    low = blend_outputs(values, plan(41.0, -88.0, 100.0))["temperature"]
    high = blend_outputs(values, plan(41.0, -88.0, 1100.0))["temperature"]
    # Weights shift a little towards the high station, so only nearly.
    assert np.mean(high - low) == pytest.approx(1000 * LAPSE["temperature"], abs=1.5)


def test_no_downscaling_leaves_the_weighted_mean():
    values = outputs()
    blend = plan(41.7, -87.9, float("nan"))
    mean = np.tensordot(blend.weights, values["temperature"][blend.stations], axes=1)
    assert blend_outputs(values, blend)["temperature"] == pytest.approx(mean)
    assert np.isnan(blend.elevation)


def test_unknown_elevation_is_the_weighted_mean_of_the_stations():
    blend = plan(41.7, -87.9)
    assert ELEVATIONS[blend.stations].min() < blend.elevation < ELEVATIONS[blend.stations].max()


def test_too_far_says_how_far():
    with pytest.raises(NothingNear, match=r"No data is available for this location .* km away"):
        plan(-40.0, 100.0)


def test_no_station_at_all():
    nothing = np.array([])
    with pytest.raises(NothingNear, match="no station has a forecast"):
        plan_blend(
            1, 1, None, station_latitudes=nothing, station_longitudes=nothing, station_elevations=nothing
        )


def test_a_station_without_a_value_leaves_its_weight_to_the_others():
    values = outputs()
    blend = plan(41.7, -87.9, float("nan"))
    whole = blend_outputs(values, blend)["temperature"]
    values["temperature"][blend.stations[0], 2, 4] = np.nan
    blended = blend_outputs(values, blend)["temperature"]
    others = blend.weights[1:] / blend.weights[1:].sum()
    assert blended[2] == pytest.approx(others @ values["temperature"][blend.stations[1:], 2])
    assert np.delete(blended, 2, axis=0) == pytest.approx(np.delete(whole, 2, axis=0))


def test_the_lapse_rate_counts_only_the_stations_that_speak():
    values = {"temperature": np.full((6, 1), 10.0)}
    blend = plan(42.3, -88.3, 1000.0)
    values["temperature"][blend.stations[1:]] = np.nan
    expected = 10.0 + LAPSE["temperature"] * blend.lift[0]
    assert blend_outputs(values, blend)["temperature"] == pytest.approx([expected])


@given(st.lists(st.booleans(), min_size=30, max_size=30), st.floats(41, 42.5), st.floats(-88.5, -87.5))
def test_gaps_keep_probabilities_whole_and_quantiles_ordered(gaps, latitude, longitude):
    values = outputs()
    silent = np.array(gaps).reshape(6, 5)
    values["precipitation_type"][silent, 1] = np.nan
    values["temperature"][silent] = np.nan
    blend = plan(latitude, longitude, 400.0)
    blended = blend_outputs(values, blend)
    nobody = silent[blend.stations].all(axis=0)
    assert np.isnan(blended["precipitation_type"]).all(axis=1).tolist() == nobody.tolist()
    assert blended["precipitation_type"][~nobody].sum(axis=1) == pytest.approx(1)
    assert (np.diff(blended["temperature"][~nobody], axis=1) >= -1e-9).all()
    assert np.isfinite(blended["dew_point"]).all()


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_search_among_many_stations_finds_what_every_distance_would(latitude, longitude):
    rng = np.random.default_rng(5)
    latitudes = np.degrees(np.arcsin(rng.uniform(-1, 1, 3000)))
    longitudes = rng.uniform(-180, 180, 3000)
    distances = great_circle_km(latitude, longitude, latitudes, longitudes)
    nearest = np.argsort(distances, kind="stable")[:4]
    nearest = nearest[distances[nearest] < REACH_KM]
    try:
        found = plan_blend(
            latitude,
            longitude,
            None,
            station_latitudes=latitudes,
            station_longitudes=longitudes,
            station_elevations=np.zeros(3000),
            station_vectors=unit_vectors(latitudes, longitudes),
        ).stations.tolist()
    except NothingNear as error:
        found, refusal = [], str(error)
    else:
        refusal = ""
    assert found == nearest.tolist()
    assert bool(found) != (f"nearest station is {distances.min():.0f} km" in refusal)
