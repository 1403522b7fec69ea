from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherapp.core.solar import (
    clock_features,
    cos_solar_zenith,
    is_day,
    seconds_above,
    solar_day_angle,
    sun_days,
)


def hours(*parts):
    return datetime(*parts, tzinfo=UTC).timestamp() / 3600


def sun_of(day, latitude, longitude):
    """The solar day of a calendar day at a place."""
    return sun_days(np.array([hours(day.year, day.month, day.day, 12) - longitude / 15]), latitude, longitude)


@pytest.mark.parametrize(
    ("day", "latitude", "longitude", "sunrise", "sunset"),
    [  # published almanac times, to the minute
        (date(2024, 6, 20), 51.4769, 0.0, "2024-06-20T03:43", "2024-06-20T20:21"),  # Greenwich
        (date(2024, 12, 21), 40.7128, -74.006, "2024-12-21T12:17", "2024-12-21T21:32"),  # New York
        (date(2024, 3, 20), -33.8688, 151.2093, "2024-03-19T19:59", "2024-03-20T08:08"),  # Sydney
    ],
)
def test_sunrise_and_sunset_are_the_almanacs_within_two_minutes(day, latitude, longitude, sunrise, sunset):
    sun = sun_of(day, latitude, longitude)
    for got, expected in ((sun.sunrise, sunrise), (sun.sunset, sunset)):
        almanac = datetime.fromisoformat(expected).replace(tzinfo=UTC).timestamp() / 3600
        assert got[0] == pytest.approx(almanac, abs=2 / 60)


@pytest.mark.parametrize(("day", "up"), [(date(2024, 6, 21), True), (date(2024, 12, 21), False)])
@pytest.mark.parametrize("latitude", [78.22, 90.0])
def test_near_the_pole_the_sun_stays_up_or_down(day, up, latitude):
    sun = sun_of(day, latitude, 15.65)
    assert np.isnan([*sun.sunrise, *sun.sunset]).all()
    assert sun.always_up.tolist() == [up]


@given(st.dates(date(1980, 1, 1), date(2060, 1, 1)), st.floats(-60, 60), st.floats(-180, 180))
def test_day_and_night_meet_at_sunrise(day, latitude, longitude):
    sunrise = sun_of(day, latitude, longitude).sunrise[0]
    # Declination is held through the day by the one and not by the other.
    assert not is_day(sunrise - 0.1, latitude, longitude)
    assert is_day(sunrise + 0.1, latitude, longitude)


def test_the_sun_stands_overhead_at_noon_on_the_equator_at_the_equinox():
    assert cos_solar_zenith(hours(2024, 3, 20, 12, 7), 0.0, 0.0) == pytest.approx(1, abs=1e-3)
    assert cos_solar_zenith(hours(2024, 3, 20, 0, 7), 0.0, 0.0) == pytest.approx(-1, abs=1e-3)


def test_zenith_at_solstice_noon_is_latitude_less_declination():
    noon = hours(2024, 6, 20, 12, 2)
    assert np.rad2deg(np.arccos(cos_solar_zenith(noon, 51.4769, 0.0))) == pytest.approx(
        51.48 - 23.44, abs=0.1
    )


def test_clock_is_the_phase_of_the_year_and_of_the_solar_day():
    clock = clock_features(hours(2024, 1, 1, 17, 3), 40.0, -75.0)  # solar noon is near 17:03 there
    assert clock.dtype == np.float32
    assert clock[1] == pytest.approx(1, abs=0.001)
    assert clock[2:] == pytest.approx([0, -1], abs=0.01)


def test_clock_broadcasts_and_turns_once_a_day_and_once_a_year():
    start = hours(2024, 5, 1)
    clock = clock_features(start + np.array([[0.0, 24.0, 24 * 365.2425]]), np.zeros((3, 1)), np.zeros((3, 1)))
    assert clock.shape == (3, 3, 4)
    np.testing.assert_allclose(clock[:, 0, 2:], clock[:, 1, 2:], atol=0.01)
    np.testing.assert_allclose(clock[:, 0, :2], clock[:, 2, :2], atol=1e-5)
    np.testing.assert_allclose(np.hypot(clock[..., 0], clock[..., 1]), 1, atol=1e-6)


def test_solar_time_runs_with_longitude():
    hour = hours(2024, 5, 1)
    assert solar_day_angle(hour, 90.0) - solar_day_angle(hour, 0.0) == pytest.approx(np.pi / 2)


def test_the_suns_day_is_the_one_nearest_to_the_middle_asked_for():
    # 175° east by a clock of UTC: noon there is shortly after midnight.
    middle = datetime(2026, 3, 20, 12, tzinfo=UTC).timestamp() / 3600
    days = sun_days(np.array([middle]), -41.0, 175.0)
    assert abs(days.noon[0] - middle) <= 12
    assert days.sunrise[0] < days.noon[0] < days.sunset[0]


def test_sun_days_broadcast_over_places():
    middle = datetime(2026, 6, 21, 12, tzinfo=UTC).timestamp() / 3600
    days = sun_days(np.array([middle]), np.array([[52.5], [80.0], [-80.0]]), np.array([[13.4], [0.0], [0.0]]))
    assert np.isfinite(days.sunrise[:, 0]).tolist() == [True, False, False]
    assert days.always_up[:, 0].tolist() == [False, True, False]


def test_seconds_above_an_altitude_add_up_to_the_day():
    noon = datetime(2026, 3, 20, 12, tzinfo=UTC).timestamp() / 3600
    ends = noon + np.arange(-11, 13)
    assert seconds_above(ends, 1, 0.0, 0.0, -0.833).sum() == pytest.approx(12.1 * 3600, abs=700)
    assert seconds_above(ends, 1, 0.0, 0.0, 89.9).sum() < 1200
    each = seconds_above(ends[:2], 1, np.array([0.0, 89.0]), np.array([180.0, 0.0]), 10.0)
    assert each.tolist() == [3600.0, 0.0]
