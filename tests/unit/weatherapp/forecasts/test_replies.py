import numpy as np
import pytest

from tests.weather import NOW, make_outputs, make_run
from weatherapp.forecasts.query import parse_query, split_lists
from weatherapp.forecasts.replies import answer
from weatherapp.forecasts.store import open_run

pytestmark = pytest.mark.django_db


def ask(run=None, index=0, **values):
    asked = {"latitude": "41.995", "longitude": "-87.934", "elevation": "200", **values}
    query = parse_query(split_lists(asked.items()))
    run = run or make_run()
    return answer(open_run(run.folder), query, query.places[0], index=index, now=NOW, replay=run.replay).body


def test_keys_come_in_the_grammars_order():
    body = ask(hourly="temperature_2m", index=1)
    assert list(body) == [
        "latitude", "longitude", "generationtime_ms", "utc_offset_seconds", "timezone",
        "timezone_abbreviation", "elevation", "replay", "location_id", "hourly_units", "hourly",
    ]  # fmt: skip
    assert list(body["hourly"]) == list(body["hourly_units"]) == ["time", "temperature_2m"]


def test_hours_outside_the_run_are_null():
    hourly = ask(hourly="temperature_2m,weather_code", forecast_days="4")["hourly"]
    start = hourly["time"].index("2026-07-04T19:00")
    for name in ("temperature_2m", "weather_code"):
        known = [value is not None for value in hourly[name]]
        assert known == [start <= index < start + 48 for index in range(96)]
    assert hourly["temperature_2m"][start] == pytest.approx(20.1, abs=0.2)


def test_a_series_wholly_outside_the_run_is_null():
    run = make_run()
    late = parse_query(split_lists({"latitude": "42", "longitude": "-88", "hourly": "cloud_cover"}.items()))
    body = answer(
        open_run(run.folder), late, late.places[0], index=0, now=NOW.replace(year=2027), replay=True
    ).body
    assert set(body["hourly"]["cloud_cover"]) == {None}


def test_spelling_is_echoed_and_older_spellings_agree():
    names = "weathercode,weather_code,windspeed_10m,wind_speed_10m"
    hourly = ask(hourly=names)["hourly"]
    assert list(hourly)[1:] == names.split(",")
    assert hourly["weathercode"] == hourly["weather_code"]
    assert hourly["windspeed_10m"] == hourly["wind_speed_10m"]


def test_decimals_and_integers():
    whole = ("precipitation_probability", "weather_code", "wind_direction_10m", "cloud_cover")
    names = ",".join((*whole, "temperature_2m", "precipitation"))
    run = make_run(outputs=make_outputs(3, wet=0.7))
    hourly = ask(
        run, hourly=names, forecast_hours="10", temperature_unit="fahrenheit", precipitation_unit="inch"
    )["hourly"]
    for name in whole:
        assert all(isinstance(value, int) for value in hourly[name][1:]), name
    assert all(value == round(value, 1) for value in hourly["temperature_2m"][1:])
    assert all(value == round(value, 3) and value > 0 for value in hourly["precipitation"][1:])
    assert hourly["precipitation"][1] == pytest.approx(1.6 / 25.4, abs=0.0006)


def test_units_are_named_and_applied():
    body = ask(
        hourly="wind_speed_10m,cloud_base", wind_speed_unit="ms", length_unit="imperial", forecast_hours="2"
    )
    assert body["hourly_units"] == {"time": "iso8601", "wind_speed_10m": "m/s", "cloud_base": "ft"}
    assert body["hourly"]["wind_speed_10m"][1] == 3.5
    assert body["hourly"]["cloud_base"][1] == pytest.approx(1950 / 0.3048, abs=1)


def test_nothing_is_written_as_minus_zero():
    outputs = make_outputs(3)
    outputs["temperature"] = np.full_like(outputs["temperature"], -0.01)
    values = ask(make_run(outputs=outputs), hourly="temperature_2m", forecast_hours="2")["hourly"]
    assert str(values["temperature_2m"][1]) == "0.0"


def test_nan_elevation_leaves_the_key_out_and_the_values_alone():
    body = ask(elevation="nan", hourly="temperature_2m", forecast_hours="2")
    assert "elevation" not in body
    assert body["hourly"]["temperature_2m"][1] == 20.1


def test_elevation_downscales():
    low = ask(hourly="temperature_2m", forecast_hours="2")["hourly"]["temperature_2m"][1]
    high = ask(elevation="1200", hourly="temperature_2m", forecast_hours="2")["hourly"]["temperature_2m"][1]
    assert low - high == pytest.approx(6.5, abs=0.2)


def test_no_hourly_block_unless_asked():
    assert "hourly" not in ask(hourly="")


def test_a_run_of_measured_reports_does_not_speak_of_a_replay():
    assert "replay" not in ask(make_run(replay=False))
