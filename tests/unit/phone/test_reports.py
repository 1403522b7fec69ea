"""What a phone tells: counts of what it did, each once, for a week at most, and not who or where it is."""

import json
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest

from mobile_models.reports.schema import schema
from phone.errors import ServerRefused
from phone.forecast import cell_name
from phone.reports import Reports
from phone.skill import Skill
from phone.transport import Deadline, Server

LABELS = {
    "channel": "stable", "platform": "linux", "release": "2026.1.1-1", "release_counter": 1,
    "variant": "tflite_fp16", "arm": "control", "rollout_counter": 2, "perf_class": "high", "cell": "N41W088",
    "os_version": None, "app_version": "2.1",
}  # fmt: skip


@pytest.fixture
def reports(phone):
    return Reports(phone.state)


@pytest.fixture
def send(reports, address):
    return lambda: reports.send(Server(address), Deadline(5))


def valid(batch):
    jsonschema.Draft202012Validator(schema()).validate(batch)
    return True


def test_a_batch_is_what_the_server_takes(server, reports, send):
    reports.add(LABELS, [("check", "ok"), ("infer", "ok")], milliseconds=[0.2, 3.0, 5000.0])
    reports.add(
        LABELS, [("check", "ok")], golden={"cases": 16, "failed": 0}, skill=Skill(count=4, mean_abs_error=1.5)
    )
    reports.add(LABELS, [("check", "failed")], golden={"cases": 16, "failed": 16}, skill=Skill(4, 0.5))
    assert send() == {"sent": 1, "kept": 0, "dropped": 0, "reason": None}
    ((headers, batch),) = server.posted
    assert headers["Authorization"] == "Report some-token"
    assert valid(batch)
    counted = {(row["operation"], row["outcome"]): row["count"] for row in batch["operations"]}
    assert counted == {("check", "ok"): 2, ("infer", "ok"): 1, ("check", "failed"): 1}
    assert batch["latency"]["counts"] == [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert batch["golden"] == {"cases": 32, "failed": 16}
    assert batch["skill"] == [{"variable": "temperature", "count": 8, "mean_abs_error": 1.0}]
    assert {name: batch[name] for name in LABELS} == LABELS


def test_nothing_in_a_batch_names_the_device_or_its_place(server, phone, reports, send):
    """Two phones that did the same differ in the random id of the batch and in its time."""
    batches = []
    for _ in range(2):
        reports.add(LABELS, [("infer", "ok")])
        send()
        batches.append(server.posted[-1][1])
    assert batches[0].pop("batch_id") != batches[1].pop("batch_id")
    for batch in batches:
        batch.pop("sent_at")
    assert batches[0] == batches[1]
    secret = phone.state.bucket("salt") and (phone.folder / "secret").read_bytes()
    assert secret.hex() not in json.dumps(server.posted)
    # No header says more than HTTP needs.
    assert set(server.posted[0][0]) <= {
        "Host", "Accept-Encoding", "Content-Type", "Content-Length", "Authorization"
    }  # fmt: skip


@pytest.mark.parametrize("place", [(41.881832, -87.623177), (-33.9, 18.4)])
def test_no_place_finer_than_a_degree_is_told(place):
    assert len(cell_name(*place)) == 7
    assert cell_name(*place)[1:3].isdecimal()
    assert cell_name(*place)[4:].isdecimal()


def test_a_batch_is_sent_again_under_the_same_id_until_the_server_has_it(server, reports, send):
    reports.add(LABELS, [("infer", "ok")])
    server.post_status = 503
    assert send()["kept"] == 1
    reports.add(LABELS, [("crash", "failed")])
    server.post_status = 202
    assert send() == {"sent": 2, "kept": 0, "dropped": 0, "reason": None}
    first, *later = [batch for _, batch in server.posted]
    assert first in later
    assert len({batch["batch_id"] for _, batch in server.posted}) == 2


@pytest.mark.parametrize(("status", "kept"), [(429, 1), (500, 1), (408, 1), (422, 0), (400, 0), (413, 0)])
def test_what_the_server_will_never_take_is_dropped(server, reports, send, status, kept):
    reports.add(LABELS, [("infer", "ok")])
    server.post_status = status
    answer = send()
    assert (answer["kept"], answer["dropped"]) == (kept, 1 - kept)
    assert "as the test says" in answer["reason"]


def test_no_server_keeps_what_waits(reports):
    reports.add(LABELS, [("infer", "ok")])
    assert reports.send(Server("http://127.0.0.1:9"), Deadline(5))["kept"] == 1


def test_what_waited_for_a_week_is_dropped_unsent(server, phone, reports, send):
    reports.add(LABELS, [("infer", "ok")])
    reports.seal()
    (waiting,) = (phone.state.notes / "outbox").iterdir()
    batch = json.loads(waiting.read_text())
    batch["sent_at"] = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    waiting.write_text(json.dumps(batch))
    assert send()["dropped"] == 1
    assert server.posted == []


def test_hours_that_the_server_would_refuse_are_left_out(server, phone, reports, send):
    reports.add(LABELS, [("infer", "ok")])
    path = phone.state.notes / "journal.json"
    journal = json.loads(path.read_text())
    old = (datetime.now(UTC) - timedelta(days=8)).replace(minute=0, second=0, microsecond=0)
    journal["operations"][f"check ok {old.isoformat()}"] = 3
    path.write_text(json.dumps(journal))
    send()
    assert [row["operation"] for row in server.posted[0][1]["operations"]] == ["infer"]


def test_what_was_done_under_another_release_is_a_batch_of_its_own(server, reports, send):
    reports.add(LABELS, [("infer", "ok")])
    reports.add({**LABELS, "release_counter": 2, "release": "2026.1.2-1"}, [("infer", "ok")])
    assert send()["sent"] == 2
    assert {batch["release_counter"] for _, batch in server.posted} == {1, 2}


def test_a_token_is_kept_and_asked_for_again_when_it_is_denied(server, reports, send):
    for number in range(3):
        server.post_status = 401 if number == 2 else 202
        reports.add(LABELS, [("infer", "ok")])
        send()
    asked = [path for path, _ in server.requests if path == "/v1/reports/token"]
    assert len(asked) == 2
    server.post_status = 202
    assert send()["sent"] == 1


@pytest.mark.parametrize("token", [None, 5, "two words", "line\r\nX-Evil: yes", "ü"])
def test_what_is_no_token_never_becomes_a_header(server, reports, send, token):
    server.documents["/v1/reports/token"] = {"token": token}
    reports.add(LABELS, [("infer", "ok")])
    assert "no report token" in send()["reason"]
    assert server.posted == []


def test_a_crash_is_counted_at_the_next_start_and_once(phone, reports):
    reports.begin_inference()
    again = Reports(phone.state)
    assert again.has_crashed()
    assert not again.has_crashed()
    again.begin_inference()
    again.end_inference()
    assert not Reports(phone.state).has_crashed()


def test_switched_off_everything_is_forgotten(phone, reports):
    reports.add(LABELS, [("infer", "ok")])
    reports.seal()
    reports.add(LABELS, [("infer", "ok")])
    reports.begin_inference()
    reports.forget()
    assert [path for path in phone.state.notes.rglob("*") if path.is_file()] == []


def test_telemetry_poisoning_a_phone_cannot_report_more_than_it_did(server, phone, bundles, reports, send):
    """Its own counts come from steps that happened; what a server answers adds none."""
    server.offer(bundles[0])
    report = phone.update()
    reports.add(LABELS, report.operations)
    server.post_status = 422
    send()
    server.post_status = 202
    assert send() == {"sent": 0, "kept": 0, "dropped": 0, "reason": None}
    counts = [row["count"] for _, batch in server.posted for row in batch["operations"]]
    assert counts == [1] * 5


def test_a_refusal_says_its_status():
    assert ServerRefused("no", status=422).status == 422
    assert ServerRefused("no").status is None
