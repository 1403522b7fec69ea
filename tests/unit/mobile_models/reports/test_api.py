"""What the report endpoints take, refuse and keep."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core import signing
from django.utils import timezone
from jsonschema import Draft202012Validator

from mobile_models.models import (
    HealthCount,
    ReportBatch,
    ReportCount,
    ReportToken,
    Rollout,
    TokenClaim,
)
from mobile_models.reports import body, services, tokens
from tests.reporting import batch, new_token, send, staged

pytestmark = pytest.mark.django_db


@pytest.fixture
def rollout():
    return staged()


@pytest.fixture
def token(client, rollout):
    return new_token(client)


def nothing_stored():
    return not any(
        model.objects.exists() for model in (ReportBatch, ReportCount, HealthCount, TokenClaim, ReportToken)
    )


def test_a_batch_is_counted_per_release_variant_cell_hour_and_outcome(client, token):
    reply = send(client, token, batch("exposed", latency=None))
    assert (reply.status_code, reply.json()["counted"]) == (202, True)
    rows = ReportCount.objects.values_list(
        "release", "variant", "arm", "platform", "perf_class", "cell", "operation", "outcome", "count"
    )
    device = ("v2", "tflite_fp16", "exposed", "ios", "mid", "N41W088")
    assert set(rows) == {(*device, "check", "ok", 1), (*device, "infer", "ok", 1)}
    assert {row.hour.minute for row in ReportCount.objects.all()} == {0}


def test_the_same_batch_again_counts_nothing(client, token):
    document = batch()
    assert send(client, token, document).json()["counted"]
    again = send(client, token, document)
    assert (again.status_code, again.json()["counted"]) == (202, False)
    assert set(ReportCount.objects.values_list("count", flat=True)) == {1}
    assert ReportToken.objects.get().batches == 1


def test_counts_of_many_batches_add_up(client, token):
    for _ in range(3):
        send(
            client,
            token,
            batch(
                latency={"unit": "ms", "edges": [1, 4], "counts": [0, 2, 0]},
                skill=[{"variable": "temperature", "count": 4, "mean_abs_error": 1.5}],
                golden={"cases": 16, "failed": 0},
            ),
        )
    found = {(row.operation, row.outcome): row for row in ReportCount.objects.all()}
    assert found["infer", "ok"].count == 3
    assert (found["latency", "ms"].count, found["latency", "ms"].total) == (6, 12.0)
    assert (found["skill", "temperature"].count, found["skill", "temperature"].total) == (12, 18.0)
    assert found["golden_case", "ok"].count == 48


def test_nothing_about_the_sender_is_stored(client, token):
    send(client, token, batch(), headers={"User-Agent": "somebody"}, REMOTE_ADDR="192.0.2.77")
    stored = [str(list(model.objects.values())) for model in (ReportBatch, ReportToken, TokenClaim)]
    assert not any("192.0.2.77" in text or "somebody" in text or token in text for text in stored)


def test_a_batch_of_a_device_with_only_the_apps_own_bundle_is_taken(client, token):
    own = {"release": None, "release_counter": None, "variant": None}
    assert send(client, token, batch("control", **own)).status_code == 202
    assert send(client, token, batch(None, rollout_counter=None, **own)).status_code == 202
    assert ReportCount.objects.filter(arm="").count() == 0


def test_a_device_outside_the_experiment_counts_for_what_it_runs(client, token):
    assert send(client, token, batch(None, rollout_counter=None)).status_code == 202
    assert set(ReportCount.objects.values_list("rollout__release_counter", "arm")) == {(1, "")}
    assert not HealthCount.objects.exists()


def hours(**delta):
    return (timezone.now() + timedelta(**delta)).isoformat()


def entry(**changes):
    done = {"operation": "infer", "outcome": "ok", "count": 1, "hour": hours(), **changes}
    return {"operations": [done]}


@pytest.mark.parametrize(
    ("changes", "status", "named"),
    [
        ({"batch_id": "1"}, 400, "batch_id"),
        ({"batch_id": str(uuid4()) + "\n"}, 400, "batch_id"),
        ({"sent_at": "yesterday"}, 400, "sent_at"),
        ({"sent_at": "2026-02-30T00:00:00Z"}, 400, "sent_at"),
        ({"sent_at": "0001-01-01T00:00:00+14:00"}, 400, "sent_at"),
        ({"platform": "symbian"}, 400, "platform"),
        ({"platform": "android"}, 400, "platform: 'android' was given; allowed is the token's, ios"),
        ({"channel": "beta"}, 400, "channel"),
        ({"arm": "both"}, 400, "arm"),
        ({"arm": None}, 400, "arm: null was given with rollout_counter 2"),
        ({"rollout_counter": "2"}, 400, "rollout_counter"),
        ({"rollout_counter": 2**40}, 400, "rollout_counter"),
        ({"rollout_counter": True}, 400, "rollout_counter"),
        ({"release_counter": None}, 400, "release"),
        ({"release": None, "release_counter": None}, 400, "variant"),
        ({"cell": "N91W088"}, 400, "cell"),
        ({"cell": "N41W088\n"}, 400, "cell"),
        ({"perf_class": "fast"}, 400, "perf_class"),
        ({"device_id": "x"}, 400, "device_id: it is unknown"),
        ({"operations": {}}, 400, "operations"),
        ({"latency": {"unit": "s", "edges": [1], "counts": [1, 1]}}, 400, "latency.unit"),
        ({"latency": {"unit": "ms", "edges": [2, 1], "counts": [1, 1, 1]}}, 400, "latency.edges"),
        ({"latency": {"unit": "ms", "edges": [1], "counts": [1]}}, 400, "latency.counts"),
        ({"latency": {"unit": "ms", "edges": [1], "counts": [1, 1, 1]}}, 400, "latency.counts"),
        ({"latency": {"unit": "ms", "edges": [1], "counts": [1, -1]}}, 400, "latency.counts[1]"),
        ({"golden": {"cases": 2, "failed": 3}}, 400, "golden.failed"),
        ({"skill": [{"variable": "luck", "count": 1, "mean_abs_error": 1}]}, 400, "skill[0].variable"),
        ({"skill": [{"variable": "dew_point", "count": 1}]}, 400, "skill[0].mean_abs_error: it is missing"),
        ({"rollout_counter": 9}, 422, "rollout_counter"),
        ({"release_counter": 9}, 422, "release_counter"),
        ({"release": "v2"}, 422, "release"),
        ({"variant": "tflite_pal9"}, 422, "variant"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_stored(client, token, changes, status, named):
    reply = send(client, token, batch(**changes))
    assert (reply.status_code, reply["Content-Type"]) == (status, "application/problem+json")
    assert reply.json()["detail"].startswith(named)
    assert "allowed" in reply.json()["detail"] or "required" in reply.json()["detail"] or status == 422
    assert nothing_stored()


@pytest.mark.parametrize(
    ("changes", "status", "named"),
    [
        ({"operation": "explode"}, 400, "operations[0].operation"),
        ({"outcome": "perhaps"}, 400, "operations[0].outcome"),
        ({"count": -1}, 400, "operations[0].count"),
        ({"count": 1.5}, 400, "operations[0].count"),
        ({"count": 10**400}, 400, "operations[0].count"),
        ({"more": 1}, 400, "operations[0].more"),
        ({"hour": hours(minutes=20)}, 422, "operations[0].hour"),
        ({"hour": hours(days=-8)}, 422, "operations[0].hour"),
    ],
)
def test_an_operation_that_cannot_be_is_named(client, token, changes, status, named):
    reply = send(client, token, batch(**entry(**changes)))
    assert (reply.status_code, reply.json()["detail"].startswith(named)) == (status, True)
    assert nothing_stored()


def test_a_clock_a_little_ahead_is_taken(client, token):
    assert send(client, token, batch(sent_at=hours(minutes=9))).status_code == 202
    assert send(client, token, batch(sent_at=hours(minutes=11))).status_code == 422


def test_too_many_entries_are_refused(client, token):
    reply = send(client, token, batch(operations=entry()["operations"] * 201))
    assert (reply.status_code, "201 entries" in reply.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("sent", "more", "status"),
    [
        ("", {}, 415),
        ("[]", {}, 400),
        ("{", {}, 400),
        ('{"a": NaN}', {}, 400),
        ('{"a": 1, "a": 2}', {}, 400),
        ('{"a": "\\ud800"}', {}, 400),
        ('{"release": "\\u0000"}', {}, 400),
        ("[" * 60_000, {}, 400),
        ('{"a":' * 10_000, {}, 400),
        (b"\xff\xfe", {}, 400),
        (json.dumps(batch()).encode("utf-16"), {}, 400),
        (" " * (body.MOST + 1), {}, 413),
        ("{}", {"content_type": "text/plain"}, 415),
        ("{}", {"content_type": "application/x-www-form-urlencoded"}, 415),
        ("{}", {"headers": {"Content-Encoding": "gzip"}}, 415),
    ],
)
def test_a_body_that_is_no_batch_is_refused(client, token, sent, more, status):
    reply = send(client, token, sent, **more)
    assert (reply.status_code, reply["Content-Type"]) == (status, "application/problem+json")
    assert nothing_stored()


def test_a_long_body_is_refused_by_its_length_before_it_is_read(rf):
    class Unread:
        def read(self, *_):
            raise AssertionError("it was read")

    request = rf.post("/v1/reports", b"{}", content_type="application/json")
    request.META["CONTENT_LENGTH"] = str(10 * 2**20)
    request._stream = Unread()
    with pytest.raises(body.ReportTooLarge):
        body.read(request)


class Endless:
    """A chunked body as a server hands it on: how much of it was read is counted."""

    def __init__(self, start=b""):
        self.start, self.given = start, 0

    def read(self, size):
        self.given += size
        return (self.start + b" " * size)[:size] if not self.start else self.start


def chunked(rf, stream, *, ended):
    request = rf.post(
        "/v1/reports", b"{}", content_type="application/json", headers={"Transfer-Encoding": "chunked"}
    )
    request.META.pop("CONTENT_LENGTH", None)
    request.META |= {"wsgi.input": stream, "wsgi.input_terminated": ended}
    return request


def test_a_chunked_body_is_read_up_to_the_limit_only(rf):
    stream = Endless()
    with pytest.raises(body.ReportTooLarge):
        body.read(chunked(rf, stream, ended=True))
    assert stream.given == body.MOST + 1
    assert body.read(chunked(rf, Endless(b'{"a": 1}'), ended=True)) == {"a": 1}
    with pytest.raises(body.LengthRequired):
        body.read(chunked(rf, Endless(), ended=False))


@pytest.mark.parametrize(
    "header", ["", "Report", "Report x", "Bearer x", "Report " + "x" * 500, "Report é", "Report a:b:c"]
)
def test_without_a_token_of_this_server_nothing_is_taken(client, rollout, header):
    reply = client.post(
        "/v1/reports", batch(), content_type="application/json", headers={"Authorization": header}
    )
    assert (reply.status_code, reply["WWW-Authenticate"]) == (401, 'Report realm="skyfold"')
    assert nothing_stored()


def test_a_token_ends_after_two_days_and_cannot_be_changed(client, rollout, monkeypatch):
    token = new_token(client)
    assert send(client, token[:-1] + ("A" if token[-1] != "A" else "B"), batch()).status_code == 401
    later = signing.time.time() + tokens.LIFETIME.total_seconds() + 5
    monkeypatch.setattr(signing.time, "time", lambda: later)
    reply = send(client, token, batch())
    assert (reply.status_code, "has ended" in reply.json()["detail"]) == (401, True)


def test_tokens_are_random_kept_in_no_cache_and_stored_nowhere(client, rollout):
    replies = [client.get("/v1/reports/token?platform=ios") for _ in range(2)]
    assert {reply["Cache-Control"] for reply in replies} == {"no-store"}
    assert replies[0].json()["token"] != replies[1].json()["token"]
    assert not ReportToken.objects.exists()


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("platform=symbian", 400), ("platform=ios&channel=nightly", 404)]
)
def test_a_token_for_nothing_is_refused(client, rollout, query, status):
    assert client.get(f"/v1/reports/token?{query}").status_code == status


def test_an_address_gets_only_so_many_tokens(client, rollout, settings):
    settings.REPORT_TOKENS_PER_HOUR = 1
    address = {"REMOTE_ADDR": "192.0.2.201"}
    assert client.get("/v1/reports/token?platform=ios", **address).status_code == 200
    reply = client.get("/v1/reports/token?platform=ios", **address)
    assert (reply.status_code, int(reply["Retry-After"]) > 0) == (429, True)


@pytest.mark.parametrize("limit", ["REPORT_BATCHES_PER_HOUR", "REPORT_OPERATIONS_PER_HOUR"])
def test_a_token_takes_only_so_much_an_hour(client, token, settings, limit):
    setattr(settings, limit, 2)
    assert send(client, token, batch(**entry(count=2))).status_code == 202
    if limit == "REPORT_BATCHES_PER_HOUR":
        assert send(client, token, batch(**entry())).status_code == 202
    before = ReportBatch.objects.count()
    reply = send(client, token, batch(**entry()))
    assert (reply.status_code, int(reply["Retry-After"]) > 0) == (429, True)
    assert ReportBatch.objects.count() == before
    ReportToken.objects.update(hour=timezone.now() - timedelta(hours=1))
    assert send(client, token, batch(**entry())).status_code == 202


def test_the_schema_is_published_and_good(client):
    document = client.get("/v1/reports/schema.json").json()
    Draft202012Validator.check_schema(document)
    assert document["$schema"].endswith("2020-12/schema")
    assert Draft202012Validator(document).is_valid(json.loads(json.dumps(batch())))


def test_a_batch_costs_a_dozen_statements(client, token, django_assert_max_num_queries):
    skill = [{"variable": "temperature", "count": 4, "mean_abs_error": 1.5}]
    send(client, token, batch("exposed", skill=skill))
    # rollouts, variant, token, batch (asked, stored), limits, counts, claim (asked, stored), device counts;
    # and savepoints
    with django_assert_max_num_queries(14):
        send(client, token, batch("exposed", skill=skill))


def test_old_batches_and_ended_tokens_are_forgotten_and_counts_kept(client, token, settings):
    send(client, token, batch())
    assert services.forget(now=timezone.now() + timedelta(days=settings.REPORTS_KEPT_DAYS - 1)) == 0
    assert not ReportToken.objects.exists()
    assert ReportBatch.objects.count() == 1
    services.forget(now=timezone.now() + timedelta(days=settings.REPORTS_KEPT_DAYS + 1))
    assert not ReportBatch.objects.exists()
    assert ReportCount.objects.exists()


def test_what_is_no_longer_staged_counts_for_people_only(client, rollout, token):
    Rollout.objects.filter(pk=rollout.pk).update(state=Rollout.State.HALTED)
    assert send(client, token, batch("exposed")).status_code == 202
    assert ReportCount.objects.exists()
    assert not HealthCount.objects.exists()
