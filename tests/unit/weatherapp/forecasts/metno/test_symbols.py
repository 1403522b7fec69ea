import numpy as np
import pytest

from weatherapp.core import weather_code
from weatherapp.forecasts.metno.symbols import SYMBOLS, symbol

# 2026-07-04T18Z is early afternoon in Chicago; 06Z is past midnight.
DAY = 1783188000 / 3600
NIGHT = DAY + 12
CHICAGO = (41.9, -87.7)
TROMSO = (69.7, 18.9)
MIDWINTER_NOON = 1797850800 / 3600  # 2026-12-21T11Z


def one(code, hour=DAY, place=CHICAGO):
    return symbol(np.array([code], float), np.array([0.0]), hour, *place)


def test_every_code_that_a_forecast_can_have_has_a_symbol():
    given = {
        int(code)
        for kind in range(4)
        for amount in (0.1, 0.3, 0.6, 3.0, 11.0)
        for cover in (0.0, 0.3, 0.5, 1.0)
        for temperature in (-10.0, 10.0)
        for code in weather_code.decide(
            type_probability=np.eye(4)[[kind]],
            wet_amount=np.array([amount]),
            temperature=np.array([temperature]),
            dew_point=np.array([temperature]),
            cloud_cover=np.array([cover]),
            lowest_ceiling_probability=np.array([1.0]),
        ).code
    }
    assert given <= set(SYMBOLS) | {-1}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, "clearsky_day"),
        (2, "partlycloudy_day"),
        (3, "cloudy"),
        (63, "rain"),
        (81, "rainshowers_day"),
        (48, "fog"),
    ],
)
def test_symbols_of_one_hour_by_day(code, expected):
    assert one(code) == expected


def test_the_sky_looks_different_by_night_and_in_the_polar_night():
    assert one(0, NIGHT) == "clearsky_night"
    assert one(3, NIGHT) == "cloudy"
    assert one(1, MIDWINTER_NOON, TROMSO) == "fair_polartwilight"
    assert one(1, MIDWINTER_NOON + 12, TROMSO) == "fair_night"


def test_the_wettest_hour_names_the_stretch():
    codes, amounts = np.array([0, 61, 65, 3, 80, 0.0]), np.array([0, 0.5, 12.0, 0, 3.0, 0])
    assert symbol(codes, amounts, DAY, *CHICAGO) == "heavyrain"


def test_without_rain_the_middle_sky_does():
    codes = np.array([0, 0, 3, 3, 2, 1.0])
    assert symbol(codes, np.zeros(6), DAY, *CHICAGO) == "partlycloudy_day"


def test_an_unknown_hour_has_no_symbol():
    assert symbol(np.array([0, np.nan]), np.zeros(2), DAY, *CHICAGO) is None
