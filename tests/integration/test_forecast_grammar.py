"""What `/v1/forecast` understands and answers over HTTP beyond a list of hours."""

import json
from datetime import timedelta
from io import BytesIO
from urllib.parse import urlencode

import pytest
from django.core.cache import cache

from mobile_models.models import Release
from tests.weather import INIT, NOW, make_outputs, make_run
from weatherapp.forecasts import memory

pytestmark = pytest.mark.django_db
CHICAGO = {"latitude": "41.9", "longitude": "-87.7"}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings, tmp_path):
    settings.RUNS_DIR = tmp_path / "runs"
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def run():
    return make_run()


def ask(client, headers=None, **values):
    return client.get("/v1/forecast", {**CHICAGO, **values}, headers=headers)


def older_release(version="2026.06.01-1", **changes):
    run = make_run(**changes)
    run.release = Release.objects.create(version=version)
    run.save()
    return run


def test_every_section_in_one_answer(client, run):
    body = ask(
        client,
        hourly="temperature_2m",
        daily="sunrise",
        current="rain",
        minutely_15="rain",
        current_weather="true",
    ).json()
    assert {"hourly", "daily", "current", "minutely_15", "current_weather"} <= set(body)


@pytest.mark.parametrize(
    ("wanted", "content_type", "start"),
    [
        ("csv", "text/csv; charset=utf-8", b"latitude,longitude,elevation"),
        ("flatbuffers", "application/octet-stream", None),
        ("json", "application/json; charset=utf-8", b'{"latitude":41.9'),
    ],
)
def test_formats_are_written_with_their_type(client, run, wanted, content_type, start):
    reply = ask(client, hourly="temperature_2m", format=wanted)
    assert reply.status_code == 200
    assert reply["Content-Type"] == content_type
    assert start is None or reply.content.startswith(start)
    if wanted == "flatbuffers":  # size-prefixed
        assert int.from_bytes(reply.content[:4], "little") == len(reply.content) - 4


def test_the_models_are_releases_with_a_stored_run(client):
    older_release(outputs=make_outputs(3, wet=0.9), init_time=INIT - timedelta(hours=1))
    make_run()
    reply = ask(
        client, hourly="precipitation_probability", models="best_match,2026.06.01-1", forecast_hours="3"
    )
    hourly = reply.json()["hourly"]
    assert hourly["precipitation_probability_best_match"][1] == 10
    assert hourly["precipitation_probability_2026.06.01-1"][1] == 90
    alone = ask(client, hourly="precipitation_probability", models="2026.06.01-1", forecast_hours="3")
    assert list(alone.json()["hourly"]) == ["time", "precipitation_probability"]
    assert alone["X-Skyfold-Release"] == "2026.06.01-1"


def test_an_unknown_model_is_refused_with_the_known_ones(client):
    older_release(init_time=INIT - timedelta(hours=1))
    make_run()
    reply = ask(client, models="gfs_seamless")
    assert reply.status_code == 400
    assert "allowed: best_match, 2026.07.04-1, 2026.06.01-1" in reply.json()["reason"]


def test_days_long_past_come_from_runs_that_are_still_stored(client):
    make_run(init_time=INIT - timedelta(hours=72))
    make_run()
    hourly = ask(client, hourly="temperature_2m", past_days="3", forecast_days="1").json()["hourly"]
    values = dict(zip(hourly["time"], hourly["temperature_2m"], strict=True))
    assert values["2026-07-01T20:00"] == pytest.approx(20.2, abs=0.1)  # the older run's forecast
    assert values["2026-07-04T12:00"] is None


def test_an_old_run_whose_files_are_gone_is_passed_over(client, settings):
    gone = make_run(init_time=INIT - timedelta(hours=72))
    make_run()
    for file in (settings.RUNS_DIR / gone.folder).iterdir():
        file.unlink()
    reply = ask(client, hourly="temperature_2m", past_days="4", forecast_days="1")
    assert reply.status_code == 200
    assert set(reply.json()["hourly"]["temperature_2m"][:72]) == {None}


def test_if_modified_since_gets_304_in_the_same_quarter_of_an_hour(client, run, monkeypatch):
    first = ask(client, hourly="rain")
    assert first["Last-Modified"] == "Sat, 04 Jul 2026 18:15:00 GMT"
    headers = {"If-Modified-Since": first["Last-Modified"]}
    again = ask(client, headers, hourly="rain")
    assert (again.status_code, again.content) == (304, b"")
    assert again["Last-Modified"] == first["Last-Modified"]
    # If-None-Match alone decides where it is given.
    assert ask(client, {**headers, "If-None-Match": '"other"'}, hourly="rain").status_code == 200
    assert ask(client, {"If-Modified-Since": "yesterday"}, hourly="rain").status_code == 200
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + timedelta(minutes=10))
    assert ask(client, headers, hourly="rain").status_code == 200


