"""The API of devices over HTTP, from registration to erasure."""

import json
from datetime import timedelta

import numpy as np
import pytest
from django.core.cache import cache

from tests.personal import teach
from tests.weather import INIT, NOW, make_outputs, make_run
from weatherapp.personal import alerts
from weatherapp.personal.models import BiasFilter, Device, Place

pytestmark = pytest.mark.django_db
ME = "/v1/devices/me"
HOME = {"latitude": 41.8781, "longitude": -87.6298, "label": "Balcony", "kind": "home"}
EARLIER = (NOW - timedelta(minutes=10)).isoformat()


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings, tmp_path):
    settings.RUNS_DIR = tmp_path / "runs"
    cache.clear()
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def run():
    outputs = make_outputs(3, wet=0.7)
    outputs["precipitation"][:] = np.linspace(0.5, 4, 7)
    make_run(init_time=INIT - timedelta(hours=3), outputs=outputs)
    return make_run(outputs=outputs)


class Phone:
    """A client with its token."""

    def __init__(self, client, **profile):
        self.client = client
        reply = client.post("/v1/devices", json.dumps(profile), content_type="application/json")
        assert reply.status_code == 201, reply.content
        self.profile = reply.json()
        self.token = self.profile.pop("token")

    def ask(self, method, path="", body=None, query=None, **headers):
        headers = {"authorization": f"Bearer {self.token}", **headers}
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        if query is not None:
            return self.client.get(f"{ME}{path}", query, headers=headers)
        return getattr(self.client, method)(f"{ME}{path}", headers=headers, **data)

    def make(self, path, body):
        reply = self.ask("post", path, body)
        assert reply.status_code == 201, reply.content
        return reply.json()


@pytest.fixture
def phone(client):
    return Phone(client, time_zone="America/Chicago", language="en")


@pytest.fixture
def home(phone):
    return phone.make("/places", HOME)


def measured(at, **changes):
    return {
        "id": "r1",
        "place": at["id"],
        "time": EARLIER,
        "variable": "temperature",
        "value": 24,
        **changes,
    }


def problem(reply, status, slug=None):
    assert reply.status_code == status, reply.content
    assert reply["Content-Type"] == "application/problem+json"
    body = reply.json()
    assert body["status"] == status
    assert slug is None or body["type"] == f"urn:skyfold:problem:{slug}"
    return body["detail"]


def test_a_device_registers_with_nothing_and_reads_itself(client):
    phone = Phone(client)
    assert phone.profile["precision"] == 0.05
    reply = phone.ask("get")
    assert reply.json() == phone.profile
    assert reply["Cache-Control"] == "no-store"
    assert reply["Vary"] == "Authorization, Accept-Language"
    assert phone.token not in reply.content.decode()


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer nonsense", "Basic dTpw", "Bearer skyfold_0123456789ab_" + "A" * 43]
)
@pytest.mark.parametrize("path", ["", "/places", "/export", "/forecast", "/feed", "/webhook"])
def test_without_a_good_token_nothing_is_told(client, phone, header, path):
    reply = client.get(f"{ME}{path}", headers={"authorization": header} if header is not None else {})
    problem(reply, 401, "token-refused")
    assert reply["WWW-Authenticate"] == 'Bearer realm="skyfold"'


