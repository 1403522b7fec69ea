"""PyPI's openmeteo-requests, unmodified: FlatBuffers by GET with repeated keys, and by POST."""

import asyncio
import sys

import numpy as np
import pytest
from openmeteo_sdk.Aggregation import Aggregation
from openmeteo_sdk.Unit import Unit
from openmeteo_sdk.Variable import Variable

from tests.clients.conftest import APART, CHICAGO, need

FOLDER = APART / "clients-niquests"
need((FOLDER / "openmeteo_requests").is_dir(), "openmeteo-requests")
sys.path.append(str(FOLDER))  # last: what it needs and others have too comes from where they have it

import niquests  # noqa: E402
import openmeteo_requests  # noqa: E402
from openmeteo_requests.Client import OpenMeteoRequestsError  # noqa: E402

HOURLY = ["wind_speed_10m", "temperature_2m", "precipitation", "weather_code", "cloud_base"]


@pytest.fixture
def client():
    with niquests.Session() as session:
        yield openmeteo_requests.Client(session=session)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_hours_are_those_of_the_json_in_the_order_asked_for(client, forecast_url, ask_json, method):
    asked = {**CHICAGO, "hourly": HOURLY, "timezone": "America/Chicago", "past_days": 1}
    (place,) = client.weather_api(forecast_url, params=asked, method=method)
    expected = ask_json(**{**asked, "hourly": ",".join(HOURLY)}, timeformat="unixtime")
    hourly = place.Hourly()
    assert place.Latitude() == pytest.approx(expected["latitude"], abs=1e-5)
    assert place.Elevation() == pytest.approx(expected["elevation"])
    assert place.UtcOffsetSeconds() == expected["utc_offset_seconds"]
    assert place.Timezone() == b"America/Chicago"
    assert list(range(hourly.Time(), hourly.TimeEnd(), hourly.Interval())) == expected["hourly"]["time"]
    assert hourly.VariablesLength() == len(HOURLY)
    for index, name in enumerate(HOURLY):
        agree(hourly.Variables(index).ValuesAsNumpy(), expected["hourly"][name])
    assert np.isfinite(hourly.Variables(1).ValuesAsNumpy()).any()


def test_series_are_found_by_what_the_schema_says_of_them(client, forecast_url):
    asked = {**CHICAGO, "daily": ["temperature_2m_min", "temperature_2m_max", "wind_speed_10m_max"]}
    (place,) = client.weather_api(forecast_url, params={**asked, "wind_speed_unit": "kn"})
    daily = place.Daily()
    series = [daily.Variables(index) for index in range(daily.VariablesLength())]
    highest = next(
        one
        for one in series
        if (one.Variable(), one.Altitude(), one.Aggregation())
        == (Variable.temperature, 2, Aggregation.maximum)
    )
    lowest = next(one for one in series if one.Aggregation() == Aggregation.minimum)
    assert highest.Unit() == Unit.celsius
    assert series[2].Unit() == Unit.knots
    assert highest.Values(0) > lowest.Values(0)


def test_now_is_that_of_the_json(client, forecast_url, ask_json):
    asked = {**CHICAGO, "current": ["temperature_2m", "relative_humidity_2m", "is_day"]}
    (place,) = client.weather_api(forecast_url, params=asked)
    expected = ask_json(**{**asked, "current": ",".join(asked["current"])}, timeformat="unixtime")["current"]
    current = place.Current()
    assert (current.Time(), current.Interval()) == (expected["time"], 900)
    values = [current.Variables(index).Value() for index in range(current.VariablesLength())]
    agree(values, [expected[name] for name in asked["current"]])


def test_sunrise_and_sunset_are_seconds(client, forecast_url, ask_json):
    asked = {**CHICAGO, "daily": ["sunrise", "sunset"], "timezone": "auto"}
    (place,) = client.weather_api(forecast_url, params=asked)
    expected = ask_json(**{**asked, "daily": "sunrise,sunset"}, timeformat="unixtime")["daily"]
    assert place.Daily().Time() == expected["time"][0]
    for index, name in enumerate(["sunrise", "sunset"]):
        assert place.Daily().Variables(index).ValuesInt64AsNumpy().tolist() == expected[name]


def test_several_places_answer_in_order(client, forecast_url, ask_json):
    asked = {"latitude": [41.9, 40.7], "longitude": [-87.7, -74.2], "hourly": "temperature_2m"}
    places = client.weather_api(forecast_url, params=asked)
    expected = ask_json(latitude="41.9,40.7", longitude="-87.7,-74.2", hourly="temperature_2m")
    assert [place.LocationId() for place in places] == [0, 1]
    for place, body in zip(places, expected, strict=True):
        agree(place.Hourly().Variables(0).ValuesAsNumpy(), body["hourly"]["temperature_2m"])


def test_quantiles_come_by_their_own_names(client, forecast_url, ask_json):
    names = ["temperature_2m_p10", "temperature_2m_p50", "temperature_2m_p90", "temperature_2m_p05"]
    (place,) = client.weather_api(forecast_url, params={**CHICAGO, "hourly": names})
    expected = ask_json(**CHICAGO, hourly=",".join(names))["hourly"]
    series = [place.Hourly().Variables(index) for index in range(4)]
    for one, name in zip(series, names, strict=True):
        agree(one.ValuesAsNumpy(), expected[name])
    assert [one.Aggregation() for one in series[:3]] == [Aggregation.p10, Aggregation.median, Aggregation.p90]
    assert series[3].Variable() == Variable.undefined


def test_an_error_carries_the_reason(client, forecast_url):
    with pytest.raises(OpenMeteoRequestsError, match="No data is available"):
        client.weather_api(forecast_url, params={"latitude": 0, "longitude": 0, "hourly": "temperature_2m"})


def test_the_asynchronous_client_reads_the_same(forecast_url, ask_json):
    async def ask():
        async with niquests.AsyncSession() as session:
            client = openmeteo_requests.AsyncClient(session=session)
            return await client.weather_api(forecast_url, params={**CHICAGO, "hourly": ["temperature_2m"]})

    (place,) = asyncio.run(ask())
    expected = ask_json(**CHICAGO, hourly="temperature_2m")["hourly"]["temperature_2m"]
    agree(place.Hourly().Variables(0).ValuesAsNumpy(), expected)


def agree(read, expected):
    """Equal in single precision; what is null in JSON is not a number here."""
    np.testing.assert_allclose(read, [np.nan if value is None else value for value in expected], rtol=1e-6)
