"""A device's first two weeks: what it reports every few hours, what it gets for it, and what is forgotten."""

import json
from datetime import timedelta

import pytest
from django.core.cache import cache

from tests.weather import INIT, make_run
from weatherapp.personal import retention
from weatherapp.personal.models import Place
from weatherapp.personal.weather import public_at

pytestmark = pytest.mark.django_db
ME = "/v1/devices/me"
DAYS, STEP = 14, timedelta(hours=3)
# The same thing in the personal and in the public forecast.
SAME = {
    "temperature": "temperature_2m",
    "wind_speed": "wind_speed_10m",
    "pressure_msl": "pressure_msl",
    "precipitation": "precipitation",
    "precipitation_probability": "precipitation_probability",
    "cloud_cover": "cloud_cover",
    "wind_direction": "wind_direction_10m",
    "weather_code": "weather_code",
}
WARMER = 3.0  # K: the balcony against its forecast


@pytest.fixture
def fortnight(client, monkeypatch, settings, tmp_path):
    """A device that reported for two weeks, with the daily sweeps; gives how to ask as it."""
    settings.RUNS_DIR = tmp_path / "runs"
    settings.DEVICE_CALLS_PER_MINUTE = settings.ADDRESS_CALLS_PER_MINUTE = 10_000
    cache.clear()
    moment = {"now": INIT + timedelta(minutes=25)}
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment["now"])
    reply = client.post("/v1/devices", '{"time_zone": "America/Chicago"}', content_type="application/json")
    headers = {"authorization": f"Bearer {reply.json()['token']}"}

    def ask(path, body=None, **query):
        if body is None:
            return client.get(f"{ME}{path}", query, headers=headers).json()
        sent = client.post(f"{ME}{path}", json.dumps(body), content_type="application/json", headers=headers)
        assert sent.status_code == 201, sent.content
        return sent.json()

    home = ask("/places", {"latitude": 41.995, "longitude": -87.934, "own_station": True})
    make_run(init_time=INIT - timedelta(hours=6))
    for step in range(DAYS * 24 // 3):
        init = INIT + step * STEP
        moment["now"] = init + timedelta(minutes=25)
        if init.hour % 6 == 0:
            make_run(init_time=init)
        at = {"place": home["id"], "time": moment["now"].isoformat()}
        forecast = public_at(Place.objects.get(), moment["now"])["temperature"]
        value = forecast + WARMER + 0.3 * (-1) ** step
        ask("/observations", {**at, "id": f"r-{step}", "variable": "temperature", "value": value})
        if step % 8 == 0:
            retention.forget(now=moment["now"])
    return ask, home


def test_two_weeks_of_reports_move_the_forecast_by_what_is_said_and_why(fortnight, client):
    ask, home = fortnight  # it costs some seconds: one fortnight for all that is to be seen after it
    says_its_size_and_reason(ask, home)
    public_is_what_everybody_gets(ask, home, client)
    only_what_may_come_late_is_kept(ask)


def says_its_size_and_reason(ask, home):
    reply = ask("/forecast", place=home["id"], days=2)
    place = reply["places"][0]
    correction = place["corrections"][0]
    assert correction["variable"] == "temperature"
    assert correction["reports"] == DAYS * 24 // 3
    assert correction["now"] == pytest.approx(WARMER, abs=0.5)
    assert correction["why"].startswith(f"Learned from {correction['reports']} reports of your own here")

    temperature = place["hourly"]["temperature"]
    for public, shift, personal in zip(
        temperature["public"], temperature["correction"], temperature["personal"], strict=True
    ):
        assert personal == pytest.approx(public + shift, abs=1e-9)
    shifts = temperature["correction"]
    assert shifts[0] == correction["now"]
    assert 0.5 * WARMER < shifts[-1] <= shifts[0]  # it fades with the lead


def public_is_what_everybody_gets(ask, home, client):
    mine = ask("/forecast", place=home["id"], days=1)["places"][0]["hourly"]
    query = {
        "latitude": home["latitude"],
        "longitude": home["longitude"],
        "timezone": "America/Chicago",
        "hourly": ",".join(SAME.values()),
        "forecast_days": 2,
    }
    everybody = client.get("/v1/forecast", query).json()["hourly"]
    at = [everybody["time"].index(label[:16]) for label in mine["time"]]
    for name, public in SAME.items():
        assert mine[name]["public"] == [everybody[public][index] for index in at], name


def only_what_may_come_late_is_kept(ask):
    export = ask("/export")
    # Three days and what came since the last sweep.
    assert 24 <= len(export["reports"]) <= 33
    learned = export["places"][0]["learned"][0]
    assert (
        learned["base"]["reports"] + len(export["reports"]) == learned["state"]["reports"] == DAYS * 24 // 3
    )