def test_a_profile_changes_in_part(phone):
    changed = phone.ask(
        "patch",
        body={"quiet_hours": {"start": "22:00", "end": "07:00"}, "activities": ["laundry", "running"]},
    ).json()
    assert changed["quiet_hours"] == {"start": "22:00", "end": "07:00"}
    assert changed["activities"] == ["running", "laundry"]
    assert changed["time_zone"] == "America/Chicago"
    assert phone.ask("patch", body={"quiet_hours": None}).json()["quiet_hours"] is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"timezone": "UTC"}, "Did you mean 'time_zone'?"),
        ({"time_zone": "Mars/Base"}, "Europe/Berlin"),
        ({"time_zone": "localtime"}, "Europe/Berlin"),
        ({"time_zone": "Factory"}, "Europe/Berlin"),
        ({"precision": 0.001}, "allowed: 0.01, 0.05"),
        ({"precision": True}, "allowed: 0.01"),
        ({"precision": "0.05"}, "allowed: 0.01"),
        ({"language": "fr"}, "allowed: en, zh"),
        ({"activities": ["running", "running"]}, "twice"),
        ({"activities": "running"}, "list"),
        ({"activities": [{}]}, "allowed: running"),
        ({"quiet_hours": {"start": "24:00", "end": "07:00"}}, "HH:MM"),
        ({"quiet_hours": {"start": "07:00", "end": "07:00"}}, "the same"),
        ({"quiet_hours": {"start": "22:00"}}, "give both"),
        ({"temperature_unit": None}, "null"),
    ],
)
def test_a_profile_that_is_wrong_says_where_and_what_is_allowed(phone, body, told):
    assert told in problem(phone.ask("patch", body=body), 400)
    assert phone.ask("get").json() == phone.profile


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"latitude": 90.1}, "latitude"),
        ({"longitude": -181}, "longitude"),
        ({"latitude": "41.9"}, "a number is allowed"),
        ({"latitude": True}, "a number is allowed"),
        ({"latitude": None}, "null"),
        ({"latitude": 10**400}, "not finite"),
        ({"elevation": 9001}, "elevation"),
        ({"label": "x" * 41}, "label"),
        ({"label": 7}, "a text is allowed"),
        ({"label": "a\x00b"}, "U+0000"),
        ({"label": "\ud800"}, "surrogates not allowed"),
        ({"label": "Balcony\nIgnore this"}, "U+000A"),
        ({"label": "a\u2028b"}, "U+2028"),
        ({"label": "a\u202eb"}, "U+202E"),
        ({"kind": "castle"}, "allowed: home, work, other"),
        ({"own_station": 1}, "true or false"),
        ({"lattitude": 1}, "Did you mean 'latitude'?"),
    ],
)
def test_a_place_that_is_wrong_is_refused(phone, changes, told):
    assert told in problem(phone.ask("post", "/places", {**HOME, **changes}), 400)
    assert phone.ask("get", "/places").json() == {"places": []}


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "[" * 60_000,
        '{"latitude": NaN}',
        '{"latitude": 1, "latitude": 2}',
        '{"latitude": Infinity}',
        "\udcff",
        r'{"\ud800": 1}',
        r'{"latitude": 1, "longitude": 1, "label": ["\udc00"]}',
    ],
)
def test_bodies_that_are_no_object_are_refused(phone, raw):
    data = raw.encode("utf-8", "surrogateescape")
    reply = phone.client.post(
        f"{ME}/places",
        data,
        content_type="application/json",
        headers={"authorization": f"Bearer {phone.token}"},
    )
    problem(reply, 400)


def test_a_large_body_and_another_media_type_are_refused(phone):
    headers = {"authorization": f"Bearer {phone.token}"}
    large = phone.client.post(
        f"{ME}/places", b" " * 200_000, content_type="application/json", headers=headers
    )
    assert "64 KiB" in problem(large, 413, "body-too-large")
    form = phone.client.post(
        f"{ME}/places", "latitude=1", content_type="application/x-www-form-urlencoded", headers=headers
    )
    problem(form, 415)
    problem(phone.ask("put", "/places", {}), 405)


def test_a_place_is_stored_rounded_and_shown_as_stored(phone, home):
    assert (home["latitude"], home["longitude"]) == (41.9, -87.65)
    url = f"/places/{home['id']}"
    assert phone.ask("get", url).json() == home
    assert phone.ask("patch", url, {"label": ""}).json()["label"] == ""
    assert phone.ask("delete", url).status_code == 204
    problem(phone.ask("get", url), 404, "not-yours")
    problem(phone.ask("delete", url), 404, "not-yours")


@pytest.mark.parametrize("kind", ["place", "commute", "rule"])
def test_things_of_other_devices_do_not_exist(client, phone, home, kind):
    other = Phone(client)
    commute = phone.make(
        "/commutes",
        {"days": ["mon"], "start": "07:30", "end": "08:30", "origin": home["id"], "destination": home["id"]},
    )
    rule = phone.make(
        "/rules",
        {"place": home["id"], "variable": "rain", "comparison": "above", "threshold": 0, "probability": 0.4},
    )
    thing = {"place": home, "commute": commute, "rule": rule}[kind]
    for method, body in (("get", None), ("patch", {}), ("delete", None)):
        mine, none = (other.ask(method, f"/{kind}s/{name}", body) for name in (thing["id"], "0" * 8))
        assert problem(mine, 404, "not-yours").replace(thing["id"], "") == problem(
            none, 404, "not-yours"
        ).replace("0" * 8, "")
    assert phone.ask("get", f"/{kind}s/{thing['id']}").status_code == 200
    assert phone.ask("patch", f"/{kind}s/{thing['id']}", {}).json() == thing
    assert phone.ask("delete", f"/{kind}s/{thing['id']}").status_code == 204
    assert phone.ask("get", f"/{kind}s").json() == {f"{kind}s": []}


