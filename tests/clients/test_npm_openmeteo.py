"""npm's openmeteo, unmodified: FlatBuffers by position."""

import pytest

from tests.clients.conftest import CHICAGO

HOURLY = "wind_speed_10m,temperature_2m,weather_code,precipitation"


def test_hours_are_those_of_the_json_in_the_order_asked_for(ask_node, ask_json):
    asked = {**CHICAGO, "hourly": HOURLY, "timezone": "auto", "forecast_days": 2}
    (place,) = ask_node(**asked)["places"]
    expected = ask_json(**asked, timeformat="unixtime")
    hourly = place["hourly"]
    assert place["timezone"] == "America/Chicago"
    assert place["utcOffsetSeconds"] == expected["utc_offset_seconds"] == -18000
    assert place["elevation"] == pytest.approx(expected["elevation"])
    times = list(range(hourly["time"], hourly["timeEnd"], hourly["interval"]))
    assert times == expected["hourly"]["time"]
    for series, name in zip(hourly["series"], HOURLY.split(","), strict=True):
        assert series["values"] == close(expected["hourly"][name])
    assert any(value is not None for value in hourly["series"][1]["values"])


def test_now_and_the_days_are_those_of_the_json(ask_node, ask_json):
    asked = {**CHICAGO, "current": "temperature_2m,is_day", "daily": "temperature_2m_max,sunrise"}
    (place,) = ask_node(**asked, timezone="auto")["places"]
    expected = ask_json(**asked, timezone="auto", timeformat="unixtime")
    assert place["current"]["time"] == expected["current"]["time"]
    assert place["current"]["interval"] == 900
    assert [series["value"] for series in place["current"]["series"]] == close(
        [expected["current"]["temperature_2m"], expected["current"]["is_day"]]
    )
    highest, sunrise = place["daily"]["series"]
    assert highest["values"] == close(expected["daily"]["temperature_2m_max"])
    assert sunrise["moments"] == expected["daily"]["sunrise"]


def test_several_places_are_several_messages(ask_node, ask_json):
    asked = {"latitude": "41.9,40.7", "longitude": "-87.7,-74.2", "hourly": "temperature_2m"}
    places = ask_node(**asked)["places"]
    expected = ask_json(**asked)
    assert [place["locationId"] for place in places] == [0, 1]
    for place, body in zip(places, expected, strict=True):
        assert place["latitude"] == pytest.approx(body["latitude"], abs=1e-5)
        assert place["hourly"]["series"][0]["values"] == close(body["hourly"]["temperature_2m"])


def test_an_error_carries_the_reason(ask_node):
    assert "latitude" in ask_node(latitude=91, longitude=0, hourly="temperature_2m")["error"].lower()


def close(values):
    """As near as single precision comes; what is unknown is unknown."""
    return [value if value is None else pytest.approx(value, rel=1e-6) for value in values]
