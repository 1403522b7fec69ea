import numpy as np
import pytest

from weatherapp.core.personal.errors import RequestInvalid
from weatherapp.core.personal.hours import HOUR, from_hours


def test_values_are_in_inside_units_and_agree_with_the_public_ones(make_hours, public_hours, start):
    hours = make_hours(precipitation_type=[0.3, 0.7, 0, 0])
    public = public_hours(precipitation_type=[0.3, 0.7, 0, 0])
    assert hours.temperature[0] == pytest.approx(18)
    assert hours.cloud_cover[0] == pytest.approx(0.3)
    np.testing.assert_allclose(hours.precipitation, public.precipitation)
    np.testing.assert_allclose(hours.precipitation_probability * 100, public.precipitation_probability)
    assert hours.times[0] == start + HOUR
    assert hours.cos_zenith.max() > 0.9  # a summer noon in Chicago
    assert hours.cos_zenith.min() < 0


def test_a_level_between_two_is_interpolated_and_one_beyond_them_refused(make_hours):
    hours = make_hours()
    assert hours.quantile("temperature", 0.3)[0] == pytest.approx(17 + 0.2)
    assert hours.quantile("temperature", 0.05)[0] == pytest.approx(15)
    assert hours.quantile("temperature", 0.95)[0] == pytest.approx(21)
    with pytest.raises(RequestInvalid, match=r"0\.05–0\.95"):
        hours.quantile("temperature", 0.99)
    with pytest.raises(RequestInvalid, match="cloud_cover"):
        hours.quantile("dew_point", 0.5)


def test_some_hours_keep_everything_together(make_hours, start):
    hours = make_hours(temperature=np.arange(48)[:, None] + np.linspace(-3, 3, 7))
    part = hours.between(start + 3 * HOUR, start + 5 * HOUR)
    assert len(part) == 3
    np.testing.assert_allclose(part.temperature, [2, 3, 4])
    assert {len(values) for values in part.quantiles.values()} == {3}
    assert len(part.type_probability) == len(part.cos_zenith) == 3


def test_feels_like_is_unknown_until_given_and_must_fit(make_hours):
    hours = make_hours()
    assert hours.feels_like is None
    felt = hours.with_feels_like(hours.quantiles["temperature"] - 5)
    np.testing.assert_allclose(felt.feels_like, 13)
    assert hours.feels_like is None
    with pytest.raises(RequestInvalid, match="shape"):
        hours.with_feels_like(np.zeros((48, 3)))


def test_missing_hours_are_not_known(make_hours):
    temperature = np.full((48, 7), 10.0)
    temperature[4] = np.nan
    known = make_hours(temperature=temperature).known
    assert not known[4]
    assert known.sum() == 47


@pytest.mark.parametrize(
    "times",
    [[0, 3600], [3600, 0, 7200], [0, 1800, 3600], [0, 0, 3600]],
    ids=["too few", "backwards", "half hours", "twice"],
)
def test_times_that_do_not_fit_are_refused(public_hours, times):
    with pytest.raises(RequestInvalid, match="one Unix time per hour"):
        from_hours(public_hours(3), times, 40.0, -80.0)
