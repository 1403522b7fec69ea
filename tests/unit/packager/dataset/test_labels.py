import numpy as np
import pytest

from packager.dataset.labels import MIXED, NONE, RAIN, SNOW, label, type_of_code, type_of_wet_bulb


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *[(code, NONE) for code in (0, 17, 28, 29, 45, 98)],
        *[(code, RAIN) for code in (21, 25, 51, 61, 80, 95)],
        *[(code, SNOW) for code in (22, 26, 71, 85)],
        *[(code, MIXED) for code in (23, 24, 56, 66, 68, 79, 83)],
    ],
)
def test_weather_codes_map_to_classes(code, kind):
    assert type_of_code(code) == kind


def test_wet_bulb_orders_snow_mixed_rain_as_saturated_air_warms():
    temperature = np.arange(-10, 11, 0.1)
    kinds = type_of_wet_bulb(temperature, temperature, np.zeros_like(temperature))
    changes = kinds[np.concatenate([[True], np.diff(kinds) != 0])]
    assert changes.tolist() == [SNOW, MIXED, RAIN]
    assert abs(temperature[kinds == MIXED].mean() - 0.6) < 0.5


def test_dry_air_has_no_mixed_band_and_snows_at_higher_temperatures():
    temperature = np.arange(-5, 8, 0.1)
    dry = type_of_wet_bulb(temperature, temperature - 8, np.zeros_like(temperature))
    wet = type_of_wet_bulb(temperature, temperature, np.zeros_like(temperature))
    assert MIXED not in dry
    assert temperature[dry == SNOW].max() > temperature[wet == SNOW].max() + 1


def test_unknown_temperature_gives_no_class():
    assert np.isnan(type_of_wet_bulb(np.array([np.nan, 1.0]), np.array([0.0, np.nan]), np.zeros(2))).all()


def labels(weather, precipitation, temperature=10.0):
    kind, origin = label(
        np.array([weather]),
        np.array([precipitation]),
        np.array([temperature]),
        np.array([temperature]),
        np.zeros(1),
    )
    return kind[0], origin[0]


@pytest.mark.parametrize(
    ("weather", "amount", "temperature", "expected"),
    [
        (71.0, 1.0, 10.0, (SNOW, 0)),  # the code decides, however warm it is
        (45.0, 1.0, -10.0, (SNOW, 1)),  # fog, yet an amount: the amount decides
        (45.0, 0.0, 10.0, (NONE, 0)),
        (np.nan, 0.0, 10.0, (NONE, 1)),
        (np.nan, 0.3, 10.0, (RAIN, 1)),
        (61.0, np.nan, 10.0, (RAIN, 0)),
        (np.nan, np.nan, 10.0, (np.nan, np.nan)),
        (np.nan, 0.3, np.nan, (np.nan, np.nan)),
    ],
)
def test_code_first_then_amount(weather, amount, temperature, expected):
    assert labels(weather, amount, temperature) == pytest.approx(expected, nan_ok=True)
