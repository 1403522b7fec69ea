from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.unit.weatherapp.forecasts.memory_run import answers, ask, memory_run, shifted_past, unknown_past
from tests.weather import INIT, NOW, STATIONS, make_outputs
from weatherapp.core.errors import NothingNear
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.replies import ModelRuns

TWO_HOURS = {"forecast_hours": "2"}


def test_keys_come_in_the_grammars_order():
    names = {"hourly": "temperature_2m", "daily": "sunrise", "current": "rain", "minutely_15": "rain"}
    bodies = ask(
        latitude="41.9,41.8",
        longitude="-87.9,-87.8",
        elevation="1,2",
        current_weather="true",
        replay=True,
        **names,
    )
    sections = [
        key
        for name in ("current", "current_weather", "minutely_15", "hourly", "daily")
        for key in (f"{name}_units", name)
    ]
    assert list(bodies[1]) == [
        "latitude", "longitude", "generationtime_ms", "utc_offset_seconds", "timezone",
        "timezone_abbreviation", "elevation", "location_id", *sections, "replay",
    ]  # fmt: skip
    assert "location_id" not in bodies[0]
    assert list(bodies[0]["hourly"]) == list(bodies[0]["hourly_units"]) == ["time", "temperature_2m"]
    assert list(bodies[0]["current"]) == ["time", "interval", "rain"]


def test_hours_outside_the_run_are_null():
    hourly = ask(hourly="temperature_2m,weather_code", forecast_days="4")["hourly"]
    start = hourly["time"].index("2026-07-04T19:00")
    for name in ("temperature_2m", "weather_code"):
        known = [value is not None for value in hourly[name]]
        assert known == [start <= index < start + 48 for index in range(96)]
    assert hourly["temperature_2m"][start] == pytest.approx(20.1, abs=0.2)


def test_a_series_wholly_outside_the_run_is_null():
    hourly = ask(hourly="cloud_cover", now=NOW.replace(year=2027))["hourly"]
    assert set(hourly["cloud_cover"]) == {None}


def test_past_hours_are_those_that_the_run_knows():
    run = memory_run(past=shifted_past(3, temperature=7.0))
    hourly = ask(run, hourly="temperature_2m,precipitation,weather_code", past_days="2", forecast_days="1")[
        "hourly"
    ]
    first = hourly["time"].index("2026-07-02T19:00")  # 47 hours before the init time
    assert hourly["temperature_2m"][:first] == [None] * first
    assert hourly["temperature_2m"][first : first + 48] == [7.0] * 48
    assert hourly["temperature_2m"][first + 48] == 20.1
    assert hourly["precipitation"][first] == 0
    assert hourly["weather_code"][first] == 2


def test_hours_before_that_come_from_earlier_runs():
    old = memory_run(past=shifted_past(3, temperature=3.0), init_time=INIT - timedelta(hours=60))
    run = memory_run(past=shifted_past(3, temperature=7.0))
    hourly = ask(run, old, hourly="temperature_2m", past_days="5", forecast_days="1")["hourly"]
    values = dict(zip(hourly["time"], hourly["temperature_2m"], strict=True))
    assert values["2026-07-02T06:00"] == 3.0  # the older init time
    assert values["2026-06-30T07:00"] == 3.0
    assert values["2026-06-30T06:00"] is None
    assert values["2026-07-02T18:00"] == pytest.approx(20 + 0.1 * 12, abs=0.05)  # its forecast fills the gap
    assert values["2026-07-02T19:00"] == 7.0


def test_an_earlier_run_without_stations_near_is_passed_over():
    far = tuple(replace(station, latitude=-40.0) for station in STATIONS)
    old = memory_run(past=shifted_past(3), init_time=INIT - timedelta(hours=48), stations=far)
    hourly = ask(memory_run(), old, hourly="temperature_2m", past_days="3", forecast_days="0")["hourly"]
    assert set(hourly["temperature_2m"]) == {None}


def test_now_is_the_quarter_of_an_hour_and_lies_between_two_hours():
    run = memory_run(past=shifted_past(3, temperature=16.1, precipitation_type=[0, 1, 0, 0]))
    body = ask(run, current="temperature_2m,precipitation,weather_code", now=NOW + timedelta(minutes=7))
    assert body["current_units"] == {
        "time": "iso8601", "interval": "seconds", "temperature_2m": "°C", "precipitation": "mm",
        "weather_code": "wmo code",
    }  # fmt: skip
    # Half way from 16.1 to 20.1 °C; the rain of the hour before the init time has ended.
    assert body["current"] == {
        "time": "2026-07-04T18:30", "interval": 900, "temperature_2m": 18.1, "precipitation": 0.0,
        "weather_code": 2,
    }  # fmt: skip


