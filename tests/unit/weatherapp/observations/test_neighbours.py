import numpy as np
import pytest

from weatherapp.observations.neighbours import (
    FRONT_HOURS,
    NEIGHBOURS,
    Places,
    far_from_neighbours,
    nearest,
)

KM_PER_DEGREE = 111.2


def row_of(count, spacing_km, elevation=0.0):
    """Stations along the equator, west to east."""
    longitude = np.arange(count) * spacing_km / KM_PER_DEGREE
    return Places(np.zeros(count), longitude, np.full(count, float(elevation)))


def failing(values, places, variable="temperature", believed=None, hours=None):
    """(hour, station) of every station against the others."""
    values = np.asarray(values, float)
    targets = np.arange(values.shape[1])
    return far_from_neighbours(
        variable,
        values,
        values if believed is None else believed,
        hours=np.arange(len(values)) if hours is None else np.asarray(hours),
        places=places,
        targets=targets,
        neighbours=nearest(places, targets),
    )


def test_neighbours_are_the_nearest_within_reach_and_height():
    places = Places(np.zeros(6), np.array([0.0, 0.001, 0.5, 1.0, 1.2, 2.0]), np.array([0, 0, 0, 0, 900.0, 0]))
    found = nearest(places, np.array([0]))
    assert found.shape == (1, NEIGHBOURS)
    # Station 1 is a second record of the site, 4 is too high, 5 is 220 km away.
    assert found[0].tolist() == [2, 3] + [-1] * (NEIGHBOURS - 2)


def test_at_most_a_dozen_neighbours_are_compared():
    places = row_of(40, 5)
    found = nearest(places, np.array([0, 20]))
    assert found[0].tolist() == list(range(1, 13))
    assert set(found[1].tolist()) == set(range(14, 27)) - {20}


def test_neighbours_are_found_across_the_date_line():
    places = Places(np.zeros(2), np.array([179.8, -179.8]), np.zeros(2))
    assert nearest(places, np.array([0]))[0, 0] == 1


@pytest.mark.parametrize(("variable", "wrong"), [("temperature", 45.0), ("dew_point", -15.0)])
def test_a_value_that_nobody_supports_fails(variable, wrong):
    values = np.full((1, 5), 12.0)
    values[0, 2] = wrong
    assert failing(values, row_of(5, 30), variable).tolist() == [[False, False, True, False, False]]


def test_pressure_in_the_wrong_place_fails():
    values = np.array([[1013.0, 1012.0, 980.0, 1014.0, 1013.5]])
    assert failing(values, row_of(5, 30), "pressure_msl")[0].tolist() == [False, False, True, False, False]


def test_two_neighbours_are_too_few_to_judge():
    assert not failing([[10.0, 60.0, 10.0]], row_of(3, 30)).any()
    assert failing([[10.0, 60.0, 10.0, 10.0]], row_of(4, 30))[0].tolist() == [False, True, False, False]


def test_values_that_other_checks_refused_speak_for_nobody():
    values = np.full((1, 4), 10.0)
    values[0, 1] = 60.0
    believed = values.copy()
    believed[0, 0] = np.nan
    assert not failing(values, row_of(4, 30), believed=believed).any()


def test_two_that_agree_are_believed():
    values = np.full((1, 6), 10.0)
    values[0, 2:4] = 35.0
    assert not failing(values, row_of(6, 20)).any()


def test_neighbours_that_differ_among_themselves_widen_the_limit():
    # Fog at the coast, heat inland: the middle station is 19 K below the median, they are all over the place.
    values = [[16.0, 35.0, 28.0, 42.0, 22.5]]
    assert not failing(values, row_of(5, 30)).any()


def test_height_explains_a_difference():
    places = Places(np.zeros(4), np.arange(4) * 0.2, np.array([0.0, 0.0, 0.0, 450.0]))
    # 20 K colder at the same height would fail; with the lapse rate 17.1 K remain.
    assert not failing([[30.0, 30.0, 30.0, 10.0]], places).any()
    assert failing([[30.0, 30.0, 30.0, 8.0]], places)[0].tolist() == [False, False, False, True]


@pytest.mark.parametrize("speed", [25, 40, 60, 100])
@pytest.mark.parametrize("spacing", [15, 30, 45, 70])
def test_a_moving_front_rejects_nothing(speed, spacing):
    """28 K colder behind than ahead, from one end of 25 stations to the other, and away."""
    places = row_of(25, spacing)
    position = np.arange(25) * spacing
    front = np.arange(-200, 25 * spacing + 400, speed)
    values = np.where(position[None, :] < front[:, None], -8.0, 20.0)
    assert not failing(values, places).any()


def test_the_eye_of_a_storm_rejects_nothing():
    """A core of 940 hPa, 40 km wide, moving at 20 km/h across stations 30 km apart."""
    places = row_of(25, 30)
    position = np.arange(25) * 30
    centre = np.arange(-200, 950, 20)
    depth = 70 * np.exp(-(((position[None, :] - centre[:, None]) / 40.0) ** 2))
    assert not failing(1010 - depth, places, "pressure_msl").any()


def test_a_sensor_that_breaks_is_rejected_once_a_front_would_have_passed():
    values = np.full((12, 5), 12.0)
    values[3:, 2] = 40.0
    assert failing(values, row_of(5, 30))[:, 2].tolist() == [False] * (2 + 1 + FRONT_HOURS) + [True] * 3
    assert failing(values, row_of(5, 30)).any(axis=0).tolist() == [False, False, True, False, False]


def test_a_gap_in_time_does_not_count_as_hours_before():
    values = np.full((2, 5), 12.0)
    values[1, 2] = 40.0
    assert not failing(values, row_of(5, 30), hours=[0, FRONT_HOURS])[:, 2].any()
    assert failing(values, row_of(5, 30), hours=[0, FRONT_HOURS + 1])[:, 2].tolist() == [False, True]