def test_an_answer_about_now_holds_for_the_quarter_of_an_hour(client, run):
    def seconds(reply):
        return int(reply["Cache-Control"].rpartition("=")[2])

    assert seconds(ask(client, current="rain")) == 5 * 60
    # The next run is due at 19:05, and clients come spread over two minutes.
    assert 40 * 60 <= seconds(ask(client, hourly="rain")) < 42 * 60
    assert ask(client, hourly="rain")["Vary"] == "Accept-Encoding"


def test_the_age_of_the_run_is_said(client, run):
    assert ask(client, hourly="rain")["X-Skyfold-Run-Age"] == str(25 * 60)


def test_a_304_has_no_type_that_a_cache_could_take_for_the_bodys(client, run):
    for path in ("/v1/forecast?latitude=41.9&longitude=-87.7", "/v1/cells/N41W088/inputs"):
        known = client.get(path)["ETag"]
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers.get("Content-Type")) == (304, b"", None)


def test_what_other_servers_do_not_say_comes_last(client, run):
    body = ask(client, hourly="rain", timezone="auto").json()
    assert list(body) == [
        *("latitude", "longitude", "generationtime_ms", "utc_offset_seconds", "timezone"),
        *("timezone_abbreviation", "elevation", "hourly_units", "hourly", "replay"),
    ]


def test_an_address_may_end_with_a_slash(client, run):
    assert client.get("/v1/forecast/", {**CHICAGO, "current": "rain"}).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain;charset=UTF-8", "application/octet-stream"])
def test_json_and_forms_are_read_where_a_program_does_not_name_their_type(client, run, content_type):
    for body in (' {"latitude": 41.9, "longitude": -87.7}', "latitude=41.9&longitude=-87.7"):
        reply = client.post("/v1/forecast", body, content_type=content_type)
        assert (reply.status_code, reply.json()["latitude"]) == (200, 41.9)


def test_a_null_in_json_is_as_good_as_not_given(client, run):
    asked = {"latitude": 41.9, "longitude": -87.7, "current": ["rain"], "elevation": None, "models": None}
    reply = client.post("/v1/forecast", json.dumps(asked), content_type="application/json")
    assert reply.json()["current"]["rain"] == 0.0


def test_a_head_has_the_headers_of_a_get(client, run):
    get, head = ask(client, hourly="rain"), client.head("/v1/forecast", {**CHICAGO, "hourly": "rain"})
    assert head.status_code == 200
    assert head["ETag"] == get["ETag"]
    assert head.content == b""


def test_the_same_answer_is_written_once(client, run):
    first = ask(client, hourly="rain,cloud_base")
    kept = len(memory.bodies)
    again = ask(client, hourly="rain,cloud_base")
    assert again.content == first.content
    assert again["X-Skyfold-Stations"] == first["X-Skyfold-Stations"]
    assert len(memory.bodies) == kept


def test_no_answer_is_kept_where_none_may_be(client, run, settings):
    settings.ANSWER_CACHE_MB = 0
    kept = len(memory.bodies)
    first, again = (ask(client, hourly="snowfall") for _ in range(2))
    assert first.json()["hourly"] == again.json()["hourly"]
    assert len(memory.bodies) == kept


def test_too_many_requests_get_429_in_the_grammars_form(client, run, settings):
    cache.clear()
    settings.FORECAST_RATE = "1/day"
    assert ask(client).status_code == 200
    reply = ask(client)
    assert reply.status_code == 429
    assert int(reply["Retry-After"]) > 0
    assert list(reply.json()) == ["error", "reason"]
    assert reply["Access-Control-Allow-Origin"] == "*"
    assert client.post("/v1/forecast", CHICAGO).status_code == 429
    cache.clear()


def test_a_preflight_is_answered_without_counting(client, settings):
    cache.clear()
    settings.FORECAST_RATE = "1/day"
    for _ in range(3):
        reply = client.options("/v1/forecast", headers={"Origin": "https://example.org"})
        assert (reply.status_code, reply.content) == (204, b"")
        assert reply["Access-Control-Allow-Headers"] == "*"
        assert reply["Access-Control-Max-Age"] == "86400"


