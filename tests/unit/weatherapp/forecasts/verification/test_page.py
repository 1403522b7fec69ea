import xml.etree.ElementTree as ET
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from tests.weather import INIT
from weatherapp.forecasts.models import DriftAlarm, ForecastRun
from weatherapp.forecasts.verification import services
from weatherapp.forecasts.verification.plots import Line, line_chart, reliability_chart

AFTER = INIT + timedelta(hours=60)
URL = "/admin/forecasts/verification/"
SVG = "{http://www.w3.org/2000/svg}"


def parse(svg):
    return ET.fromstring(svg)


def test_a_chart_has_a_line_for_each_series_and_breaks_where_nothing_is_known():
    svg = parse(
        line_chart(
            "dew point <°C>",
            ["a", "b", "c", "d", "e"],
            [
                Line("MAE", [1.0, 2.0, None, 3.0, 4.0]),
                Line("reference", [None, 9.0, None, None, None], "reference"),
            ],
        )
    )
    assert svg.find("title").text == "dew point <°C>"
    lines = svg.findall("polyline")
    assert [len(line.get("points").split()) for line in lines] == [2, 2]
    first = [float(part.split(",")[1]) for part in lines[0].get("points").split()]
    assert first[0] > first[1]  # larger is higher up
    assert len(svg.findall("circle")) == 1
    labels = [text.text for text in svg.findall("text")]
    assert {"a", "e", "MAE", "reference", "10"} <= set(labels)


@pytest.mark.parametrize("values", [[], [None, None], [0.0, 0.0], [1e-7, 3e-7], [1e6, 3e6]])
def test_any_values_can_be_drawn(values):
    svg = parse(line_chart("x", [str(index) for index in range(len(values))], [Line("x", values)]))
    numbers = [float(text.text) for text in svg.findall("text") if text.get("text-anchor") == "end"]
    assert numbers[0] == 0
    assert numbers[-1] >= max((value for value in values if value is not None), default=0)


def test_reliability_places_each_tenth_by_what_was_forecast_and_seen():
    tenths = [
        {"n": 900, "probability": 0.05, "frequency": 0.04},
        {"n": 9, "probability": 0.95, "frequency": 0.5},
    ]
    often, rare = parse(reliability_chart("rain", tenths)).findall("circle")
    assert float(often.get("r")) > float(rare.get("r"))
    assert float(often.get("cx")) < float(rare.get("cx"))
    assert float(often.get("cy")) > float(rare.get("cy"))
    assert "900 hours" in often.find("title").text


@pytest.fixture
def manager(client, db):
    client.force_login(get_user_model().objects.create_superuser("manager"))
    return client


def test_the_page_shows_scores_plots_stations_and_alarms(manager, run, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: AFTER)
    services.verify_runs(now=AFTER)
    figures = {"checked": AFTER, "statistic": 5, "recent": 1.2, "before": 1}
    DriftAlarm.objects.create(variable="wind", opened=AFTER, **figures)
    page = manager.get(
        URL, {"variable": "wind_speed", "days": "90", "release": "2026.07.04-1"}
    ).content.decode()
    assert page.count("<svg viewBox") == 12  # ten variables by lead, one by day, reliability
    assert "wind is forecast 20 % worse" in page
    assert "replayed observations" in page
    assert "chi Chicago" in page
    assert "wind_speed, m/s, by station" in page
    assert (
        "<script"
        not in page.partition('id="content-main"')[2].partition("</form>")[2].partition("</table>")[0]
    )


def test_what_is_not_on_the_form_is_not_chosen(manager, run, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: AFTER)
    services.verify_runs(now=AFTER)
    reply = manager.get(URL, {"variable": "<script>", "days": "7000", "release": "x"})
    choice = reply.context_data["choice"]
    assert (choice.variable, choice.days, choice.release) == ("temperature", 30, "")


def test_without_scores_the_page_says_how_to_get_some(manager):
    assert "verify_forecasts --hindcast" in manager.get(URL).content.decode()


def test_the_page_is_for_people_who_may_see_it(client, db):
    assert client.get(URL).status_code == 302
    client.force_login(get_user_model().objects.create_user("guest", is_staff=True))
    assert client.get(URL).status_code == 403


def test_runs_show_their_age_release_and_why_they_failed(manager, run):
    failed = ForecastRun.objects.create(
        init_time=INIT,
        release=run.release,
        bundle_sha256="b" * 64,
        state="failed",
        reason="RunRefused: no wind",
    )
    page = manager.get("/admin/forecasts/forecastrun/").content.decode()
    assert "RunRefused: no wind" in page
    assert f"/admin/mobile_models/release/{run.release_id}/change/" in page
    change = manager.get(f"/admin/forecasts/forecastrun/{failed.pk}/change/").content.decode()
    assert "RunRefused: no wind" in change
    assert "b" * 64 in change
    assert manager.get(f"/admin/forecasts/forecastrun/{run.pk}/change/").status_code == 200


def test_alarms_are_listed_with_their_state(manager):
    figures = {"checked": AFTER, "statistic": 5, "recent": 1.2, "before": 1}
    alarm = DriftAlarm.objects.create(variable="wind", opened=AFTER, **figures)
    page = manager.get("/admin/forecasts/driftalarm/").content.decode()
    assert "wind is forecast 20 % worse" in page
    assert manager.get(f"/admin/forecasts/driftalarm/{alarm.pk}/change/").status_code == 200