def test_own_reports_change_the_own_forecast_and_say_by_how_much(phone, home, run):
    public = phone.ask("get", "/forecast").json()["places"][0]
    assert public["corrections"] == []
    assert set(public["hourly"]["temperature"]["correction"]) == {0.0}
    reply = phone.make("/observations", measured(home, value=22.5))
    assert (reply["accepted"], reply["forecast"]) == (True, pytest.approx(20.3, abs=0.6))
    [learned] = phone.ask("get", "/forecast").json()["places"][0]["corrections"]
    assert (learned["now"], learned["reports"]) == (0.0, 1)
    assert "not enough yet" in learned["why"]
    BiasFilter.objects.all().delete()
    teach(Place.objects.get(), warmer=2.5)
    mine = phone.ask("get", "/forecast").json()["places"][0]
    series = mine["hourly"]["temperature"]
    assert series["public"] == public["hourly"]["temperature"]["public"]
    for before, change, after in zip(series["public"], series["correction"], series["personal"], strict=True):
        assert before + change == pytest.approx(after, abs=0.051)
    assert 1.5 < series["correction"][0] < 3
    assert mine["hourly"]["feels_like"]["correction"][0] > 1
    [learned] = mine["corrections"]
    assert (learned["variable"], learned["unit"], learned["reports"]) == ("temperature", "°C", 337)
    assert "337 reports of your own here" in learned["why"]
    assert learned["now"] == pytest.approx(series["correction"][0], abs=0.11)


def test_reasons_are_told_in_the_language_of_the_device(phone, home, run):
    phone.make("/places", {"latitude": 0, "longitude": 0})
    phone.make("/observations", measured(home, value=22.5))
    phone.ask("patch", body={"language": None})
    reply = phone.ask("get", "/forecast", **{"accept-language": "zh-CN"})
    near, away = reply.json()["places"]
    assert reply["Content-Language"] == "zh"
    assert near["corrections"][0]["why"].startswith("您在此处的 1 次报告")
    assert near["corrections"][0]["why"].endswith("因此未作修正。")
    assert near["feels_like"]["why"] == "普通人的体感指数（UTCI），按天空状况计入日照。"
    assert away["unavailable"].endswith("暂无数据：150 公里内没有可用的预报站。")
    BiasFilter.objects.all().delete()
    teach(Place.objects.get(label="Balcony"), warmer=2.5)
    for number, english in ((1, "your one vote says"), (2, "your 2 votes say")):
        vote = {"place": home["id"], "time": EARLIER, "vote": 1, "id": f"v-{number}"}
        phone.make("/votes", vote)
        mine = phone.ask("get", "/forecast").json()["places"][0]
        assert english in mine["feels_like"]["why"]
    phone.ask("patch", body={"language": "zh"})
    mine = phone.ask("get", "/forecast").json()["places"][0]
    assert mine["feels_like"]["why"].endswith("已按您的 2 次投票调整为您的感受。")
    assert mine["corrections"][0]["why"].startswith("修正来自您在此处的 337 次报告")


def test_units_are_those_of_the_profile(phone, home, run):
    celsius = phone.ask("get", "/forecast").json()["places"][0]["hourly"]
    phone.ask(
        "patch",
        body={"temperature_unit": "fahrenheit", "wind_speed_unit": "ms", "precipitation_unit": "inch"},
    )
    phone.make("/observations", measured(home, value=77, unit="fahrenheit"))
    mine = phone.ask("get", "/forecast").json()["places"][0]
    hourly = mine["hourly"]
    assert (hourly["temperature"]["unit"], hourly["wind_speed"]["unit"], hourly["precipitation"]["unit"]) == (
        "°F",
        "m/s",
        "inch",
    )
    assert hourly["temperature"]["public"][0] == pytest.approx(
        celsius["temperature"]["public"][0] * 1.8 + 32, abs=0.1
    )
    BiasFilter.objects.all().delete()
    teach(Place.objects.get(), warmer=2.5)
    # A difference of 2.5 K is one of 4.5 °F, without the 32.
    assert 3 < phone.ask("get", "/forecast").json()["places"][0]["corrections"][0]["now"] < 5
    assert phone.ask("get", "/export").json()["reports"][0]["value"] == 25.0