def test_now_at_a_full_hour_is_that_hour():
    run = memory_run(past=shifted_past(3, temperature=16.1, precipitation_type=[0, 1, 0, 0]))
    current = ask(run, current="temperature_2m,precipitation,weather_code", now=INIT)["current"]
    assert (current["time"], current["temperature_2m"]) == ("2026-07-04T18:00", 16.1)
    assert current["precipitation"] == pytest.approx(1.6 / 4)
    assert current["weather_code"] == 80


def test_now_is_the_next_hour_where_the_last_is_unknown():
    assert ask(current="temperature_2m")["current"]["temperature_2m"] == 20.1


def test_the_wind_of_a_moment_turns_the_short_way():
    outputs = make_outputs(3)
    past = shifted_past(3)
    past["wind"][:] = [1.0, -10.0]  # from just west of north
    outputs["wind"][:, 0] = [-1.0, -10.0]  # from just east of it
    run = memory_run(outputs=outputs, past=past)
    current = ask(run, current="wind_direction_10m", now=INIT + timedelta(minutes=30))["current"]
    assert current["wind_direction_10m"] == 360


def test_the_legacy_block_has_its_own_names():
    body = ask(current_weather="true", wind_speed_unit="ms")
    assert body["current_weather"] == {
        "time": "2026-07-04T18:15", "interval": 900, "temperature": 20.1, "windspeed": 3.5,
        "winddirection": 90, "is_day": 1, "weathercode": 2,
    }  # fmt: skip
    assert body["current_weather_units"]["windspeed"] == "m/s"


def test_quarters_of_an_hour_share_an_hours_amount():
    outputs = make_outputs(3, wet=0.8)
    run = memory_run(outputs=outputs)
    names = "precipitation,temperature_2m,weather_code"
    body = ask(
        run, minutely_15=names, start_minutely_15="2026-07-04T19:15", end_minutely_15="2026-07-04T20:00"
    )
    quarters = body["minutely_15"]
    assert quarters["time"][0] == "2026-07-04T19:15"
    assert sum(quarters["precipitation"]) == pytest.approx(1.6)
    assert set(quarters["weather_code"]) == {80}
    assert quarters["temperature_2m"] == pytest.approx([20.125, 20.15, 20.175, 20.2], abs=0.0501)


def test_spelling_is_echoed_and_older_spellings_agree():
    names = "weathercode,weather_code,windspeed_10m,wind_speed_10m,relativehumidity_2m,relative_humidity_2m"
    hourly = ask(hourly=names)["hourly"]
    assert list(hourly)[1:] == names.split(",")
    for older, newer in zip(names.split(",")[::2], names.split(",")[1::2], strict=True):
        assert hourly[older] == hourly[newer]


def test_several_models_name_their_columns():
    warm = make_outputs(3)
    warm["temperature"] += 5
    models = [
        ModelRuns("best_match", (memory_run(),)),
        ModelRuns("2026.07.01-1", (memory_run(outputs=warm),)),
    ]
    body = ask(
        models=models, hourly="temperature_2m", daily="sunrise", current="temperature_2m", forecast_hours="2"
    )
    hourly = body["hourly"]
    assert list(hourly) == ["time", "temperature_2m_best_match", "temperature_2m_2026.07.01-1"]
    assert hourly["temperature_2m_2026.07.01-1"][1] - hourly["temperature_2m_best_match"][1] == pytest.approx(
        5
    )
    assert list(body["daily"]) == ["time", "sunrise_best_match", "sunrise_2026.07.01-1"]
    assert "temperature_2m_2026.07.01-1" in body["current"]


def test_decimals_and_integers():
    whole = ("precipitation_probability", "weather_code", "wind_direction_10m", "cloud_cover", "is_day")
    names = ",".join((*whole, "temperature_2m", "precipitation"))
    run = memory_run(outputs=make_outputs(3, wet=0.7))
    hourly = ask(
        run, hourly=names, forecast_hours="10", temperature_unit="fahrenheit", precipitation_unit="inch"
    )["hourly"]
    for name in whole:
        assert all(isinstance(value, int) for value in hourly[name][1:]), name
    assert all(value == round(value, 1) for value in hourly["temperature_2m"][1:])
    assert all(value == round(value, 3) and value > 0 for value in hourly["precipitation"][1:])
    assert hourly["precipitation"][1] == pytest.approx(1.6 / 25.4, abs=0.0006)


