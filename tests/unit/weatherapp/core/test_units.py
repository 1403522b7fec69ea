import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherapp.core import units

ALL = [
    unit for group in (units.TEMPERATURE, units.SPEED, units.WATER, units.LENGTH) for unit in group.values()
]


@given(st.floats(-1000, 100_000), st.sampled_from(ALL))
def test_restoring_undoes_converting(value, unit):
    assert units.restore(units.convert(value, unit), unit) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("group", "name", "inside", "shown"),
    [
        (units.TEMPERATURE, "fahrenheit", -40.0, -40.0),
        (units.TEMPERATURE, "fahrenheit", 100.0, 212.0),
        (units.SPEED, "kmh", 10.0, 36.0),
        (units.SPEED, "kn", 1852 / 3600, 1.0),
        (units.SPEED, "mph", 0.44704, 1.0),
        (units.WATER, "inch", 25.4, 1.0),
        (units.LENGTH, "imperial", 0.3048, 1.0),
    ],
)
def test_known_conversions(group, name, inside, shown):
    assert units.convert(inside, group[name]) == pytest.approx(shown)


def test_missing_stays_missing():
    assert np.isnan(units.convert([np.nan], units.SPEED["kn"])).all()


def test_what_is_written_is_rounded_and_never_minus_zero():
    found = units.written([-0.04, 20.149, float("nan")], units.TEMPERATURE["celsius"])
    assert found[:2].tolist() == [0.0, 20.1]
    assert str(found[0]) == "0.0"
    assert np.isnan(found[2])
    assert units.written([1.0], units.SNOW["imperial"]).tolist() == [0.394]
