from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.unit.weatherapp.forecasts.memory_run import ask, memory_run, shifted_past, unknown_past
from tests.weather import NOW, make_outputs
from weatherapp.forecasts.daily import find_daily
from weatherapp.forecasts.store import RunStation

TROMSO = RunStation("tos", "Tromsø", 69.65, 18.96, 10.0)
CHICAGO_TIME = {"timezone": "America/Chicago"}


def daily(*runs, **values):
    return ask(*runs, **values)["daily"]


def test_labels_are_dates_and_todays_past_hours_count():
    past = shifted_past(3, temperature=5.0)
    past["temperature"][:, 30] = 31.0  # 01:00 today
    found = daily(memory_run(past=past), daily="temperature_2m_max,temperature_2m_min", forecast_days="2")
    assert found["time"] == ["2026-07-04", "2026-07-05"]
    assert found["temperature_2m_max"][0] == 31.0
    assert found["temperature_2m_min"][0] == 5.0
    assert found["temperature_2m_max"][1] == pytest.approx(20 + 0.1 * 29, abs=0.06)


def test_a_day_ahead_that_is_partly_beyond_the_horizon_is_null_and_today_is_not():
    names = "temperature_2m_max,precipitation_sum,weather_code,wind_speed_10m_max,cloud_cover_mean"
    found = daily(daily=names, forecast_days="4")
    for name in names.split(","):
        assert [value is None for value in found[name]] == [False, False, True, True], name


def test_a_past_day_needs_three_quarters_of_its_hours():
    for known, there in ((18, True), (17, False)):
        past = unknown_past(3)
        # Yesterday 00:00 is 42 hours before the init time.
        past["temperature"][:, 5 : 5 + known] = 8.0
        found = daily(memory_run(past=past), daily="temperature_2m_mean", past_days="1", forecast_days="0")
        assert found["temperature_2m_mean"] == [8.0 if there else None]


def test_the_most_severe_code_and_the_wet_hours_of_a_day():
    outputs = make_outputs(3)
    outputs["precipitation_type"][:, 6:9] = [0, 1, 0, 0]  # 01:00 to 03:00 tomorrow
    found = daily(
        memory_run(outputs=outputs, past=shifted_past(3)),
        daily="weather_code,precipitation_sum,precipitation_hours,rain_sum,snowfall_sum,precipitation_probability_max",
        forecast_days="2",
    )
    assert found["weather_code"] == [2, 80]
    assert found["precipitation_hours"] == [0.0, 3.0]
    assert found["precipitation_sum"] == found["rain_sum"] == [0.0, pytest.approx(4.8)]
    assert found["snowfall_sum"] == [0.0, 0.0]
    assert found["precipitation_probability_max"] == [10, 100]


def test_the_dominant_direction_is_that_of_the_days_air():
    outputs = make_outputs(3)
    outputs["wind"][:, 5:] = [0.0, -10.0]
    outputs["wind"][:, 6:20] = [-1.0, 0.0]  # weak and long from the east, strong and short from the north
    names = "wind_direction_10m_dominant,winddirection_10m_dominant"
    found = daily(memory_run(outputs=outputs), daily=names, forecast_days="2")
    assert found["wind_direction_10m_dominant"][1] == pytest.approx(8, abs=1)
    assert found["winddirection_10m_dominant"] == found["wind_direction_10m_dominant"]


@pytest.mark.parametrize(("chance", "code", "amount"), [(1.0, 61, 0.6), (0.0, None, 0.0)])
def test_a_wet_day_has_its_code_also_where_the_sky_of_dry_hours_was_not_reported(chance, code, amount):
    past = shifted_past(3, precipitation_type=[1, 0, 0, 0], cloud_cover=np.nan, cloud_base=np.nan)
    past["precipitation_type"][:, 10] = [1 - chance, chance, 0, 0]  # yesterday 05:00
    past["precipitation"][:] = amount
    names = "weather_code,precipitation_sum"
    found = daily(memory_run(past=past), daily=names, past_days="1", forecast_days="0")
    assert found["weather_code"] == [code]
    assert found["precipitation_sum"] == [amount]


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("America/Chicago", (2026, 11, 1, 12), 25),
        ("America/Chicago", (2026, 3, 8, 12), 23),
        ("Antarctica/Troll", (2026, 10, 25, 12), 26),
        ("Antarctica/Troll", (2026, 3, 29, 12), 22),
    ],
)
def test_a_day_of_a_change_of_clocks_counts_all_its_hours(zone, now, hours):
    moment = datetime(*now, tzinfo=UTC)
    past = shifted_past(3, precipitation_type=[0, 1, 0, 0])
    outputs = make_outputs(3, wet=1.0)
    run = memory_run(past=past, outputs=outputs, init_time=moment)
    found = daily(run, daily="precipitation_hours", forecast_days="1", now=moment, timezone=zone)
    assert found["precipitation_hours"] == [hours]