def test_units_are_named_and_applied():
    body = ask(hourly="wind_speed_10m,cloud_base", wind_speed_unit="ms", length_unit="imperial", **TWO_HOURS)
    assert body["hourly_units"] == {"time": "iso8601", "wind_speed_10m": "m/s", "cloud_base": "ft"}
    assert body["hourly"]["wind_speed_10m"][1] == 3.5
    assert body["hourly"]["cloud_base"][1] == pytest.approx(1950 / 0.3048, abs=1)


def test_derived_values_are_what_they_are_derived_from():
    names = "apparent_temperature,relative_humidity_2m,surface_pressure"
    body = ask(hourly=names, wind_speed_unit="ms", **TWO_HOURS)
    row = {name: values[1] for name, values in body["hourly"].items()}
    # Steadman by hand: 20.1 + 0.33 × 12.27 − 0.70 × 3.5 − 4.00.
    assert row["apparent_temperature"] == pytest.approx(17.7, abs=0.1)
    assert row["relative_humidity_2m"] == 52
    assert row["surface_pressure"] == pytest.approx(1013 - 200 / 8.3, abs=1)
    assert body["hourly_units"]["surface_pressure"] == "hPa"


def test_variables_that_are_not_produced_are_null_with_their_unit():
    units = {
        "wind_gusts_10m": "km/h", "windgusts_10m": "km/h", "uv_index": "", "visibility": "m", "cape": "J/kg",
        "soil_temperature_0cm": "°C", "soil_moisture_0_1cm": "m³/m³", "shortwave_radiation": "W/m²",
        "temperature_850hPa": "°C", "geopotential_height_500hPa": "m", "wind_speed_120m": "km/h",
        "cloudcover_low": "%", "snow_depth": "m", "showers": "mm", "et0_fao_evapotranspiration": "mm",
        "temperature_2m_previous_day1": "°C", "sea_water_salinity": "undefined",
    }  # fmt: skip
    body = ask(hourly=",".join(units), current=",".join(units), **TWO_HOURS)
    assert body["hourly_units"] == {"time": "iso8601", **units}
    for name in units:
        assert body["hourly"][name] == [None, None], name
        assert body["current"][name] is None, name


def test_quantiles_come_when_asked_for_and_in_order():
    levels = ("05", "10", "25", "50", "75", "90", "95")
    for base in ("temperature_2m", "wind_speed_10m", "precipitation", "cloud_cover"):
        names = [f"{base}_p{level}" for level in levels]
        body = ask(
            memory_run(outputs=make_outputs(3, wet=0.7)), hourly=",".join([base, *names]), forecast_hours="3"
        )
        row = [body["hourly"][name][1] for name in names]
        assert row == sorted(row), base
        assert row[0] < row[-1], base
        assert set(body["hourly_units"].values()) == {"iso8601", body["hourly_units"][base]}
        if base != "precipitation":
            assert row[3] == body["hourly"][base][1], base


def test_quantiles_of_precipitation_count_dry_hours_in():
    names = "precipitation_p50,precipitation_p75,precipitation_p95"
    dry, wet = (
        ask(memory_run(outputs=make_outputs(3, wet=chance)), hourly=names, forecast_hours="2")["hourly"]
        for chance in (0.3, 1.0)
    )
    assert dry["precipitation_p50"][1] == 0
    # 75 % of all hours are the lower sixth of the wet 30 %: between its 10 % (0.6 mm) and 25 % (1.1 mm).
    assert dry["precipitation_p75"][1] == pytest.approx(0.6 + 0.5 * (1 / 6 - 0.1) / 0.15, abs=0.01)
    assert wet["precipitation_p95"][1] == pytest.approx(3.1)


def test_nothing_is_written_as_minus_zero():
    outputs = make_outputs(3)
    outputs["temperature"] = np.full_like(outputs["temperature"], -0.01)
    values = ask(memory_run(outputs=outputs), hourly="temperature_2m", **TWO_HOURS)["hourly"]
    assert str(values["temperature_2m"][1]) == "0.0"


def test_nan_elevation_leaves_the_key_out_and_the_values_alone():
    body = ask(elevation="nan", hourly="temperature_2m,surface_pressure", **TWO_HOURS)
    assert "elevation" not in body
    assert body["hourly"]["temperature_2m"][1] == 20.1
    # Of the height at which the station lies.
    assert body["hourly"]["surface_pressure"][1] == pytest.approx(1013 - 200 / 8.3, abs=1)