def test_a_report_is_counted_once_however_often_it_comes(phone, home, run):
    first = phone.make("/observations", measured(home))
    again = phone.ask("post", "/observations", measured(home))
    assert (again.status_code, again.json()) == (200, first)
    problem(phone.ask("post", "/observations", measured(home, value=9)), 409, "already-sent")
    assert phone.ask("get", "/forecast").json()["places"][0]["corrections"][0]["reports"] == 1


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"time": (NOW + timedelta(minutes=3)).isoformat()}, 400, "future"),
        ({"time": (NOW - timedelta(hours=49)).isoformat()}, 400, "48 hours ago"),
        ({"time": (NOW - timedelta(hours=40)).isoformat()}, 409, "no stored forecast"),
        ({"time": "2026-07-04T18:25:00"}, 400, "with an offset"),
        ({"time": "yesterday"}, 400, "with an offset"),
        ({"time": "0001-01-01T00:00:00+23:00"}, 400, "with an offset"),
        ({"time": 5}, 400, "a text is allowed"),
        ({"variable": "luck"}, 400, "allowed: temperature"),
        ({"unit": "kmh"}, 400, "no unit of temperature"),
        ({"id": "a b"}, 400, "letters, digits"),
        ({"id": ""}, 400, "blank"),
        ({"place": "nowhere"}, 404, "this device has none"),
        ({"value": 1e300, "variable": "surface_pressure"}, 201, ""),
        ({"value": 1e308, "variable": "temperature", "unit": "fahrenheit"}, 201, ""),
    ],
)
def test_reports_that_cannot_be_are_refused(phone, home, run, changes, status, told):
    reply = phone.ask("post", "/observations", measured(home, **changes))
    if status == 201:
        assert (reply.status_code, reply.json()["accepted"]) == (201, False)
    else:
        assert told in problem(reply, status)


def test_a_vote_teaches_what_it_feels_like(phone, home, run):
    before = phone.ask("get", "/forecast").json()["places"][0]
    assert before["feels_like"]["votes"] == 0
    for number in range(5):
        vote = {"id": f"v{number}", "place": home["id"], "time": EARLIER, "vote": -2}
        assert phone.make("/votes", vote)["votes"] == number + 1
    assert phone.ask("post", "/votes", vote).status_code == 200
    after = phone.ask("get", "/forecast").json()["places"][0]
    assert after["hourly"]["feels_like"]["personal"][0] < before["hourly"]["feels_like"]["personal"][0] - 1
    assert after["feels_like"]["spread"] < before["feels_like"]["spread"]
    assert after["hourly"]["temperature"] == before["hourly"]["temperature"]
    for wrong in (
        {**vote, "id": "x", "vote": 4},
        {**vote, "id": "x", "vote": 1.5},
        {**vote, "id": "x", "vote": True},
    ):
        assert "vote" in problem(phone.ask("post", "/votes", wrong), 400)


def test_without_a_run_reports_and_forecasts_wait(phone, home):
    for reply in (
        phone.ask("get", "/forecast"),
        phone.ask("get", "/briefing"),
        phone.ask("post", "/observations", measured(home)),
    ):
        problem(reply, 503, "no-forecast-yet")
        assert reply["Retry-After"] == "60"


def test_a_place_without_stations_says_so_and_the_others_are_served(phone, home, run):
    far = phone.make("/places", {"latitude": 0, "longitude": 0})
    near, away = phone.ask("get", "/forecast").json()["places"]
    assert (
        len(near["hourly"]["time"]) == 35
    )  # from 14:00 of today until the midnight after tomorrow, at UTC−5
    assert "No data is available" in away["unavailable"]
    assert "0, 0" not in away["unavailable"]
    assert "unavailable" in phone.ask("get", "/briefing").json()["places"][1]
    problem(phone.ask("post", "/observations", measured(far)), 409, "no-forecast-there")


