"""Blobs in a bucket: moto's S3 server on a port of its own stands for any that speaks S3."""

import urllib.error
import urllib.request

import boto3
import bsdiff4
import pytest
import zstandard
from botocore.exceptions import ResponseStreamingError
from botocore.response import StreamingBody
from django.urls import reverse
from moto.server import ThreadedMotoServer

from mobile_models import deltas, services, storage, verification
from mobile_models.errors import StorageFailed, UnknownDigest
from mobile_models.models import Bundle
from mobile_models.selectors import blob_path
from mobile_models.stores.address import parse_storage
from mobile_models.stores.folder import BLOCK
from tests.blobs import bytes_of, roll_out, store_bundle
from tests.factories import build_bundle

pytestmark = pytest.mark.django_db

BUCKET, PREFIX = "models", "phones/blobs"


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    yield client
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    client.close()


@pytest.fixture(autouse=True)
def store(settings, tmp_path, s3, endpoint):
    settings.BLOBS_DIR, settings.BLOB_CACHE_DIR = tmp_path / "blobs", tmp_path / "cache"
    address = f"s3://{BUCKET}/{PREFIX}?endpoint_url={endpoint}&region_name=us-east-1&addressing_style=path"
    settings.STORAGES = {**settings.STORAGES, "bundles": parse_storage(address)}
    return storage.store()


def keys(s3):
    return sorted(entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []))


def body(response):
    return b"".join(response.streaming_content)


def test_a_registered_bundle_lies_in_the_bucket_and_nowhere_else(s3, tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "verify_archive", lambda path: None)
    path = build_bundle(tmp_path / "made.zip")
    bundle = services.register_bundle(path=path)
    wanted = [bundle.sha256, *(form["sha256"] for form in bundle.encodings.values())]
    assert keys(s3) == sorted(
        f"{PREFIX}/{sha256[:2]}/{sha256}" for sha256 in {*wanted, bundle.card_sha256} - {""}
    )
    assert [file for file in (tmp_path / "blobs").rglob("*") if file.is_file()] == []
    assert storage.is_stored(bundle.sha256)
    assert bytes_of(bundle.sha256) == path.read_bytes()


def test_storing_again_sends_nothing(s3, monkeypatch):
    storage.put_bytes(b"a card")
    monkeypatch.setattr(type(storage.store()), "_save", None)
    storage.put_bytes(b"a card")
    assert len(keys(s3)) == 1


def test_a_bucket_that_is_gone_is_a_named_error(s3, client):
    bundle = store_bundle()
    for key in keys(s3):
        s3.delete_object(Bucket=BUCKET, Key=key)
    response = client.get(reverse("blob", args=[bundle.sha256]))
    assert (response.status_code, response["Content-Type"]) == (503, "application/problem+json")
    s3.delete_bucket(Bucket=BUCKET)
    with pytest.raises(StorageFailed, match="could not be stored"):
        storage.put_bytes(b"a card")


def test_a_bucket_that_does_not_answer_is_a_named_error(settings, monkeypatch):
    address = "s3://models?endpoint_url=http://127.0.0.1:9&region_name=us-east-1"
    settings.STORAGES = {**settings.STORAGES, "bundles": parse_storage(address)}
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", refuse)
    with pytest.raises(StorageFailed, match=r"cannot be read: .*127"):
        storage.is_stored("0" * 64)


def refuse(session, request):
    from botocore.exceptions import EndpointConnectionError

    raise EndpointConnectionError(endpoint_url=request.url)


def test_a_download_streams_only_the_range(client):
    bundle = store_bundle()
    whole = body(client.get(reverse("blob", args=[bundle.sha256])))
    assert whole == bytes_of(bundle.sha256)
    response = client.get(reverse("blob", args=[bundle.sha256]), headers={"Range": "bytes=100-199"})
    assert (response.status_code, body(response)) == (206, whole[100:200])
    blocks = client.get(reverse("blob", args=[bundle.sha256])).streaming_content
    assert max(len(block) for block in blocks) <= BLOCK
    response = client.get(reverse("blob", args=[bundle.sha256]), headers={"Accept-Encoding": "zstd"})
    assert zstandard.ZstdDecompressor().decompress(body(response)) == whole


