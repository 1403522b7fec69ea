import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherapp.core import weather_code as wc

ALLOWED = {*range(4), 45, 48, 51, 53, 55, 56, 57, 61, 63, 65, 66, 67, 71, 73, 75, 80, 81, 82, 85, 86}
SNOW_CODES = {71, 73, 75, 85, 86}
WET_CODES = {code for code in ALLOWED if code > 48}
shares = st.tuples(*[st.floats(0.001, 1)] * 4)


def decide(chances, amount, temperature, spread, cover, fog):
    total = sum(chances)
    return wc.decide(
        type_probability=np.array([[chance / total for chance in chances]]),
        wet_amount=np.array([amount]),
        temperature=np.array([temperature]),
        dew_point=np.array([temperature - spread]),
        cloud_cover=np.array([cover]),
        lowest_ceiling_probability=np.array([fog]),
    )


@given(shares, st.floats(0, 60), st.floats(-40, 45), st.floats(0, 20), st.floats(0, 1), st.floats(0, 1))
def test_code_type_amount_and_probability_agree(chances, amount, temperature, spread, cover, fog):
    decision = decide(chances, amount, temperature, spread, cover, fog)
    code, kind = int(decision.code[0]), wc.TYPE_NAMES[int(decision.type[0])]
    assert code in ALLOWED
    assert (code in WET_CODES) == (decision.amount[0] > 0) == (kind != "none")
    assert (code in SNOW_CODES) == (kind == "snow")
    assert (code in {56, 57, 66, 67}) == (kind == "freezing_rain")
    written = round(temperature, 1)
    assert not (kind == "snow" and written > wc.SNOW_ENDS)
    assert not (kind == "freezing_rain" and written > wc.FREEZING)
    assert not (kind == "rain" and written < wc.FREEZING)
    assert (decision.probability[0] >= wc.WET_PROBABILITY) == (code in WET_CODES)
    assert decision.amount[0] == 0 or decision.amount[0] >= wc.LEAST_AMOUNT


@pytest.mark.parametrize(
    ("chances", "amount", "temperature", "cover", "code"),
    [
        ((0.1, 0.8, 0.1, 0.001), 0.15, 10, 1.0, 51),
        ((0.1, 0.8, 0.1, 0.001), 0.3, 10, 1.0, 53),
        ((0.1, 0.8, 0.1, 0.001), 1.0, 10, 1.0, 61),
        ((0.1, 0.8, 0.1, 0.001), 4.0, 10, 1.0, 63),
        ((0.1, 0.8, 0.1, 0.001), 12.0, 10, 1.0, 65),
        ((0.1, 0.8, 0.1, 0.001), 12.0, 10, 0.3, 82),
        ((0.1, 0.1, 0.8, 0.001), 2.0, -5, 1.0, 73),
        ((0.1, 0.1, 0.8, 0.001), 2.0, -5, 0.3, 86),
        ((0.1, 0.1, 0.8, 0.001), 2.0, 20, 1.0, 61),
        ((0.1, 0.1, 0.1, 0.8), 5.0, -2, 1.0, 67),
        ((0.1, 0.1, 0.1, 0.8), 0.3, -2, 1.0, 57),
        ((0.9, 0.1, 0.001, 0.001), 5.0, 10, 0.05, 0),
        ((0.9, 0.1, 0.001, 0.001), 5.0, 10, 0.2, 1),
        ((0.9, 0.1, 0.001, 0.001), 5.0, 10, 0.5, 2),
        ((0.9, 0.1, 0.001, 0.001), 5.0, 10, 0.95, 3),
    ],
)
def test_known_hours(chances, amount, temperature, cover, code):
    assert decide(chances, amount, temperature, 8.0, cover, 0.0).code[0] == code


def test_fog_needs_saturated_air_and_a_low_ceiling():
    dry = (0.95, 0.05, 0.001, 0.001)
    assert decide(dry, 1, 5, 0.5, 1.0, 0.7).code[0] == 45
    assert decide(dry, 1, -5, 0.5, 1.0, 0.7).code[0] == 48
    assert decide(dry, 1, 5, 3.0, 1.0, 0.7).code[0] == 3


def test_an_hour_without_a_forecast_is_unknown():
    nan = float("nan")
    decision = wc.decide(
        type_probability=np.full((1, 4), nan),
        wet_amount=np.array([nan]),
        temperature=np.array([nan]),
        dew_point=np.array([nan]),
        cloud_cover=np.array([nan]),
        lowest_ceiling_probability=np.array([nan]),
    )
    assert (decision.code[0], decision.type[0]) == (-1, -1)
    assert np.isnan(decision.amount[0])
    assert np.isnan(decision.probability[0])


@given(shares, st.floats(-30, 30))
def test_moving_impossible_types_keeps_the_sum(chances, temperature):
    row = np.array([chances])
    assert wc.possible_types(row, np.array([temperature])).sum() == pytest.approx(row.sum())


@pytest.mark.parametrize(
    ("probability", "height"),
    [
        ([1, 0, 0, 0, 0, 0], 75),
        ([0, 0, 1, 0, 0, 0], 600),
        ([0, 0, 0.5, 0.5, 0, 0], 900),
        ([0, 0, 0, 0, 1, 0], 4500),
        ([0, 0, 0, 0, 0.4, 0.6], None),
        ([0.25, 0.25, 0, 0, 0, 0.5], None),
    ],
)
def test_ceiling_is_the_median_and_missing_where_none_is_as_likely(probability, height):
    found = wc.ceiling_height(np.array([probability], float), (150, 300, 900, 3000))[0]
    assert np.isnan(found) if height is None else found == pytest.approx(height, abs=1)


def one(**changes):
    given_values = {
        "type_probability": np.array([[0.1, 0.9, 0.0, 0.0]]),
        "wet_amount": np.array([1.0]),
        "temperature": np.array([10.0]),
        "dew_point": np.array([8.0]),
        "cloud_cover": np.array([0.9]),
        "lowest_ceiling_probability": np.array([0.0]),
    }
    return wc.decide(**given_values | {name: np.array([value]) for name, value in changes.items()})


def test_a_wet_hour_needs_no_sky_for_its_code_and_a_dry_one_does():
    assert one(cloud_cover=np.nan).code[0] == 61
    dry = one(cloud_cover=np.nan, type_probability=[1.0, 0.0, 0.0, 0.0])
    assert (dry.code[0], dry.amount[0], dry.type[0]) == (-1, 0.0, 0)


def test_a_wet_hour_without_an_amount_is_unknown():
    decision = one(wet_amount=np.nan)
    assert np.isnan(decision.amount[0])
    assert np.isnan(decision.probability[0])


def test_the_decision_is_made_on_what_is_written():
    assert one(type_probability=[0.604, 0.396, 0, 0]).code[0] == 61  # 40 % is written
    assert one(temperature=4.04, type_probability=[0, 0, 1.0, 0]).type[0] == wc.SNOW  # 4.0 °C is written
    assert one(wet_amount=0.4999).code[0] == 61  # 0.50 mm is written


def test_sleet_above_freezing_is_the_likelier_of_rain_and_snow():
    assert one(temperature=2.0, type_probability=[0.1, 0.2, 0.3, 0.4]).type[0] == wc.SNOW
    assert one(temperature=2.0, type_probability=[0.1, 0.3, 0.2, 0.4]).type[0] == wc.RAIN
    assert one(temperature=4.5, type_probability=[0.1, 0.2, 0.3, 0.4]).type[0] == wc.RAIN