def test_other_methods_are_named(client):
    reply = client.put("/v1/forecast")
    assert reply.status_code == 405
    assert reply["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert reply.json()["error"] is True


def test_a_thousand_places_with_repeated_keys_fit_in_a_form(client, run):
    pairs = [("latitude", "41.9"), ("longitude", "-87.7")] * 1000
    reply = client.post("/v1/forecast", urlencode([*pairs, ("current", "temperature_2m")]), content_type=FORM)
    assert reply.status_code == 200
    bodies = reply.json()
    assert len(bodies) == 1000
    assert [bodies[index].get("location_id") for index in (0, 1, 999)] == [None, 1, 999]
    assert "X-Skyfold-Stations" not in reply.headers


def test_a_thousand_and_one_places_are_refused(client, run):
    places = ",".join(["1"] * 1001)
    reply = client.post(
        "/v1/forecast", urlencode({"latitude": places, "longitude": places}), content_type=FORM
    )
    assert reply.status_code == 400
    assert "1001 places were given; at most 1000" in reply.json()["reason"]


def test_parameters_of_the_url_and_the_body_of_a_post_add_up_and_the_body_wins(client, run):
    body = json.dumps({**CHICAGO, "hourly": ["rain"]})
    reply = client.post("/v1/forecast?hourly=snowfall&timezone=auto", body, content_type="application/json")
    assert list(reply.json()["hourly"]) == ["time", "rain"]
    assert reply.json()["timezone"] == "America/Chicago"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"),
    [
        ('{"latitude": NaN, "longitude": 1}', "application/json", 400, "Latitude must be in range"),
        ('{"latitude": Infinity, "longitude": 1}', "application/json", 400, "Latitude must be in range"),
        ('{"latitude": 1e999, "longitude": 1}', "application/json", 400, "Latitude must be in range"),
        ('{"latitude": [[1]], "longitude": 1}', "application/json", 400, "A value must be a text, a number"),
        ('{"latitude": true, "longitude": 1}', "application/json", 400, "'latitude' has 'true'"),
        ('{"latitude": null, "longitude": 1}', "application/json", 400, "'latitude' is required"),
        ('{"latitude": [null], "longitude": 1}', "application/json", 400, "A value must be a text, a number"),
        ("<latitude/>", "application/xml", 415, "application/xml are not read. Send a form or JSON"),
        ('{"latitude": 1, "longitude": 1' + "0" * 5000 + "}", "application/json", 400, "not JSON"),
        ('"latitude"', "application/json", 400, "must be one JSON object"),
        (b"\xff\xfe", "application/json", 400, "not JSON"),
        (b"latitude=\xff&longitude=1", FORM, 400, "'latitude' has"),
        ("latitude=1%00&longitude=1", FORM, 400, "'latitude' has"),
        ("", FORM, 400, "'latitude' is required"),
        ("latitude=1&longitude=2&" + "&".join(["a=1"] * 20_001), FORM, 400, "More than 20000 parameters"),
        ("--x", "multipart/form-data; boundary=x", 415, "Send a form or JSON"),
        ("x" * 131_073, FORM, 413, "128 kB"),
    ],
)
def test_bodies_that_make_no_sense_are_named(client, run, body, content_type, status, reason):
    reply = client.post("/v1/forecast", body, content_type=content_type)
    assert reply.status_code == status
    assert list(reply.json()) == ["error", "reason"]
    assert reason in reply.json()["reason"]
    assert reply["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "query",
    [
        "latitude=%ff&longitude=1", "latitude=41.9&longitude=-87.7&hourly=%00", "latitude=1;longitude=2",
        "latitude=41.9&longitude=-87.7&timezone=%00", "latitude=41.9&longitude=-87.7&start_date=x&end_date=y",
        "latitude=41.9&longitude=-87.7&models=%F0%9F%98%80", "&&&=&",
        "latitude=41.9&longitude=-87.7&format=JSON",
        "latitude=41.9&longitude=-87.7&start_date=0000-00-00&end_date=9999-99-99",
        "latitude=41.9&longitude=-87.7&start_hour=9999-12-31T23:00&end_hour=9999-12-31T23:00",
        "latitude=41.9&longitude=-87.7&elevation=-inf",
    ],
)  # fmt: skip
def test_queries_that_make_no_sense_are_named(client, run, query):
    reply = client.get(f"/v1/forecast?{query}")
    assert reply.status_code == 400
    assert reply.json()["error"] is True


def test_a_content_length_that_is_none_is_refused(client, run):
    reply = client.post("/v1/forecast", "latitude=1", content_type=FORM, CONTENT_LENGTH="many")
    assert reply.status_code == 413


def in_chunks(client, body):
    """A body without a length, as gunicorn hands it on: its stream ends with the body."""
    stream = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    return client.generic("POST", "/v1/forecast", content_type="application/json", **stream)


def test_a_body_in_chunks_is_read_as_dotnet_sends_it(client, run):
    body = json.dumps({"latitude": [41.9, 41.8], "longitude": [-87.7, -87.6], "hourly": ["rain"]}).encode()
    reply = in_chunks(client, body)
    assert (reply.status_code, [place["latitude"] for place in reply.json()]) == (200, [41.9, 41.8])
    large = in_chunks(client, body + b" " * 131_072)
    assert (large.status_code, "128 kB" in large.json()["reason"]) == (413, True)
