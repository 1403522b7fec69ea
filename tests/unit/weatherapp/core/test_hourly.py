import numpy as np
import pytest

from packager.contract import reference_contract
from tests.weather import make_outputs
from weatherapp.core.hourly import Hours


@pytest.fixture
def hours():
    contract = reference_contract()
    outputs = {name: values[0] for name, values in make_outputs(1, wet=0.8).items()}
    return Hours(
        outputs,
        levels={spec.name: spec.levels for spec in contract.outputs if spec.levels},
        ceiling_thresholds=contract.output("cloud_base").thresholds,
    )


def test_values_are_in_inside_units(hours):
    assert hours.temperature[0] == pytest.approx(20.1)
    assert hours.wind_direction[0] == pytest.approx(90)
    assert hours.cloud_cover[0] == pytest.approx(50)
    assert hours.precipitation_probability[0] == pytest.approx(80)
    assert hours.precipitation[0] == pytest.approx(1.6)
    assert hours.cloud_base[0] == pytest.approx(900 + 2100 * 0.2 / 0.4)


def test_a_level_that_the_model_lacks_is_named(hours):
    with pytest.raises(KeyError, match=r"0\.33"):
        hours.quantile("temperature", 0.33)


def test_a_missing_hour_is_missing_in_every_variable(hours):
    for values in hours.outputs.values():
        values[5] = np.nan
    for name in ("temperature", "dew_point", "wind_direction", "cloud_cover", "cloud_base", "precipitation"):
        assert np.isnan(getattr(hours, name)[5]), name
    assert np.isnan(hours.weather_code[5])
    assert np.isfinite(hours.weather_code[4])