def test_activities_and_commutes_come_with_the_forecast(phone, home, run):
    phone.ask("patch", body={"activities": ["running", "stargazing"]})
    phone.make(
        "/commutes",
        {
            "days": ["sat", "sun"],
            "start": "17:00",
            "end": "18:30",
            "origin": home["id"],
            "destination": home["id"],
        },
    )
    body = phone.ask("get", "/forecast").json()
    running, stars = body["places"][0]["activities"]
    assert len(running["score"]) == len(body["places"][0]["hourly"]["time"])
    assert running["limiting"][0] == "rain"
    assert stars["limiting"][0] == "dark"
    [commute] = body["commutes"]
    assert [way["start"] for way in commute["ways"]] == ["2026-07-04T17:00-05:00", "2026-07-05T17:00-05:00"]
    assert commute["ways"][0]["origin"]["precipitation_probability"] == 70
    assert commute["ways"][0]["origin"] == commute["ways"][0]["destination"]


def test_one_place_and_days_can_be_chosen_and_nothing_else(phone, home, run):
    assert (
        len(
            phone.ask("get", "/forecast", query={"place": home["id"], "days": 1}).json()["places"][0][
                "hourly"
            ]["time"]
        )
        == 11
    )
    for query, told in (
        ({"days": 0}, "1 to 3"),
        ({"days": "x"}, "1 to 3"),
        ({"day": 1}, "Did you mean 'days'?"),
        ({"days": [1, 2]}, "once"),
    ):
        assert told in problem(phone.ask("get", "/forecast", query=query), 400, "input-invalid")
    problem(phone.ask("get", "/forecast", query={"place": "x"}), 404, "not-yours")


