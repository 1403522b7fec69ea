"""PyPI's open-meteo 1.0, unmodified but for the host, which it has built in."""

import asyncio

import open_meteo
import pytest
from aiohttp import ClientSession
from open_meteo import DailyParameters, HourlyParameters, OpenMeteo
from yarl import URL

from tests.clients.conftest import CHICAGO


class Redirected:
    """A session that asks our server whatever host the client names."""

    def __init__(self, session, server):
        self.session, self.server = session, URL(server)

    def get(self, url, **kwargs):
        here = url.with_scheme("http").with_host(self.server.host).with_port(self.server.port)
        return self.session.get(here, **kwargs)


@pytest.fixture
def ask(forecast_server):
    """Asks through the client; gives its own model of the answer."""

    def forecast(**arguments):
        async def request():
            async with ClientSession() as session:
                client = OpenMeteo(session=Redirected(session, forecast_server))
                return await client.forecast(**{**CHICAGO, **arguments})

        return asyncio.run(request())

    return forecast


def test_hours_days_and_now_are_those_of_the_json(ask, ask_json):
    read = ask(
        timezone="America/Chicago",
        current=[HourlyParameters.TEMPERATURE_2M, HourlyParameters.WEATHER_CODE],
        hourly=[HourlyParameters.TEMPERATURE_2M, HourlyParameters.PRECIPITATION_PROBABILITY],
        daily=[DailyParameters.TEMPERATURE_2M_MAX, DailyParameters.SUNRISE],
        past_days=1,
    )
    body = ask_json(
        **CHICAGO,
        timezone="America/Chicago",
        current="temperature_2m,weather_code",
        hourly="temperature_2m,precipitation_probability",
        daily="temperature_2m_max,sunrise",
        past_days=1,
    )
    assert read.current.temperature_2m == body["current"]["temperature_2m"]
    assert read.current.weather_code == body["current"]["weather_code"]
    assert [f"{time:%Y-%m-%dT%H:%M}" for time in read.hourly.time] == body["hourly"]["time"]
    assert read.hourly.temperature_2m == body["hourly"]["temperature_2m"]
    assert read.hourly.precipitation_probability == body["hourly"]["precipitation_probability"]
    assert [day.isoformat() for day in read.daily.time] == body["daily"]["time"]
    assert read.daily.temperature_2m_max == body["daily"]["temperature_2m_max"]
    assert [f"{time:%Y-%m-%dT%H:%M}" for time in read.daily.sunrise] == body["daily"]["sunrise"]


def test_every_hourly_variable_that_the_client_knows_is_accepted(ask):
    # Two daily names stand in the client's list for the sake of another API's six-hourly data.
    names = [
        name for name in HourlyParameters if not name.startswith(("temperature_2m_max", "temperature_2m_min"))
    ]
    read = ask(hourly=names, forecast_days=1)
    assert len(read.hourly.time) == 24
    assert read.hourly.temperature_2m is not None


def test_every_daily_variable_that_the_client_knows_is_accepted(ask):
    read = ask(daily=list(DailyParameters), forecast_days=1)
    assert read.daily.temperature_2m_max is not None


def test_several_models_are_told_apart(ask, ask_json):
    models = ["best_match", "2026.07.04-1"]
    read = ask(hourly=[HourlyParameters.TEMPERATURE_2M], models=models)
    body = ask_json(**CHICAGO, hourly="temperature_2m", models=",".join(models))["hourly"]
    assert list(read.models) == models
    for model in models:
        assert read.models[model].hourly.temperature_2m == body[f"temperature_2m_{model}"]


def test_an_error_carries_the_reason(ask):
    with pytest.raises(open_meteo.OpenMeteoError, match="No data is available for this location"):
        ask(latitude=0.0, longitude=0.0, hourly=[HourlyParameters.TEMPERATURE_2M])