def test_sun_rises_and_sets_on_the_days_own_date():
    names = "sunrise,sunset,daylight_duration"
    body = ask(daily=names, forecast_days="2", **CHICAGO_TIME)
    assert body["daily_units"] == {
        "time": "iso8601", "sunrise": "iso8601", "sunset": "iso8601", "daylight_duration": "s",
    }  # fmt: skip
    # Almanac for Chicago, 4 July: 05:21 and 20:29 local time.
    rise, fall = (datetime.fromisoformat(body["daily"][name][0] + "Z") for name in ("sunrise", "sunset"))
    assert abs(rise - datetime(2026, 7, 4, 5, 21, tzinfo=UTC)) <= timedelta(minutes=3)
    assert abs(fall - datetime(2026, 7, 4, 20, 29, tzinfo=UTC)) <= timedelta(minutes=3)
    assert body["daily"]["daylight_duration"][0] == pytest.approx((fall - rise).total_seconds(), abs=61)


@pytest.mark.parametrize(("month", "seconds"), [(6, 86400.0), (12, 0.0)])
def test_a_polar_day_and_night_have_no_sunrise(month, seconds):
    now = NOW.replace(month=month, day=20)
    run = memory_run(outputs=make_outputs(1), past=unknown_past(1), stations=(TROMSO,), init_time=now)
    found = daily(
        run, latitude="69.65", longitude="18.96", daily="sunrise,sunset,daylight_duration", forecast_days="1",
        timezone="Europe/Oslo", now=now,
    )  # fmt: skip
    assert found["sunrise"] == found["sunset"] == [None]
    assert found["daylight_duration"] == [seconds]


def test_sunshine_is_the_open_part_of_the_daylight():
    outputs = make_outputs(3)
    outputs["cloud_cover"][:] = 0.25
    run = memory_run(outputs=outputs)
    names = "sunshine_duration,daylight_duration"
    found = daily(run, daily=names, forecast_days="2", **CHICAGO_TIME)
    share = found["sunshine_duration"][1] / found["daylight_duration"][1]
    assert 0.68 < share < 0.75  # three quarters, less the time that the sun stands low
    hourly = ask(run, hourly="sunshine_duration", forecast_days="2", **CHICAGO_TIME)["hourly"]
    assert hourly["sunshine_duration"][36] == 2700


def test_no_days_is_an_empty_list():
    assert daily(daily="temperature_2m_max,sunrise", forecast_days="0") == {
        "time": [], "temperature_2m_max": [], "sunrise": [],
    }  # fmt: skip


def test_days_that_are_not_produced_are_null_with_their_unit():
    units = {
        "uv_index_max": "", "wind_gusts_10m_max": "km/h", "windgusts_10m_max": "km/h", "showers_sum": "mm",
        "shortwave_radiation_sum": "MJ/m²", "et0_fao_evapotranspiration": "mm", "moonrise": "iso8601",
        "soil_temperature_0_to_7cm_mean": "°C", "cape_max": "J/kg", "visibility_min": "m",
    }  # fmt: skip
    body = ask(daily=",".join(units), forecast_days="2")
    assert body["daily_units"] == {"time": "iso8601", **units}
    assert all(body["daily"][name] == [None, None] for name in units)


@pytest.mark.parametrize("name", ["temperature_2m", "sunrise_max", "luck_max", "weather_code_maximum", ""])
def test_other_names_are_no_days(name):
    assert find_daily(name) is None


def test_a_zone_off_the_full_hour_has_days_of_24_hours():
    past = shifted_past(3, precipitation_type=[0, 1, 0, 0])
    run = memory_run(past=past, outputs=make_outputs(3, wet=1.0))
    found = daily(run, daily="precipitation_hours", forecast_days="2", timezone="Asia/Kathmandu")
    assert found["precipitation_hours"] == [24.0, 24.0]


def test_means_and_ranges_of_the_other_variables():
    names = (
        "relative_humidity_2m_max,dew_point_2m_mean,pressure_msl_min,surface_pressure_mean,cloud_cover_max"
    )
    found = daily(daily=names, forecast_days="2")
    row = {name: found[name][1] for name in names.split(",")}
    assert row["dew_point_2m_mean"] == 10.0
    assert row["pressure_msl_min"] == 1013.0
    assert row["cloud_cover_max"] == 50
    assert row["surface_pressure_mean"] < 1013
    assert np.isclose(row["relative_humidity_2m_max"], 52, atol=3)
