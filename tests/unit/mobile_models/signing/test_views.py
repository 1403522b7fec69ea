"""Metadata and targets over HTTP: the signed bytes, right caching, problems for what is not there."""

import hashlib

import pytest

from mobile_models.models import Metadata, TargetDocument
from mobile_models.signing import services, store
from tests.repositories import bundle_row, release_row

BASE = "/v1/tuf"
FOREVER = "public, max-age=31536000, immutable"
MINUTE = "public, max-age=60"


@pytest.fixture(autouse=True)
def repository(embedded):
    return embedded


def test_metadata_are_the_bytes_that_were_signed(client, embedded):
    for role in ("root", "targets", "ios", "android", "linux", "rollout", "snapshot"):
        row = store.newest(role)
        answer = client.get(f"{BASE}/metadata/{row.version}.{role}.json")
        assert answer.status_code == 200
        assert answer.content == bytes(row.content)
        assert answer["Cache-Control"] == FOREVER
        assert answer["Content-Type"] == "application/json"
    assert client.get(f"{BASE}/metadata/1.root.json").content == embedded == services.trusted_root()


def test_the_timestamp_may_be_kept_for_a_minute(client):
    answer = client.get(f"{BASE}/metadata/timestamp.json")
    assert answer.content == store.content("timestamp")
    assert answer["Cache-Control"] == MINUTE
    assert answer["ETag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    again = client.get(f"{BASE}/metadata/timestamp.json", HTTP_IF_NONE_MATCH=answer["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", answer["ETag"])


def test_that_there_is_no_newer_root_may_be_kept_for_a_minute(client):
    answer = client.get(f"{BASE}/metadata/2.root.json")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == MINUTE
    services.rotate(group="online", signers=services.development_signers())
    assert client.get(f"{BASE}/metadata/2.root.json").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "metadata/root.json", "metadata/1.timestamp.json", "metadata/0.root.json", "metadata/01.root.json",
        "metadata/99999999999999999999.root.json", "metadata/-1.root.json", "metadata/1.nobody.json",
        "metadata/1.root", "metadata/..%2Fsettings.json", "metadata/%00.json",
        "targets/catalog/linux/stable.json", "targets/x", "targets/" + "a" * 3000,
        "targets/catalog/linux/" + "0" * 64 + ".stable.json", "targets/../../" + "0" * 64 + ".x",
        "targets/bundles/linux/" + "0" * 64 + "." + "0" * 64 + ".zip",
    ],
)  # fmt: skip
def test_what_was_never_published_is_a_problem(client, path):
    answer = client.get(f"{BASE}/{path}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert len(answer.json()["detail"]) < 400


def test_a_catalog_has_two_addresses_and_never_changes_at_them(client):
    document = TargetDocument.objects.get(path="catalog/linux/stable.json")
    for path in (
        f"catalog/linux/{document.sha256}.stable.json",
        f"{document.sha256}.catalog/linux/stable.json",
    ):
        answer = client.get(f"{BASE}/targets/{path}")
        assert hashlib.sha256(answer.content).hexdigest() == document.sha256
        assert answer["Cache-Control"] == FOREVER


def test_a_bundle_is_served_for_its_own_platforms_under_its_own_digest(client):
    apple = bundle_row(1, variant="coreml_fp16", platforms=["ios"])
    other = bundle_row(2)
    services.require_signed(release_row("2026.1.1-1", apple, other))
    for platform, name in (("linux", apple.sha256), ("ios", other.sha256)):
        answer = client.get(f"{BASE}/targets/bundles/{platform}/{apple.sha256}.{name}.zip")
        assert answer.status_code == 404


def test_a_role_costs_one_query_and_a_catalog_too(client, django_assert_num_queries):
    with django_assert_num_queries(1):
        client.get(f"{BASE}/metadata/timestamp.json")
    with django_assert_num_queries(1):
        client.get(f"{BASE}/metadata/1.targets.json")
    document = TargetDocument.objects.get(path="catalog/linux/stable.json")
    with django_assert_num_queries(1):
        client.get(f"{BASE}/targets/catalog/linux/{document.sha256}.stable.json")


def test_metadata_is_read_only(client):
    answer = client.post(f"{BASE}/metadata/timestamp.json", "{}", content_type="application/json")
    assert answer.status_code == 405
    head = client.head(f"{BASE}/metadata/timestamp.json")
    assert (head.status_code, head.content) == (200, b"")


def test_before_there_is_a_repository_everything_is_a_problem(client, db):
    Metadata.objects.all().delete()
    answer = client.get(f"{BASE}/metadata/timestamp.json")
    assert answer.status_code == 404
    assert "keys init" in answer.json()["detail"]
