"""The delivery API over Django's client: what phones see."""

import base64
import hashlib

import pytest
import zstandard
from django.http import StreamingHttpResponse
from django.urls import reverse

from mobile_models import services, storage, verification
from mobile_models.blobs import FileWindow
from mobile_models.conditional import Span
from mobile_models.errors import StorageFailed
from mobile_models.models import Bundle
from tests.factories import approve, build_bundle

pytestmark = pytest.mark.django_db


@pytest.fixture
def archives(tmp_path):
    variants = ["tflite_w8a8", "tflite_fp16", "server_fp32"]
    return {name: build_bundle(tmp_path / f"{name}.zip", variant=name) for name in variants}


@pytest.fixture
def release(settings, tmp_path, monkeypatch, archives):
    settings.BLOBS_DIR = tmp_path / "blobs"
    monkeypatch.setattr(verification, "verify_archive", lambda path: None)  # not what is tested here
    bundles = [services.register_bundle(path=path) for path in archives.values()]
    made = approve(services.create_release(bundles=bundles))
    services.start_rollout(release=made, channel="stable", basis_points=10_000)
    return made


@pytest.fixture
def bundle(release):
    return release.bundles.get(variant="tflite_fp16")


@pytest.fixture
def content(bundle):
    return storage.blob_path(bundle.sha256).read_bytes()


@pytest.fixture
def blob(client, bundle):
    answers = []

    def get(method="get", **headers):
        answers.append(getattr(client, method)(reverse("blob", args=[bundle.sha256]), headers=headers))
        return answers[-1]

    yield get
    for response in answers:
        response.close()


def resolve(client, **query):
    return client.get(reverse("resolve", args=["point"]), query)


def body(response):
    return b"".join(response.streaming_content)


def digest(data):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def assert_problem(response, status, *words):
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:skyfold:problem:")
    for word in words:
        assert word in document["detail"]


def test_resolve_says_all_that_a_phone_needs(client, release, bundle):
    answer = resolve(client, platform="android", os_version="14", ram_mb="8192").json()
    assert answer == {
        "release": release.version,
        "release_counter": 1,
        "rollout": {"salt": release.rollouts.get().salt, "basis_points": 10_000},
        "url": f"/v1/blobs/{bundle.sha256}",
        "otherwise": None,
        "bundle": {
            "name": "point",
            "variant": "tflite_fp16",
            "format": "tflite",
            "precision": "fp16",
            "platforms": ["ios", "android", "linux"],
            "size": bundle.size,
            "sha256": bundle.sha256,
            "encodings": {"zstd": {"size": bundle.wire_size, "sha256": bundle.wire_sha256}},
            "contract": bundle.manifest["contract"],
            "engine_min": {"litert": "2.0"},
            "url": f"/v1/blobs/{bundle.sha256}",
        },
    }


def test_a_lean_device_gets_int8(client, release):
    assert resolve(client, platform="linux", perf_class="low").json()["bundle"]["variant"] == "tflite_w8a8"


def test_resolve_costs_two_queries(client, release, django_assert_num_queries):
    # 1. the channel's active rollouts with their releases  2. the releases' bundles
    with django_assert_num_queries(2):
        resolve(client, platform="ios")


def test_a_device_outside_a_staged_share_gets_what_everyone_has(client, release):
    staged = services.create_release(bundles=list(release.bundles.all()))
    approve(staged)
    services.start_rollout(release=staged, channel="stable", basis_points=100)
    answer = resolve(client, platform="linux").json()
    assert (answer["release"], answer["rollout"]["basis_points"]) == (staged.version, 100)
    assert (answer["otherwise"]["release"], answer["otherwise"]["release_counter"]) == (release.version, 1)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, ["platform: it is missing", "ios, android, linux"]),
        ({"platform": "windows"}, ["platform: 'windows'", "ios, android, linux"]),
        ({"platform": "ios", "ram_mb": "-5"}, ["ram_mb: '-5'", "from 1"]),
        ({"platform": "ios", "os_version": "new"}, ["os_version: 'new'", "one to four numbers"]),
        ({"platform": "ios", "app_version": "1.x"}, ["app_version: '1.x'"]),
        ({"platform": "ios", "perf_class": "fast"}, ["perf_class: 'fast'", "low, mid, high"]),
        ({"platform": "ios", "channel": "Stable!"}, ["channel: 'Stable!'", "lower-case"]),
        ({"platform": "ios", "channel": "a\0"}, ["channel: "]),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_allowed(client, release, query, words):
    assert_problem(resolve(client, **query), 400, *words)


