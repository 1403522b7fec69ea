import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weatherapp.core.personal.errors import RequestInvalid
from weatherapp.core.personal.probability import VARIABLES, exceedance

from .conftest import LEVELS


@pytest.mark.parametrize(("threshold", "chance"), [(15, 0.95), (18, 0.5), (18.5, 0.375), (21, 0.05)])
def test_between_the_quantiles_it_is_interpolated(make_hours, threshold, chance):
    np.testing.assert_allclose(exceedance(make_hours(3), "temperature", threshold), chance)


def test_tails_go_on_and_never_say_never_for_temperature(make_hours):
    hours = make_hours(1)
    beyond = [float(exceedance(hours, "temperature", value)[0]) for value in (21, 22, 24, 27)]
    assert beyond[0] == pytest.approx(0.05)
    assert beyond == sorted(beyond, reverse=True)
    assert 0 < beyond[-1] < 0.001
    assert 0.999 < float(exceedance(hours, "temperature", 9)[0]) < 1


def test_what_cannot_be_is_impossible(make_hours):
    hours = make_hours(1)
    assert exceedance(hours, "wind_speed", -1)[0] == 1
    assert exceedance(hours, "wind_speed", 0)[0] == 1
    assert exceedance(hours, "cloud_cover", 1.0)[0] == 0
    assert exceedance(hours, "cloud_cover", -0.1)[0] == 1
    assert exceedance(hours, "precipitation", -0.1)[0] == 1


def test_a_share_of_exact_zeros_is_counted(make_hours):
    """Three of seven quantiles are 0: the sky is clear with at least the chance of the highest of them."""
    clear = make_hours(1, cloud_cover=[0, 0, 0, 0.2, 0.4, 0.6, 0.8])
    assert exceedance(clear, "cloud_cover", 0)[0] == pytest.approx(0.75)


def test_amounts_are_chances_times_amounts_given_that_it_is_wet(make_hours):
    hours = make_hours(1, precipitation_type=[0.5, 0.4, 0.1, 0], temperature=[2.0] * 7, dew_point=1.0)
    assert exceedance(hours, "precipitation", 0)[0] == pytest.approx(0.5)
    assert exceedance(hours, "rain", 0)[0] == pytest.approx(0.4)
    assert exceedance(hours, "snowfall", 0)[0] == pytest.approx(0.1)
    assert exceedance(hours, "precipitation", 1.7)[0] == pytest.approx(0.25)
    assert exceedance(hours, "precipitation", 0.1)[0] == pytest.approx(0.5 * 0.975)
    # Half of what is left beyond 95 % is gone one step further on.
    assert exceedance(hours, "precipitation", 3.7)[0] == pytest.approx(0.5 * 0.025)


def test_snow_is_impossible_in_the_heat(make_hours):
    hours = make_hours(1, precipitation_type=[0.2, 0, 0.8, 0])
    assert exceedance(hours, "snowfall", 0)[0] == 0
    assert exceedance(hours, "rain", 0)[0] == pytest.approx(0.8)


def test_unknown_hours_are_unknown(make_hours):
    hours = make_hours(
        2,
        temperature=np.array([[np.nan] * 7, np.linspace(0, 6, 7)]),
        wind_speed=np.array([[np.nan] * 7, np.linspace(0, 6, 7)]),
        cloud_cover=np.array([[np.nan] * 7, np.linspace(0, 0.6, 7)]),
    )
    for variable in ("temperature", "wind_speed", "cloud_cover", "precipitation"):
        for threshold in (-1.0, 0.5, 2.0):
            assert np.isnan(exceedance(hours, variable, threshold)).tolist() == [True, False], variable


@given(
    quantiles=st.lists(st.floats(0, 40, width=16), min_size=7, max_size=7).map(sorted),
    wet=st.floats(0, 1),
    thresholds=st.tuples(st.floats(-5, 60), st.floats(-5, 60)).map(sorted),
)
@settings(max_examples=150, deadline=None)
def test_it_is_a_chance_and_never_rises_with_the_threshold(quantiles, wet, thresholds):
    from weatherapp.core.personal.hours import from_hours

    from .conftest import make_public

    public = make_public(
        1,
        temperature=quantiles,
        wind_speed=quantiles,
        precipitation=quantiles,
        cloud_cover=np.array(quantiles) / 40,
        precipitation_type=[1 - wet, wet, 0, 0],
    )
    hours = from_hours(public, [3600], 40.0, 0.0)
    hours = hours.with_feels_like(hours.quantiles["temperature"])
    for variable in VARIABLES:
        low, high = (float(exceedance(hours, variable, value)[0]) for value in thresholds)
        assert 0 <= high <= low + 1e-12 <= 1 + 1e-9, variable
    for level, value in zip(LEVELS, quantiles, strict=True):
        # At most 1 − level lies above a quantile, whatever ties there are.
        assert float(exceedance(hours, "temperature", value)[0]) <= 1 - level + 1e-6


@pytest.mark.parametrize(
    ("variable", "threshold", "message"),
    [
        ("luck", 1.0, "choose one of temperature"),
        ("temperature", float("nan"), "°C"),
        ("feels_like", 10.0, "no feels_like"),
    ],
)
def test_bad_questions_are_refused(make_hours, variable, threshold, message):
    with pytest.raises(RequestInvalid, match=message):
        exceedance(make_hours(1), variable, threshold)
