import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from weatherapp.forecasts import foreign
from weatherapp.forecasts.daily import find_daily
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.variables import find_hourly, resolve_hourly


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("relativehumidity_2m", "relative_humidity_2m"),
        ("dewpoint_2m", "dew_point_2m"),
        ("windspeed_10m", "wind_speed_10m"),
        ("winddirection_10m", "wind_direction_10m"),
        ("windgusts_10m", "wind_gusts_10m"),
        ("weathercode", "weather_code"),
        ("cloudcover", "cloud_cover"),
        ("cloudcover_low", "cloud_cover_low"),
        ("freezinglevel_height", "freezing_level_height"),
        ("vapor_pressure_deficit", "vapour_pressure_deficit"),
        ("sensible_heatflux", "sensible_heat_flux"),
        ("soil_moisture_0_1cm", "soil_moisture_0_to_1cm"),
        ("skin_temperature", "surface_temperature"),
        ("surface_air_pressure", "surface_pressure"),
        ("temperature", "temperature_2m"),
        ("windspeed", "wind_speed_10m"),
    ],
)
def test_older_spellings_are_the_same_variables(older, newer):
    assert foreign.modern(older) == newer
    assert find_hourly(older) == find_hourly(newer) is not None


def listed(kind):
    """What the package of a client names; it is read and not imported, which takes it seconds."""
    root = Path(find_spec("open_meteo").submodule_search_locations[0])
    source = (root / "models" / "forecast.py").read_text()
    block = source.partition(f"class {kind}(")[2].partition("\nclass ")[0]
    return set(re.findall(r'^    [A-Z0-9_]+ = "([a-z0-9_]+)"$', block, re.MULTILINE))


def test_every_variable_that_a_client_lists_is_known():
    hourly, daily = listed("HourlyParameters"), listed("DailyParameters")
    assert len(hourly) > 100
    assert len(daily) > 50
    # Its list of hours has two that are of days.
    unknown = {name for name in hourly if find_hourly(name) is None}
    assert unknown == {"temperature_2m_max", "temperature_2m_min"}
    assert {name for name in daily if find_daily(name) is None} == set()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "luck",
        "temperature_2",
        "temperature_7m",
        "pressure_msl_p50",
        "temperature_2m_p33",
        "_previous_day1",
        "temperature_2m" * 40,
    ],
)
def test_other_names_are_refused(name):
    assert find_hourly(name) is None
    with pytest.raises(QueryInvalid, match="Unknown hourly variable"):
        resolve_hourly(name)


def test_an_earlier_days_forecast_is_null_in_the_unit_of_todays():
    found = find_hourly("precipitation_previous_day2")
    assert (found.quantity, found.values) == ("water", None)
    assert find_hourly("luck_previous_day2") is None
    assert find_hourly("precipitation_previous_day9") is None