def test_elevation_downscales():
    low = ask(hourly="temperature_2m", **TWO_HOURS)["hourly"]["temperature_2m"][1]
    high = ask(elevation="1200", hourly="temperature_2m", **TWO_HOURS)["hourly"]["temperature_2m"][1]
    assert low - high == pytest.approx(6.5, abs=0.2)


def test_no_block_unless_asked():
    body = ask(hourly="")
    assert not {"hourly", "daily", "current", "current_weather", "minutely_15"} & set(body)


def test_times_alone_of_variables_without_values():
    body = ask(hourly="is_day,uv_index", forecast_days="1", timezone="America/Chicago")
    assert body["hourly"]["is_day"][0] == 0
    assert body["hourly"]["is_day"][12] == 1


def test_unix_time_is_true_utc_everywhere():
    body = ask(
        hourly="rain", daily="sunrise", current="rain", timeformat="unixtime", timezone="America/Chicago",
        forecast_days="1",
    )  # fmt: skip
    midnight = int(datetime(2026, 7, 4, 5, tzinfo=UTC).timestamp())
    assert body["hourly"]["time"][0] == body["daily"]["time"][0] == midnight
    assert body["current"]["time"] == int(NOW.timestamp()) // 900 * 900
    assert body["daily"]["sunrise"][0] == pytest.approx(midnight + 5.35 * 3600, abs=300)
    assert body["daily_units"] == {"time": "unixtime", "sunrise": "unixtime"}


def test_only_a_replay_speaks_of_one():
    assert ask(replay=True)["replay"] is True
    assert "replay" not in ask(replay=False)


def test_places_together_answer_as_each_alone():
    past = shifted_past(3)
    past["cloud_cover"][0, 40:] = np.nan  # a gap at one of two stations
    run = memory_run(past=past)
    places = [(41.9, -87.9, 150.0, "auto"), (40.9, -88.1, 230.0, "Asia/Kathmandu"), (40.7, -74.2, 0.0, "GMT")]
    names = {
        "hourly": "temperature_2m,cloud_cover,surface_pressure,is_day,sunshine_duration,weather_code",
        "daily": "temperature_2m_max,sunset,daylight_duration,cloud_cover_mean,wind_direction_10m_dominant",
        "current": "temperature_2m,is_day", "past_days": "1",
    }  # fmt: skip
    columns = list(zip(*((str(part) for part in place) for place in places), strict=True))
    keys = ("latitude", "longitude", "elevation", "timezone")
    together = ask(run, **{key: ",".join(column) for key, column in zip(keys, columns, strict=True)}, **names)
    for index, place in enumerate(places):
        alone = ask(run, **dict(zip(keys, map(str, place), strict=True)), **names)
        for body in (alone, together[index]):
            body.pop("generationtime_ms")
            body.pop("location_id", None)
        assert together[index] == alone


def test_a_gap_at_one_station_leaves_the_others_value():
    past = unknown_past(3)
    past["temperature"][1] = 11.0
    run = memory_run(past=past)
    body = ask(
        run, latitude="41.0", longitude="-88.1", hourly="temperature_2m", past_hours="3", forecast_hours="0"
    )
    assert body["hourly"]["temperature_2m"] == pytest.approx([11.2] * 3, abs=0.1)


def test_a_place_without_stations_is_refused():
    with pytest.raises(NothingNear, match="No data is available for this location"):
        answers(latitude="0", longitude="0")


def test_an_answer_of_too_many_values_is_refused_before_it_is_made():
    names = ",".join(f"temperature_{height}0m" for height in range(1, 100))
    places = {name: ",".join(["41.9"] * 900) for name in ("latitude", "longitude")}
    with pytest.raises(QueryInvalid, match="values; at most 4000000"):
        answers(hourly=names, **places, elevation="", past_days="93")


def test_days_of_several_places_are_written_one_behind_the_other():
    names = {"daily": "snowfall_sum,precipitation_sum,sunrise,weather_code", "hourly": "is_day,rain"}
    places = {"latitude": "41.9,41.9", "longitude": "-87.9,-87.9", "elevation": "1,1"}
    first, second = ask(**names, **places)
    assert first["daily"] == second["daily"]
    assert first["daily"]["snowfall_sum"][:2] == [0.0, 0.0]
