import numpy as np
import pytest

from weatherapp.core.feels import apparent_temperature, vapour_pressure_deficit


def test_the_bureaus_own_example_range():
    # 30 °C with a dew point of 20 °C (23.4 hPa) and 5 m/s: 30 + 7.72 − 3.5 − 4.
    assert apparent_temperature(30, 20, 5) == pytest.approx(30.2, abs=0.05)


def test_wind_cools_and_vapour_warms():
    base = apparent_temperature(20, 10, 3)
    assert apparent_temperature(20, 10, 8) == pytest.approx(base - 3.5)
    assert apparent_temperature(20, 15, 3) > base


def test_saturated_air_holds_no_more_and_gaps_stay_gaps():
    found = vapour_pressure_deficit([20.0, 20.0, np.nan], [20.0, 10.0, 0.0])
    assert found[0] == 0
    assert found[1] == pytest.approx(1.11, abs=0.01)  # FAO 56: 2.338 − 1.228 kPa
    assert np.isnan(found[2])
