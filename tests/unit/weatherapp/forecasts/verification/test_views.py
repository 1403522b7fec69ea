from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.weather import INIT
from weatherapp.forecasts.models import DriftAlarm
from weatherapp.forecasts.verification import services
from weatherapp.forecasts.verification import views as module

pytestmark = pytest.mark.django_db
AFTER = INIT + timedelta(hours=60)
URL = "/v1/verification"


@pytest.fixture
def verified(run, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: AFTER)
    services.verify_runs(now=AFTER)
    return run


def test_every_variable_has_its_scores_unit_and_reference(client, verified):
    body = client.get(URL).json()
    assert (body["since"], body["until"]) == ("2026-06-08", "2026-07-07")
    assert (body["runs"], body["replays"], body["hindcasts"], body["delay_hours"]) == (1, 1, 0, 2)
    names = [result["variable"] for result in body["results"]]
    assert names[0] == "temperature"
    assert names[-1] == "precipitation_probability"
    temperature = body["results"][0]
    assert temperature == {
        "variable": "temperature",
        "unit": "degC",
        "metric": "CRPS",
        "n": 144,
        "score": 1.0,
        "mae": 1.0,
        "rmse": 1.0,
        "bias": -1.0,
        "reference": {"n": 144, "score": 0.0, "forecast_score": 1.0, "skill": None},
    }
    assert body["reliability"] == [{"n": 144, "probability": 0.1, "frequency": 0.0}]
    assert body["alarms"] == []


@pytest.mark.parametrize(
    ("query", "count", "keys"),
    [
        ("variable=temperature&group_by=lead", 48, {"lead": 1}),
        ("variable=temperature&group_by=lead_bucket", 4, {"lead_bucket": "1-6"}),
        ("variable=temperature&group_by=day", 3, {"day": "2026-07-04"}),
        ("variable=temperature&group_by=station", 3, {"station": "chi"}),
        ("variable=temperature&group_by=station,lead_bucket", 12, {"station": "chi", "lead_bucket": "1-6"}),
        ("variable=temperature&group_by=release", 1, {"release": "2026.07.04-1"}),
        ("variable=temperature,wind", 2, {"variable": "temperature"}),
        ("variable=temperature&variable=wind", 2, {"variable": "temperature"}),
        ("variable=temperature&lead_bucket=1-6&group_by=lead", 6, {"lead": 1}),
        ("variable=temperature&lead_bucket=1-6,7-12&group_by=lead_bucket", 2, {"lead_bucket": "1-6"}),
        ("variable=temperature&since=2026-07-06&until=2026-07-06&group_by=day", 1, {"day": "2026-07-06"}),
        ("variable=temperature&until=2026-07-01", 0, {}),
    ],
)
def test_results_are_grouped_and_chosen(client, verified, query, count, keys):
    results = client.get(f"{URL}?{query}").json()["results"]
    assert len(results) == count
    assert all(results[0][name] == value for name, value in keys.items())


def test_a_stations_scores_are_its_own(client, verified):
    body = client.get(f"{URL}?variable=temperature&station=chi&lead_bucket=13-24").json()
    assert [result["n"] for result in body["results"]] == [12]
    assert body["reliability"] == []


def test_alarms_come_along(client, verified):
    figures = {"checked": AFTER, "statistic": 5.123456789, "recent": 1.2, "before": 1}
    DriftAlarm.objects.create(variable="wind", opened=AFTER, **figures)
    DriftAlarm.objects.create(variable="dew_point", opened=AFTER, closed=AFTER, **figures)
    (alarm,) = client.get(URL).json()["alarms"]
    assert (alarm["variable"], alarm["statistic"]) == ("wind", 5.12346)


def test_the_answer_holds_until_something_is_counted(client, run, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: AFTER)
    first = client.get(URL)
    assert first["Access-Control-Allow-Origin"] == "*"
    again = client.get(URL, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    services.verify_runs(now=AFTER)
    fresh = client.get(URL, headers={"If-None-Match": first["ETag"]})
    assert fresh.status_code == 200
    assert fresh["ETag"] != first["ETag"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("variable=luck", "'variable' has 'luck'; allowed: temperature, "),
        ("group_by=colour", "'group_by' has 'colour'; allowed: variable, lead"),
        ("lead_bucket=1-7", "'lead_bucket' has '1-7'; allowed: 1-6, 7-12, 13-24, 25-48"),
        ("station=atlantis", "'station' has 'atlantis'; there is no such station"),
        ("station=%00", "'station' has"),
        ("release=99", "'release' has '99'; there is no such release"),
        ("since=yesterday", "'since' is 'yesterday'; allowed: one day, YYYY-MM-DD"),
        ("since=2026-02-30", "'since' is '2026-02-30'"),
        ("until=0001-01-01", "'until' is '0001-01-01'"),
        ("until=2026-01-01,2026-01-02", "'until' is '2026-01-01,2026-01-02'"),
        ("since=2026-07-05&until=2026-07-04", "'until' not before 'since'"),
        ("since=2020-01-01&until=2026-07-04", "at most 400 days"),
        ("varible=temperature", "'varible' is no parameter; allowed: variable, station"),
        ("group_by=lead&station=chi", "Group by lead_bucket"),
        ("group_by=lead,lead_bucket", "one of the two"),
        ("station=" + ",".join(f"s{n}" for n in range(51)), "'station' has 51 values; allowed: at most 50"),
    ],
)
def test_bad_parameters_are_problems_that_name_what_is_allowed(client, verified, query, said):
    reply = client.get(f"{URL}?{query}")
    assert reply.status_code == 400
    assert reply["Content-Type"] == "application/problem+json"
    assert said in reply.json()["detail"]


def test_too_many_groups_are_refused(client, verified, monkeypatch):
    monkeypatch.setattr(module, "MOST_RESULTS", 5)
    assert "more than 5 groups" in client.get(f"{URL}?group_by=lead").json()["detail"]
    assert client.get(f"{URL}?variable=temperature&group_by=day").status_code == 200


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.sampled_from(["variable", "station", "release", "since", "until", "group_by", "lead_bucket"]),
        st.text(max_size=20),
    )
)
def test_any_text_is_an_answer_or_a_named_refusal(client, values):
    assert client.get(URL, values).status_code in {200, 400}


def test_other_methods_are_refused(client):
    assert client.post(URL).status_code == 405
