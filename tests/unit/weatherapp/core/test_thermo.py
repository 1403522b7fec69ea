import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherapp.core.thermo import (
    mean_sea_level_pressure,
    relative_humidity,
    saturation_vapour_pressure,
    station_pressure,
    wet_bulb_stull,
)


def test_saturation_at_the_triple_point_and_at_twenty_degrees():
    assert saturation_vapour_pressure([0.0, 20.0]) == pytest.approx([6.11, 23.39], rel=0.003)


def test_humidity_is_one_at_the_dew_point_and_never_above():
    assert relative_humidity([10.0, 10.0, 20.0], [10.0, 11.0, 9.26]) == pytest.approx(
        [1.0, 1.0, 0.5], abs=0.002
    )


def test_wet_bulb_of_the_papers_example():
    assert wet_bulb_stull(20.0, 0.5) == pytest.approx(13.7, abs=0.05)


@given(st.floats(-15, 45), st.floats(0.2, 0.98))
def test_wet_bulb_lies_below_the_temperature(temperature, humidity):
    assert wet_bulb_stull(temperature, humidity) < temperature + 0.7


def test_pressure_at_sea_level_is_unchanged():
    assert mean_sea_level_pressure(1000.0, 15.0, 10.0, 0.0) == 1000.0


def test_pressure_of_the_standard_atmosphere_is_recovered_at_five_hundred_metres():
    station = 1013.25 * (1 - 0.0065 * 500 / 288.15) ** 5.2559
    assert mean_sea_level_pressure(station, 15 - 3.25, np.nan, 500.0) == pytest.approx(1013.25, abs=0.1)


def test_colder_air_below_the_station_weighs_more():
    cold, warm = mean_sea_level_pressure(900.0, [-10.0, 20.0], np.nan, 1000.0)
    assert cold - warm > 10


def test_missing_stays_missing():
    assert np.isnan(mean_sea_level_pressure([np.nan, 900.0], [10.0, np.nan], 5.0, 100.0)).all()
    assert np.isnan(relative_humidity(np.nan, 5.0))
    assert np.isnan(wet_bulb_stull(np.nan, 0.5))


@given(st.floats(870, 1080), st.floats(-400, 4500), st.floats(-60, 45), st.floats(0, 30))
def test_pressure_at_a_station_and_at_sea_level_are_each_others_inverse(
    pressure, elevation, temperature, spread
):
    dew_point = temperature - spread
    there = station_pressure(pressure, elevation, temperature, dew_point)
    assert mean_sea_level_pressure(there, temperature, dew_point, elevation) == pytest.approx(pressure)


def test_pressure_of_the_standard_atmosphere_at_a_thousand_metres():
    # ICAO standard atmosphere: 1013.25 hPa and 15 °C at the sea, 898.75 hPa and 8.5 °C at 1,000 m.
    assert station_pressure(1013.25, 1000.0, 8.5) == pytest.approx(898.75, abs=0.1)


def test_pressure_of_an_unknown_temperature_is_unknown():
    assert np.isnan(station_pressure(1013.0, 100.0, np.nan))