def test_a_forecast_may_be_kept_by_the_device_and_asked_about(phone, home, run):
    first = phone.ask("get", "/forecast")
    assert first["Cache-Control"] == "private, no-cache"
    same = phone.ask("get", "/forecast", **{"if-none-match": first["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    phone.make("/observations", measured(home))
    assert phone.ask("get", "/forecast", **{"if-none-match": first["ETag"]}).status_code == 200


def test_a_briefing_speaks_the_devices_language(phone, home, run):
    english = phone.ask("get", "/briefing")
    assert english["Content-Language"] == "en"
    [place] = english.json()["places"]
    assert "Balcony" in place["text"]
    assert place["facts"]["periods"]
    assert "rain" in place["text"].lower()
    phone.ask("patch", body={"language": "zh"})
    chinese = phone.ask("get", "/briefing").json()["places"][0]
    assert "雨" in chinese["text"]
    phone.ask("patch", body={"language": None})
    listened = phone.ask("get", "/briefing", **{"accept-language": "fr, zh-CN;q=0.8, en;q=0.5"})
    assert listened["Content-Language"] == "zh"
    assert listened.json()["places"][0]["text"] == chinese["text"]


def test_what_a_rule_finds_comes_into_the_feed_once(phone, home, run):
    phone.make(
        "/rules",
        {
            "place": home["id"],
            "variable": "rain",
            "comparison": "above",
            "threshold": 0.2,
            "unit": "mm",
            "probability": 0.4,
        },
    )
    assert phone.ask("get", "/feed").json() == {"entries": [], "cursor": "0", "more": False}
    assert alerts.evaluate_rules(now=NOW) == 1
    assert alerts.evaluate_rules(now=NOW) == 0
    body = phone.ask("get", "/feed").json()
    [entry] = body["entries"]
    assert entry["text"].startswith("Balcony: Rain above 0.2 mm around ")
    assert "70 %" in entry["text"] or "6" in entry["text"]
    assert phone.ask("get", "/feed", query={"after": body["cursor"]}).json()["entries"] == []
    problem(phone.ask("get", "/feed", query={"after": "-1"}), 400)


def test_an_export_has_everything_but_the_secrets(phone, home, run):
    phone.make("/observations", measured(home))
    phone.make("/votes", {"id": "v1", "place": home["id"], "time": EARLIER, "vote": 1})
    phone.make(
        "/rules",
        {"place": home["id"], "variable": "rain", "comparison": "above", "threshold": 0, "probability": 0.4},
    )
    secret = phone.ask("put", "/webhook", {"url": "https://hooks.example.org/x"}).json()["secret"]
    alerts.evaluate_rules(now=NOW)
    reply = phone.ask("get", "/export")
    body = reply.json()
    assert {
        name: len(body[name]) for name in ("places", "rules", "reports", "votes", "entries")
    } == dict.fromkeys(("places", "rules", "reports", "votes", "entries"), 1)
    assert body["places"][0]["learned"][0]["state"]["reports"] == 1
    assert body["comfort"]["votes"] == 1
    assert body["webhook"]["url"] == "https://hooks.example.org/x"
    row = Device.objects.get()
    for hidden in (secret, phone.token, row.token_sha256, row.token_prefix):
        assert hidden not in reply.content.decode()


def test_erasing_kills_the_token_at_once(phone, home, run):
    assert phone.ask("delete").status_code == 204
    problem(phone.ask("get"), 401)
    problem(phone.ask("delete"), 401)
    assert not Device.objects.exists()


def test_a_rotated_token_is_the_only_one(phone):
    old = phone.token
    phone.token = phone.ask("post", "/token").json()["token"]
    assert phone.ask("get").status_code == 200
    phone.token = old
    problem(phone.ask("get"), 401)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "https://user:pw@hooks.example.org/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://hooks.example.org:22/",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org/#x",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nX: y",
        "https://[::1",
        "https://bücher.example/",
        "https://" + "a" * 500,
        "https://",
        "nonsense",
    ],
)
def test_a_webhook_that_may_not_be_called_is_refused_at_once(phone, url):
    assert "url" in problem(phone.ask("put", "/webhook", {"url": url}), 400)
    problem(phone.ask("get", "/webhook"), 404)


def test_a_webhook_is_set_read_and_removed(phone):
    made = phone.ask("put", "/webhook", {"url": "https://hooks.example.org/x"}).json()
    shown = phone.ask("get", "/webhook").json()
    assert shown == {"url": "https://hooks.example.org/x", "failures": 0, "disabled_because": ""}
    assert (
        phone.ask("put", "/webhook", {"url": "https://hooks.example.org/x"}).json()["secret"]
        != made["secret"]
    )
    assert phone.ask("delete", "/webhook").status_code == 204
    problem(phone.ask("delete", "/webhook"), 404)


def test_calls_are_limited_per_device_and_say_when_to_come_back(phone, client, settings):
    settings.DEVICE_CALLS_PER_MINUTE = 3
    assert [phone.ask("get").status_code for _ in range(4)] == [200, 200, 200, 429]
    reply = phone.ask("get")
    problem(reply, 429, "too-many-calls")
    assert 1 <= int(reply["Retry-After"]) <= 61
    assert Phone(client).ask("get").status_code == 200


def test_calls_are_limited_per_address_before_a_token_is_looked_at(client, settings):
    settings.ADDRESS_CALLS_PER_MINUTE = 2
    assert [client.get(ME).status_code for _ in range(3)] == [401, 401, 429]
    assert client.get(ME, REMOTE_ADDR="192.0.2.7").status_code == 401


def test_registrations_are_limited_per_address(client, settings):
    settings.DEVICE_REGISTRATIONS_PER_HOUR = 2
    statuses = [
        client.post("/v1/devices", "{}", content_type="application/json").status_code for _ in range(3)
    ]
    assert statuses == [201, 201, 429]
    settings.PROXIES = 1
    forwarded = {"x-forwarded-for": "203.0.113.9, 198.51.100.4"}
    reply = client.post("/v1/devices", "{}", content_type="application/json", headers=forwarded)
    assert reply.status_code == 201
    assert Device.objects.count() == 3


def test_the_admin_shows_counts_and_no_device(admin_client, phone, home):
    page = admin_client.get("/admin/personal/device/").content.decode()
    assert "Devices per day" in page
    assert "41.9" not in page
    assert phone.profile["id"] not in page
    for name in ("place", "ownreport", "vote", "rule"):
        assert admin_client.get(f"/admin/personal/{name}/").status_code == 404
    assert admin_client.get(f"/admin/personal/device/{phone.profile['id']}/change/").status_code in {302, 404}
    assert admin_client.get("/admin/").status_code == 200


def test_a_forecast_costs_five_queries(phone, home, run, django_assert_num_queries):
    phone.ask("get", "/forecast")
    # 1. device  2. places  3. run  4. filters  5. commutes
    with django_assert_num_queries(5):
        phone.ask("get", "/forecast")


@pytest.mark.parametrize(
    ("threshold", "told"), [(1e308, "10000"), (-1e308, "-10000"), (10**400, "not finite")]
)
def test_a_threshold_that_no_weather_has_is_refused(phone, home, threshold, told):
    rule = {
        "place": home["id"],
        "variable": "rain",
        "comparison": "above",
        "probability": 0.4,
        "unit": "inch",
    }
    assert told in problem(phone.ask("post", "/rules", {**rule, "threshold": threshold}), 400)
