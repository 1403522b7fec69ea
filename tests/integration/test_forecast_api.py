"""The forecast API, the pages and the health endpoints over HTTP, from a stored run."""

import json
import shutil

import pytest
from django.db import connection

from tests.weather import NOW, make_run
from weatherapp.forecasts.models import ForecastRun

pytestmark = pytest.mark.django_db
CHICAGO = {"latitude": "41.9", "longitude": "-87.7"}


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings, tmp_path):
    settings.RUNS_DIR = tmp_path / "runs"
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def run():
    return make_run()


def ask(client, **values):
    return client.get("/v1/forecast", {**CHICAGO, **values})


def test_one_place_is_an_object_and_several_are_a_list(client, run):
    one = ask(client, hourly="temperature_2m")
    assert one.status_code == 200
    assert one.json()["latitude"] == 41.9
    several = ask(client, latitude="41.9,40.7", longitude="-87.7,-74.2", hourly="temperature_2m").json()
    assert [body.get("location_id") for body in several] == [None, 1]


def test_headers_say_where_the_answer_came_from(client, run):
    reply = ask(client, hourly="temperature_2m")
    assert reply["X-Skyfold-Run"] == run.folder
    assert reply["X-Skyfold-Release"] == "2026.07.04-1"
    assert reply["X-Skyfold-Replay"] == "true"
    # A place between them: the nearer station is named first.
    assert [part.split(";")[0] for part in reply["X-Skyfold-Stations"].split(", ")] == ["chi"]
    assert reply["Access-Control-Allow-Origin"] == "*"
    assert reply["Cache-Control"].startswith("public, max-age=")


def test_a_forecast_costs_one_query(client, run, django_assert_num_queries):
    # 1. the newest stored run with its release
    with django_assert_num_queries(1):
        ask(client, hourly="temperature_2m,weather_code")


def test_posts_in_a_form_or_in_json_are_the_same_as_get(client, run):
    values = {**CHICAGO, "hourly": "temperature_2m,cloud_cover", "timezone": "auto"}
    expected = ask(client, **values).json()
    body = json.dumps(
        {
            "latitude": [41.9],
            "longitude": -87.7,
            "hourly": ["temperature_2m", "cloud_cover"],
            "timezone": "auto",
        }
    )
    posted = client.post("/v1/forecast", body, content_type="application/json").json()
    form = client.post(
        "/v1/forecast",
        "latitude=41.9&longitude=-87.7&hourly=temperature_2m&hourly=cloud_cover&timezone=auto",
        content_type="application/x-www-form-urlencoded",
    ).json()
    for reply in (expected, posted, form):
        del reply["generationtime_ms"]
    assert expected == posted == form


