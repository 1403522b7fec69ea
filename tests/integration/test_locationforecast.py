"""MET Norway's face of the forecast, as its clients and caches use it."""

from datetime import timedelta

import pytest

from tests.weather import NOW, make_run

pytestmark = pytest.mark.django_db
CHICAGO = {"lat": "41.9", "lon": "-87.7"}


@pytest.fixture
def moment(monkeypatch, settings, tmp_path):
    settings.RUNS_DIR = tmp_path / "runs"
    clock = {"now": NOW}
    monkeypatch.setattr("django.utils.timezone.now", lambda: clock["now"])
    return clock


@pytest.fixture
def run(moment):
    return make_run()


def ask(client, form="compact", headers=None, **values):
    return client.get(f"/locationforecast/2.0/{form}", {**CHICAGO, **values}, headers=headers)


def test_both_forms_start_with_the_next_known_hour(client, run):
    for form in ("compact", "complete"):
        reply = ask(client, form)
        assert reply.status_code == 200
        assert reply["Content-Type"] == "application/json"
        steps = reply.json()["properties"]["timeseries"]
        # The run knows no past: 18:00 is left out at 18:25.
        assert steps[0]["time"] == "2026-07-04T19:00:00Z"
        assert len(steps) == 48
    assert "dew_point_temperature" in steps[0]["data"]["instant"]["details"]


def test_it_says_the_same_as_the_other_face(client, run):
    details = ask(client, altitude=181).json()["properties"]["timeseries"][5]["data"]["instant"]["details"]
    hourly = client.get(
        "/v1/forecast",
        {
            "latitude": 41.9, "longitude": -87.7, "elevation": 181, "forecast_hours": 7,
            "wind_speed_unit": "ms", "hourly": "temperature_2m,relative_humidity_2m,wind_speed_10m",
        },
    ).json()["hourly"]  # fmt: skip
    assert hourly["time"][6] == "2026-07-05T00:00"
    assert details["air_temperature"] == hourly["temperature_2m"][6]
    assert details["relative_humidity"] == pytest.approx(hourly["relative_humidity_2m"][6], abs=0.5)
    assert details["wind_speed"] == pytest.approx(hourly["wind_speed_10m"][6], abs=0.05)


def test_more_than_four_decimals_count_as_four(client, run):
    exact, long = ask(client, lat="41.9001"), ask(client, lat="41.90009999")
    assert exact.content == long.content
    assert exact["ETag"] == long["ETag"]
    assert exact.json()["geometry"]["coordinates"][:2] == [-87.7, 41.9001]


def test_a_copy_holds_until_the_hour_or_the_run_changes(client, run, moment):
    first = ask(client)
    modified = first["Last-Modified"]
    moment["now"] = NOW + timedelta(minutes=20)
    again = ask(client, headers={"If-Modified-Since": modified})
    assert (again.status_code, again.content) == (304, b"")
    assert again["Last-Modified"] == modified
    assert again["Expires"]
    assert ask(client, headers={"If-None-Match": first["ETag"]}).status_code == 304
    moment["now"] = NOW + timedelta(minutes=40)
    later = ask(client, headers={"If-Modified-Since": modified})
    assert later.status_code == 200
    assert later.json()["properties"]["timeseries"][0]["time"] == "2026-07-04T19:00:00Z"


@pytest.mark.parametrize(
    "values",
    [
        {"lat": "91"},
        {"lat": "nan"},
        {"lon": "-180.1"},
        {"lon": "west"},
        {"lon": ""},
        {"altitude": "9001"},
        {"altitude": "inf"},
    ],
)
def test_bad_parameters_are_named(client, run, values):
    reply = ask(client, **values)
    assert reply.status_code == 400
    assert reply["Content-Type"] == "application/problem+json"
    assert f"Parameter '{next(iter(values))}'" in reply.json()["detail"]


def test_no_station_near_is_422_and_an_unknown_form_404(client, run):
    nowhere = ask(client, lat="0", lon="0")
    assert nowhere.status_code == 422
    assert "No data is available for this location" in nowhere.json()["detail"]
    classic = ask(client, "classic")
    assert classic.status_code == 404
    assert "compact and complete" in classic.json()["detail"]


def test_without_a_run_it_says_when_to_ask_again(client, moment):
    reply = ask(client)
    assert (reply.status_code, reply["Retry-After"]) == (503, "60")


def test_a_run_that_is_over_gives_no_steps(client, run, moment):
    moment["now"] = NOW + timedelta(days=3)
    assert ask(client).json()["properties"]["timeseries"] == []
