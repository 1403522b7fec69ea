import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherapp.core import wind


@pytest.mark.parametrize(
    ("u", "v", "degrees"), [(0, -5, 360), (-5, 0, 90), (0, 5, 180), (5, 0, 270), (0, 0, 0), (-1, -1, 45)]
)
def test_direction_is_where_the_wind_comes_from(u, v, degrees):
    assert wind.direction(u, v) == pytest.approx(degrees)


@given(st.floats(0.1, 100), st.floats(0.5, 359.5))
def test_components_give_the_direction_back(speed, degrees):
    u, v = wind.components(speed, degrees)
    assert wind.direction(u, v) == pytest.approx(degrees, abs=1e-6)
    assert u**2 + v**2 == pytest.approx(speed**2)