def test_a_bucket_that_breaks_off_is_a_named_error(client, monkeypatch):
    bundle = store_bundle()

    def broken(*_):
        raise ResponseStreamingError(error="broken off")

    monkeypatch.setattr(StreamingBody, "read", broken)
    answer = client.get(reverse("blob", args=[bundle.sha256]), headers={"Range": "bytes=0-9"})
    assert answer.status_code == 503
    assert "broken off" in answer.json()["detail"]


class Watched:
    """Counts what was read of a bucket's answer."""

    def __init__(self, source):
        self.source, self.read_bytes = source, 0

    def read(self, size):
        block = self.source.read(size)
        self.read_bytes += len(block)
        return block

    def close(self):
        self.source.close()


def test_the_bucket_is_asked_for_no_more_than_the_range():
    sha256 = storage.put_bytes(bytes(10 * BLOCK))
    source = Watched(storage.open_blob(sha256, 5, 100))
    assert source.read(BLOCK) == bytes(100)
    assert source.read(BLOCK) == b""
    source.close()


def test_the_servers_model_is_fetched_once_and_its_digest_checked(s3, settings):
    bundle = store_bundle(variant="server_fp32")
    path = blob_path(bundle.sha256)
    assert path.parent == settings.BLOB_CACHE_DIR
    for key in keys(s3):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"rotten")
    assert blob_path(bundle.sha256) == path
    path.unlink()
    with pytest.raises(StorageFailed, match="gave other bytes"):
        blob_path(bundle.sha256)
    assert list(settings.BLOB_CACHE_DIR.iterdir()) == []
    with pytest.raises(UnknownDigest):
        blob_path("0" * 64)


def test_patches_are_made_from_fetched_archives(client):
    old, new = store_bundle(offset=1.0), store_bundle(offset=2.0)
    roll_out(old)
    deltas.make_deltas(new)
    sent = body(client.get(reverse("blob-delta", args=[new.sha256, old.sha256])))
    assert bsdiff4.patch(bytes_of(old.sha256), sent) == bytes_of(new.sha256)


def fetch(url, method="GET", **headers):
    request = urllib.request.Request(url, method=method, headers=headers)
    with urllib.request.urlopen(request) as response:
        return response.status, response.headers, response.read()


class TestRedirect:
    @pytest.fixture(autouse=True)
    def redirect(self, settings):
        settings.BLOBS_SERVE = "redirect"

    @pytest.fixture
    def bundle(self):
        return store_bundle()

    def test_the_bucket_sends_the_chosen_form_with_its_headers(self, client, bundle):
        response = client.get(
            reverse("blob", args=[bundle.sha256]), headers={"Accept-Encoding": "zstd", "Range": "bytes=1-2"}
        )
        assert response.status_code == 307
        assert response["Vary"] == "Accept-Encoding, Available-Dictionary"
        status, headers, sent = fetch(response["Location"])
        assert status == 200
        assert headers["Content-Encoding"] == "zstd"
        assert headers["Content-Type"] == "application/zip"
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert zstandard.ZstdDecompressor().decompress(sent) == bytes_of(bundle.sha256)
        status, headers, part = fetch(response["Location"], Range="bytes=1-2")
        assert (status, part) == (206, sent[1:3])

    def test_the_redirect_is_forgotten_before_its_signature_ends(self, client, bundle, settings):
        settings.BLOBS_URL_SECONDS = 100
        response = client.get(reverse("blob", args=[bundle.sha256]))
        assert response["Cache-Control"] == "public, max-age=70"
        assert "X-Amz-Expires=100&" in response["Location"]

    def test_an_address_is_good_for_what_it_was_signed_for(self, client, bundle):
        head = client.head(reverse("blob", args=[bundle.sha256]))
        status, headers, _ = fetch(head["Location"], "HEAD")
        assert (status, headers["Content-Length"]) == (200, str(bundle.size))

    def test_what_needs_no_bytes_is_answered_here(self, client, bundle):
        url = reverse("blob", args=[bundle.sha256])
        assert client.get(url, headers={"If-None-Match": f'"{bundle.sha256}"'}).status_code == 304
        assert client.get(url, headers={"Range": f"bytes={bundle.size}-"}).status_code == 416
        Bundle.objects.update(state=Bundle.State.REFUSED)
        assert client.get(url).status_code == 404
