"""metno-locationforecast and PyMetno, unmodified."""

import asyncio
import json
import urllib.request
from datetime import UTC, timedelta

import pytest
from aiohttp import ClientSession
from metno import MetWeatherData
from metno_locationforecast import Forecast, Place

from tests.weather import NOW

CHICAGO = {"lat": 41.9, "lon": -87.7, "altitude": 181}


@pytest.fixture
def base(forecast_server):
    return f"{forecast_server}/locationforecast/2.0/"


def steps(base, form):
    with urllib.request.urlopen(f"{base}{form}?lat=41.9&lon=-87.7&altitude=181", timeout=30) as reply:
        return json.load(reply)["properties"]["timeseries"]


@pytest.mark.parametrize("form", ["compact", "complete"])
def test_metno_locationforecast_reads_every_interval(base, tmp_path, form):
    forecast = Forecast(Place("Chicago", 41.9, -87.7, 181), "tests", form, str(tmp_path), base)
    assert forecast.update() == "Data-Modified"
    expected = steps(base, form)
    assert len(forecast.data.intervals) == len(expected) == 48
    for interval, step in zip(forecast.data.intervals, expected, strict=True):
        assert interval.start_time.strftime("%Y-%m-%dT%H:%M:%SZ") == step["time"]
        for name, value in step["data"]["instant"]["details"].items():
            assert interval.variables[name].value == value
    assert forecast.data.intervals[0].duration == timedelta(hours=1)
    assert (
        forecast.data.intervals[0].symbol_code
        == expected[0]["data"]["next_1_hours"]["summary"]["symbol_code"]
    )


def test_metno_locationforecast_keeps_its_copy_while_it_holds(base, tmp_path, monkeypatch):
    forecast = Forecast(Place("Chicago", 41.9, -87.7), "tests", "compact", str(tmp_path), base)
    forecast.update()
    # The server lives in July; the client's own clock is past whatever expires then, or before it.
    forecast.data.expires = NOW - timedelta(minutes=1)
    monkeypatch.setattr(forecast, "_data_outdated", lambda: forecast.data.expires < NOW)
    assert forecast.update() == "Data-Not-Modified"
    assert forecast.data.expires > NOW
    assert forecast.update() == "Data-Not-Expired"


def test_pymetno_reads_hours_and_days(base, monkeypatch):
    async def fetch():
        async with ClientSession() as session:
            data = MetWeatherData({"lat": "41.9", "lon": "-87.7", "msl": "181"}, session, f"{base}complete")
            assert await data.fetching_data()
            return data

    data = asyncio.run(fetch())
    expected = {step["time"]: step["data"] for step in steps(base, "complete")}
    hour = (NOW + timedelta(hours=4)).replace(minute=0, second=0)
    read = data.get_weather(hour, hourly=True)
    instant = expected[hour.strftime("%Y-%m-%dT%H:%M:%SZ")]
    assert read["temperature"] == instant["instant"]["details"]["air_temperature"]
    assert read["wind_speed"] == pytest.approx(instant["instant"]["details"]["wind_speed"] * 3.6)  # km/h
    assert read["precipitation"] == instant["next_1_hours"]["details"]["precipitation_amount"]
    assert read["precipitation_probability"] == 10
    assert read["condition"] == "partlycloudy"
    day = data.get_weather(hour.astimezone(UTC) + timedelta(days=1), hourly=False)
    assert day["temperature"] > day["templow"]
    assert data.get_current_weather()["datetime"].startswith(NOW.astimezone(UTC).strftime("%Y-%m-%dT19"))


def test_pymetno_gets_no_forecast_where_no_station_is(base):
    async def fetch():
        async with ClientSession() as session:
            return await MetWeatherData({"lat": "0", "lon": "0"}, session, f"{base}complete").fetching_data()

    assert asyncio.run(fetch()) is False