def test_unknown_names_list_the_known(client, release):
    assert_problem(client.get("/v1/models/globe/resolve?platform=ios"), 404, "'globe'", "point")
    assert_problem(resolve(client, platform="ios", channel="nightly"), 404, "'nightly'", "beta, stable")
    assert_problem(resolve(client, platform="ios", channel="beta"), 404, "Channel beta offers no release")


def test_nothing_for_the_device_is_said_so(client, release):
    release.bundles.exclude(variant="server_fp32").update(state=Bundle.State.REFUSED)
    assert_problem(resolve(client, platform="linux"), 404, "no bundle for linux", "none for phones")


def test_what_is_on_offer_can_be_asked_for_conditionally(client, release):
    for url in (reverse("catalog"), reverse("models"), reverse("resolve", args=["point"]) + "?platform=ios"):
        first = client.get(url)
        assert first["Cache-Control"] == "public, max-age=60"
        again = client.get(url, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_the_catalog_lists_every_bundle_on_offer(client, release):
    answer = client.get(reverse("catalog")).json()
    assert answer["channel"] == "stable"
    (listed,) = answer["releases"]
    assert listed["release"] == release.version
    assert [bundle["variant"] for bundle in listed["bundles"]] == [
        "server_fp32",
        "tflite_fp16",
        "tflite_w8a8",
    ]
    for bundle in listed["bundles"]:
        assert len(body(client.get(bundle["url"]))) == bundle["size"]


def test_the_models_name_their_contracts(client):
    (model,) = client.get(reverse("models")).json()["models"]
    assert (model["name"], model["contract"]["name"]) == ("point", "skyfold-point")


def test_a_whole_download(blob, bundle, content):
    response = blob()
    assert response.status_code == 200
    assert body(response) == content
    assert response["ETag"] == f'"{bundle.sha256}"'
    assert response["Content-Length"] == str(len(content))
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response["Accept-Ranges"] == "bytes"
    assert response["Vary"] == "Accept-Encoding"
    assert response["Repr-Digest"] == response["Content-Digest"] == digest(content)
    assert "Content-Encoding" not in response


def test_the_compressed_form_is_a_representation_of_its_own(blob, bundle, content):
    response = blob(**{"Accept-Encoding": "gzip, zstd"})
    sent = body(response)
    assert response["Content-Encoding"] == "zstd"
    assert zstandard.ZstdDecompressor().decompress(sent) == content
    assert response["ETag"] == f'"{bundle.sha256}-zstd"'
    assert response["Repr-Digest"] == digest(sent)
    assert response["Content-Length"] == str(bundle.wire_size) == str(len(sent))


@pytest.mark.parametrize("coding", ["", "zstd"])
def test_a_broken_download_resumes(blob, coding):
    headers = {"Accept-Encoding": coding}
    first = blob(**headers)
    whole = body(first)
    have = whole[:1234]
    rest = blob(**headers, **{"Range": "bytes=1234-", "If-Range": first["ETag"]})
    sent = body(rest)
    assert rest.status_code == 206
    assert rest["Content-Range"] == f"bytes 1234-{len(whole) - 1}/{len(whole)}"
    assert rest["Content-Length"] == str(len(sent))
    assert have + sent == whole
    assert rest["Content-Digest"] == digest(sent)
    assert rest["Repr-Digest"] == first["Repr-Digest"] == digest(whole)
    assert rest["ETag"] == first["ETag"]


def test_a_part_of_one_form_is_never_continued_with_another(blob, content, bundle):
    response = blob(**{"Accept-Encoding": "zstd", "Range": "bytes=10-", "If-Range": f'"{bundle.sha256}"'})
    assert response.status_code == 200
    assert len(body(response)) == bundle.wire_size


@pytest.mark.parametrize("validator", ['W/"{}"', '"other"', "Sat, 21 Nov 2026 10:00:00 GMT"])
def test_a_weak_or_other_validator_gets_the_whole(blob, bundle, content, validator):
    response = blob(**{"Range": "bytes=10-", "If-Range": validator.format(bundle.sha256)})
    assert response.status_code == 200
    assert body(response) == content


def test_a_suffix_and_several_ranges(blob, content):
    response = blob(Range="bytes=-100")
    assert (response.status_code, body(response)) == (206, content[-100:])
    response = blob(Range="bytes=0-1,5-6")
    assert (response.status_code, body(response)) == (200, content)


def test_a_range_behind_the_end_says_where_the_end_is(blob, content):
    response = blob(Range=f"bytes={len(content)}-")
    assert_problem(response, 416, f"{len(content)} bytes")
    assert response["Content-Range"] == f"bytes */{len(content)}"
    assert response["Vary"] == "Accept-Encoding"


def test_head_says_what_get_would_send(blob, content):
    response = blob("head", Range="bytes=0-1")
    assert (response.status_code, response.content) == (200, b"")
    assert response["Content-Length"] == str(len(content))
    assert response["Repr-Digest"] == digest(content)
    assert response["Content-Digest"] == digest(b"")


def test_conditional_downloads(blob, bundle):
    response = blob(**{"If-None-Match": f'"{bundle.sha256}"'})
    assert (response.status_code, response.content) == (304, b"")
    assert response["ETag"] == f'"{bundle.sha256}"'
    assert response["Vary"] == "Accept-Encoding"
    assert blob(**{"If-None-Match": f'"{bundle.sha256}-zstd"'}).status_code == 200
    assert_problem(blob(**{"If-Match": '"other"'}), 412, bundle.sha256)


def test_any_accept_gets_the_bytes(blob, content):
    assert body(blob(Accept="application/octet-stream")) == content


@pytest.mark.parametrize("given", ["abc", "G" * 64, "A" * 64, "..", "0" * 65, "%00" * 64])
def test_what_is_no_digest_is_not_found(client, given):
    assert_problem(client.get(f"/v1/blobs/{given}"), 404, "is not a digest", "64 lower-case hexadecimal")


def test_an_unknown_digest_is_not_found(client, db):
    assert_problem(client.get(f"/v1/blobs/{'0' * 64}"), 404, "No bundle has the digest", "/v1/catalog")


def test_a_refused_bundle_is_not_sent(blob, bundle):
    Bundle.objects.filter(pk=bundle.pk).update(state=Bundle.State.REFUSED)
    assert_problem(blob(), 404, "No bundle has the digest")


def test_lost_bytes_are_said_so(blob, bundle):
    storage.blob_path(bundle.sha256).unlink()
    for response in (blob(), blob(Range="bytes=0-1")):
        assert_problem(response, 503, "Register the bundle again")
    assert blob("head").status_code == 503


def test_a_download_costs_one_query_and_constant_memory(blob, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = blob()
    assert max(len(block) for block in response.streaming_content) <= storage.BLOCK


def test_closing_an_unread_answer_closes_the_file(bundle):
    path = storage.blob_path(bundle.sha256)
    window = FileWindow(path.open("rb"), Span(0, 9))
    response = StreamingHttpResponse(window)
    response.close()
    assert window._file.closed


def test_a_file_that_shrank_breaks_the_answer_rather_than_ending_it(bundle):
    path = storage.blob_path(bundle.sha256)
    window = FileWindow(path.open("rb"), Span(bundle.size - 5, bundle.size))
    with window, pytest.raises(StorageFailed, match="shorter than its row says"):
        list(window)