def test_the_same_question_again_is_answered_with_304_until_the_next_run(client, run):
    first = ask(client, hourly="temperature_2m")
    headers = {"If-None-Match": first["ETag"]}
    again = client.get("/v1/forecast", {**CHICAGO, "hourly": "temperature_2m"}, headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    other = client.get("/v1/forecast", {**CHICAGO, "hourly": "cloud_cover"}, headers=headers)
    assert other.status_code == 200
    make_run()
    assert (
        client.get("/v1/forecast", {**CHICAGO, "hourly": "temperature_2m"}, headers=headers).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"latitude": "0", "longitude": "0"}, "No data is available for this location"),
        ({"hourly": "luck"}, "luck"),
        ({"format": "xlsx"}, "'format' is 'xlsx'"),
        ({"models": "gfs"}, "allowed: best_match, 2026.07.04-1"),
    ],
)
def test_errors_have_the_grammars_own_body(client, run, values, reason):
    reply = ask(client, **values)
    assert reply.status_code == 400
    body = reply.json()
    assert list(body) == ["error", "reason"]
    assert body["error"] is True
    assert reason in body["reason"]
    assert reply["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("accept", ["text/csv", "text/html", "*/*"])
def test_any_accept_header_gets_json(client, run, accept):
    reply = client.get("/v1/forecast", CHICAGO, headers={"accept": accept})
    assert reply.status_code == 200
    assert reply["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "body", ["{", "[" * 100_000, "[1]", "null", '{"latitude": {"a": 1}}', '{"latitude": null}', "\xff"]
)
def test_malformed_bodies_are_refused(client, run, body):
    reply = client.post("/v1/forecast", body, content_type="application/json")
    assert reply.status_code == 400
    assert reply.json()["error"] is True


def test_large_bodies_are_refused(client, run):
    reply = client.post("/v1/forecast", "x" * 200_000, content_type="application/json")
    assert reply.status_code == 413
    assert "128 kB" in reply.json()["reason"]


def test_more_parameters_than_django_takes_are_a_refusal_and_no_page(client, run):
    reply = client.get("/v1/forecast?" + "&".join(["hourly=temperature_2m"] * 1500))
    assert reply.status_code == 400
    assert reply.json()["error"] is True


def test_other_methods_are_refused_and_options_allowed(client, run):
    assert client.delete("/v1/forecast").json()["error"] is True
    assert client.options("/v1/forecast")["Access-Control-Allow-Methods"] == "GET, POST, HEAD, OPTIONS"
    assert client.head("/v1/forecast", CHICAGO).status_code == 200


def test_without_a_run_the_answer_is_503_with_a_time_to_return(client):
    for url in ("/v1/forecast?latitude=41.9&longitude=-87.7", "/v1/cells/N41W088/inputs"):
        reply = client.get(url)
        assert (reply.status_code, reply["Retry-After"]) == (503, "60")


def test_cell_inputs_are_the_same_bytes_for_everyone_and_cacheable(client, run):
    first, second = (client.get("/v1/cells/N41W088/inputs") for _ in range(2))
    assert first.status_code == 200
    assert first.content == second.content
    assert first["ETag"] == second["ETag"]
    assert not first["ETag"].startswith("W/")
    again = client.get("/v1/cells/N41W088/inputs", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.json()["run"] == run.folder


@pytest.mark.parametrize(("cell", "detail"), [("Chicago", "N41W088"), ("S40E100", "No station lies in cell")])
def test_cells_that_cannot_be_served_are_a_problem_document(client, run, cell, detail):
    reply = client.get(f"/v1/cells/{cell}/inputs")
    assert reply.status_code == 404
    assert reply["Content-Type"] == "application/problem+json"
    assert reply.json()["type"] == "urn:skyfold:problem:unknown-cell"
    assert detail in reply.json()["detail"]


def test_health_touches_no_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


def test_readiness_names_every_check(client, run):
    reply = client.get("/readyz")
    assert reply.status_code == 200
    assert {name: check["ok"] for name, check in reply.json()["checks"].items()} == {
        "database": True,
        "migrations": True,
        "run": True,
    }
    assert run.folder in reply.json()["checks"]["run"]["detail"]


def test_readiness_fails_without_a_run_or_its_files(client, settings):
    assert client.get("/readyz").status_code == 503
    run = make_run()
    shutil.rmtree(settings.RUNS_DIR / run.folder)
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["checks"]["run"]["ok"] is False
    assert reply.json()["checks"]["database"]["ok"] is True


def test_readiness_fails_with_waiting_migrations(client, run):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'forecasts'")
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert "manage.py migrate" in reply.json()["checks"]["migrations"]["detail"]


def test_the_page_shows_the_run_the_replay_and_a_drawing(client, run):
    reply = client.get("/", CHICAGO)
    page = reply.content.decode()
    assert reply.status_code == 200
    assert run.folder in page
    assert "This is a replay" in page
    assert '<svg class="chart"' in page
    assert "America/Chicago" in page
    assert "http://" not in page
    assert "https://" not in page


def test_every_link_of_the_page_answers(client, run):
    page = client.get("/").content.decode()
    links = {part.split('"')[0].replace("&amp;", "&") for part in page.split('href="')[1:]}
    for link in sorted(links - {"data:,"}):
        reply = client.get(f"/{link}" if link.startswith("?") else link)
        assert reply.status_code in {200, 302, 404}, link
        # Without a release on offer the catalog is a named 404.
        assert reply.status_code != 404 or reply["Content-Type"] == "application/problem+json", link


@pytest.mark.parametrize(
    "values", [{"latitude": "0", "longitude": "0"}, {"latitude": "x"}, {"latitude": "91", "longitude": "0"}]
)
def test_the_page_says_why_a_place_has_no_forecast(client, run, values):
    reply = client.get("/", values)
    assert reply.status_code == 400
    assert "No forecast for this place" in reply.content.decode()


def test_the_page_escapes_what_was_asked(client, run):
    page = client.get("/", {"latitude": '"><script>', "longitude": "1"}).content.decode()
    assert "<script>" not in page


def test_the_page_waits_for_the_first_run(client):
    reply = client.get("/")
    assert reply.status_code == 503
    assert "No forecast yet" in reply.content.decode()


def test_the_admin_lists_runs_stations_and_observations(admin_client, run):
    for url in ("forecasts/forecastrun", "observations/station", "observations/observation"):
        assert admin_client.get(f"/admin/{url}/").status_code == 200
    assert admin_client.get(f"/admin/forecasts/forecastrun/{run.pk}/change/").status_code == 200
    assert admin_client.get("/admin/observations/observation/add/").status_code == 403
    assert ForecastRun.objects.count() == 1
