"""Units of models from elsewhere: what can become what."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packager.contract import reference_contract
from packager.errors import TeacherRefused
from packager.teacher.foreign.units import SPELLINGS, UNITS, conversion


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "result"),
    [
        (300.0, "K", "degC", 26.85),
        (-40.0, "degF", "degC", -40.0),
        (101_325.0, "Pa", "hPa", 1013.25),
        (36.0, "km/h", "m s-1", 10.0),
        (10.0, "m/s", "km h-1", 36.0),
        (1.0, "knot", "m s-1", 1852 / 3600),
        (2.5, "m", "mm", 2500.0),
        (55.0, "%", "1", 0.55),
        (1000.0, "ft", "m", 304.8),
        (math.pi, "radian", "degrees_north", 180.0),
    ],
)
def test_a_value_becomes_the_same_value_in_another_unit(value, unit, wanted, result):
    found = conversion(unit, wanted, what="x")
    assert value * found.factor + found.offset == pytest.approx(result)


@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)), st.floats(-1e4, 1e4))
def test_a_conversion_there_and_back_changes_nothing(first, second, value):
    if UNITS[first][0] != UNITS[second][0]:
        return
    there, back = conversion(first, second, what="x"), conversion(second, first, what="x")
    again = (value * there.factor + there.offset) * back.factor + back.offset
    assert again == pytest.approx(value, rel=1e-9, abs=1e-6)


def test_every_unit_of_the_contract_is_known():
    contract = reference_contract()
    units = {channel.units for spec in contract.inputs for channel in spec.channels}
    for unit in units | {spec.units for spec in contract.outputs}:
        assert conversion(unit, unit, what="x").factor == 1.0


def test_spellings_stand_for_known_units():
    assert set(SPELLINGS.values()) <= set(UNITS)


def test_units_of_other_quantities_are_refused_with_those_that_would_do():
    with pytest.raises(
        TeacherRefused, match=r"Output wind: 'hPa' measures pressure and cannot .* 'm s-1'.*knot"
    ):
        conversion("hPa", "m s-1", what="Output wind")


def test_an_unknown_unit_lists_the_known_ones():
    with pytest.raises(TeacherRefused, match="unit 'furlong' is not known; known are K, degC"):
        conversion("furlong", "m", what="Output x")
