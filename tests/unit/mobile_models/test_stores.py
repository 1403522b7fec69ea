import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from mobile_models import storage
from mobile_models.stores.address import parse_serving, parse_storage
from tests.blobs import store_bundle


def test_without_an_address_blobs_lie_in_a_folder():
    assert parse_storage("") == {"BACKEND": "mobile_models.stores.folder.FolderStorage"}


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("s3://models", {"bucket_name": "models", "location": ""}),
        ("s3://models/phones/blobs/", {"bucket_name": "models", "location": "phones/blobs"}),
        (
            "s3://My.Models/x?endpoint_url=https://minio.example:9000&region_name=eu-1&addressing_style=path",
            {
                "bucket_name": "My.Models",
                "location": "x",
                "endpoint_url": "https://minio.example:9000",
                "region_name": "eu-1",
                "addressing_style": "path",
            },
        ),
    ],
)
def test_a_bucket_is_named_with_its_options(address, options):
    assert parse_storage(address)["OPTIONS"] == options


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/srv/blobs", "allowed: nothing, which is a folder"),
        ("https://bucket.example", "'https'"),
        ("s3://", "s3://bucket/prefix"),
        ("s3://key:secret@models", "never from the address"),
        (
            "s3://models?endpoint=x",
            "the option endpoint; allowed: endpoint_url, region_name, addressing_style",
        ),
    ],
)
def test_another_address_is_refused_with_what_is_allowed(address, words):
    with pytest.raises(ImproperlyConfigured, match=words) as caught:
        parse_storage(address)
    assert "secret@" not in str(caught.value)


def test_each_way_of_serving_needs_its_storage():
    assert parse_serving("stream", "") == parse_serving("stream", "s3://models") == "stream"
    assert parse_serving("x-accel", "") == "x-accel"
    assert parse_serving("redirect", "s3://models") == "redirect"
    with pytest.raises(ImproperlyConfigured, match="needs the folder"):
        parse_serving("x-accel", "s3://models")
    with pytest.raises(ImproperlyConfigured, match="needs a bucket"):
        parse_serving("redirect", "")
    with pytest.raises(ImproperlyConfigured, match="allowed: stream, x-accel, redirect"):
        parse_serving("sendfile", "")


@pytest.mark.django_db
class TestAccel:
    @pytest.fixture(autouse=True)
    def accel(self, settings):
        settings.BLOBS_SERVE = "x-accel"

    @pytest.mark.parametrize("method", ["get", "head"])
    def test_nginx_is_told_the_file_and_every_header_but_the_length(self, client, method):
        bundle = store_bundle()
        response = getattr(client, method)(
            reverse("blob", args=[bundle.sha256]), headers={"Accept-Encoding": "zstd", "Range": "bytes=0-9"}
        )
        form = bundle.encodings["zstd"]["sha256"]
        assert (response.status_code, response.content) == (200, b"")
        assert response["X-Accel-Redirect"] == f"/_blobs/{form[:2]}/{form}"
        assert storage.blob_path(form).is_file()
        assert response["Content-Encoding"] == "zstd"
        assert response["ETag"] == f'"{form}"'
        assert response["Vary"] == "Accept-Encoding, Available-Dictionary"
        assert response["Repr-Digest"].startswith("sha-256=:")
        assert response["Use-As-Dictionary"] == 'match="/v1/blobs/*"'
        # Of a range that nginx cuts, nobody here knows the digest.
        assert "Content-Digest" not in response

    def test_what_needs_no_bytes_is_answered_here(self, client):
        bundle = store_bundle()
        url = reverse("blob", args=[bundle.sha256])
        assert client.get(url, headers={"If-None-Match": f'"{bundle.sha256}"'}).status_code == 304
        assert client.get(url, headers={"Range": f"bytes={bundle.size}-"}).status_code == 416
        storage.blob_path(bundle.sha256).unlink()
        response = client.get(url)
        assert (response.status_code, "X-Accel-Redirect" in response) == (503, False)
