"""Downloads over Django's client: what phones, browsers and caches see."""

import base64
import hashlib
from io import BytesIO

import brotli
import bsdiff4
import pytest
import zstandard
from django.http import StreamingHttpResponse

from mobile_models import deltas, encodings, patches, storage
from mobile_models.catalog import build_catalog
from mobile_models.downloads import Window
from mobile_models.errors import StorageFailed
from mobile_models.models import Bundle, Delta, Revocation
from mobile_models.stores.folder import BLOCK, FolderStorage
from tests.blobs import bytes_of, roll_out, store_bundle

pytestmark = pytest.mark.django_db

VARY = "Accept-Encoding, Available-Dictionary"
CARD = b"<!doctype html><title>A card</title>"


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.BLOBS_DIR = tmp_path / "blobs"
    return settings.BLOBS_DIR


@pytest.fixture
def bundle(db):
    return store_bundle(offset=2.0, card=CARD)


@pytest.fixture
def content(bundle):
    return bytes_of(bundle.sha256)


@pytest.fixture
def base(bundle, monkeypatch):
    """An older bundle, with patches from it."""
    older = store_bundle(offset=1.0)
    roll_out(older)
    before, after = bytes_of(older.sha256), bytes_of(bundle.sha256)
    monkeypatch.setattr(deltas, "_patch", lambda kind, *_: patches.KINDS[kind][0](before, after))
    deltas.make_deltas(bundle)
    return older


@pytest.fixture
def fetch(client):
    answers = []

    def get(path, method="get", **headers):
        answers.append(getattr(client, method)(f"/v1/blobs/{path}", headers=headers))
        return answers[-1]

    yield get
    for response in answers:
        response.close()


@pytest.fixture
def blob(fetch, bundle):
    return lambda method="get", **headers: fetch(bundle.sha256, method, **headers)


def body(response):
    return b"".join(response.streaming_content)


def digest(data):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def available(sha256):
    return f":{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def assert_problem(response, status, *words):
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:skyfold:problem:")
    for word in words:
        assert word in document["detail"]


def test_a_whole_download(blob, bundle, content):
    response = blob()
    assert response.status_code == 200
    assert body(response) == content
    assert response["Content-Type"] == "application/zip"
    assert response["ETag"] == f'"{bundle.sha256}"'
    assert response["Content-Length"] == str(len(content))
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response["Accept-Ranges"] == "bytes"
    assert response["Vary"] == VARY
    assert response["Repr-Digest"] == response["Content-Digest"] == digest(content)
    assert response["Use-As-Dictionary"] == 'match="/v1/blobs/*"'
    assert "Content-Encoding" not in response


DECODERS = {
    "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data),
    "br": brotli.decompress,
    "gzip": encodings.gzip.decompress,
}


@pytest.mark.parametrize("coding", DECODERS)
def test_each_compressed_form_is_a_representation_of_its_own(blob, bundle, content, coding):
    response = blob(**{"Accept-Encoding": f"deflate, {coding}"})
    sent = body(response)
    form = bundle.encodings[coding]
    assert response["Content-Encoding"] == coding
    assert DECODERS[coding](sent) == content
    assert response["ETag"] == f'"{form["sha256"]}"'
    assert response["Repr-Digest"] == response["Content-Digest"] == digest(sent)
    assert response["Content-Length"] == str(form["size"]) == str(len(sent))
    assert response["Vary"] == VARY


def test_the_smallest_form_goes_to_who_takes_all(blob, bundle):
    response = blob(**{"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert len(body(response)) == min(form["size"] for form in bundle.encodings.values())


def test_who_refuses_every_form_is_told_what_there_is(blob):
    response = blob(**{"Accept-Encoding": "identity;q=0, deflate"})
    assert_problem(response, 406, "identity;q=0", "br, gzip, identity, zstd")
    assert response["Vary"] == VARY


@pytest.mark.parametrize("coding", ["", "zstd", "br", "gzip"])
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
    assert rest.get("Content-Encoding", "") == coding


def test_a_part_of_one_form_is_never_continued_with_another(blob, bundle):
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
    assert response["Vary"] == VARY


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
    assert response["Vary"] == VARY
    assert blob(**{"If-None-Match": f'"{bundle.wire_sha256}"'}).status_code == 200
    response = blob(**{"If-Match": '"other"'})
    assert_problem(response, 412, bundle.sha256)
    assert response["Vary"] == VARY


def test_any_accept_gets_the_bytes(blob, content):
    assert body(blob(Accept="application/octet-stream")) == content


@pytest.mark.parametrize("given", ["abc", "G" * 64, "A" * 64, "..", "0" * 65, "%00" * 64])
def test_what_is_no_digest_is_not_found(fetch, given):
    assert_problem(fetch(given), 404, "is not a digest", "64 lower-case hexadecimal")


def test_an_unknown_digest_is_not_found_and_not_remembered(fetch):
    response = fetch("0" * 64)
    assert_problem(response, 404, "No bundle has the digest", "/v1/catalog")
    assert response["Cache-Control"] == "no-store"


def test_a_refused_bundle_is_not_sent_and_neither_is_its_card(blob, fetch, bundle):
    Bundle.objects.filter(pk=bundle.pk).update(state=Bundle.State.REFUSED)
    assert_problem(blob(), 404, "No bundle has the digest")
    assert_problem(fetch(bundle.card_sha256), 404, "No bundle has the digest")


def test_a_revoked_bundle_is_gone_but_its_card_stays(blob, fetch, bundle, base):
    Revocation.objects.create(bundle=bundle, reason="It lies")
    Bundle.objects.filter(pk=bundle.pk).update(state=Bundle.State.REFUSED)
    for response in (blob(), fetch(f"{bundle.sha256}/delta/{base.sha256}")):
        assert_problem(response, 410, "It lies.", "last good")
        assert response["Cache-Control"] == "no-store"
    assert fetch(bundle.card_sha256).status_code == 200


def test_phones_get_off_a_revoked_bundle_by_a_patch(fetch, bundle, base):
    Revocation.objects.create(bundle=base, reason="It lies.")
    assert fetch(f"{bundle.sha256}/delta/{base.sha256}").status_code == 200


def test_lost_bytes_are_said_so(blob, bundle):
    storage.blob_path(bundle.sha256).unlink()
    for response in (blob(), blob(Range="bytes=0-1")):
        assert_problem(response, 503, "Register the bundle again")
    assert blob("head").status_code == 503


def test_a_disk_that_fails_while_it_is_read_is_said_so(blob, monkeypatch):
    class Broken(BytesIO):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(FolderStorage, "open_at", lambda *_: Broken())
    assert_problem(blob(Range="bytes=0-1"), 503, "Input/output error")


def test_an_answer_without_content_names_no_media_type(blob):
    response = blob(**{"If-None-Match": "*"})
    assert response.status_code == 304
    assert "Content-Type" not in response


def test_a_download_costs_one_query_and_constant_memory(blob, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = blob()
    assert max(len(block) for block in response.streaming_content) <= BLOCK


def test_closing_an_unread_answer_closes_the_file():
    source = BytesIO(b"0123456789")
    StreamingHttpResponse(Window(source, 10)).close()
    assert source.closed


def test_a_file_that_shrank_breaks_the_answer_rather_than_ending_it():
    with (
        Window(BytesIO(b"012345678"), 10) as window,
        pytest.raises(StorageFailed, match="shorter than its row"),
    ):
        list(window)


def test_a_model_card_is_a_page_that_may_do_nothing(fetch, bundle):
    response = fetch(bundle.card_sha256, **{"Accept-Encoding": "gzip, br"})
    assert body(response) == CARD
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Vary"] == "Accept-Encoding"
    assert response["ETag"] == f'"{bundle.card_sha256}"'
    assert "Use-As-Dictionary" not in response


class TestDictionaries:
    """RFC 9842."""

    def test_what_changed_goes_to_who_has_the_old_bundle(self, blob, bundle, base, content):
        response = blob(
            **{"Accept-Encoding": "gzip, br, zstd, dcz", "Available-Dictionary": available(base.sha256)}
        )
        sent = body(response)
        assert response["Content-Encoding"] == "dcz"
        old = zstandard.ZstdCompressionDict(bytes_of(base.sha256), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        assert sent[:8] == bytes.fromhex("5e2a4d1820000000")
        assert sent[8:40].hex() == base.sha256
        assert zstandard.ZstdDecompressor(dict_data=old).decompress(sent[40:]) == content
        assert len(sent) < min(form["size"] for form in bundle.encodings.values())
        assert response["Vary"] == VARY
        assert response["Repr-Digest"] == digest(sent)
        assert response["Use-As-Dictionary"] == 'match="/v1/blobs/*"'
        assert response["ETag"] not in {
            blob(**{"Accept-Encoding": coding})["ETag"] for coding in ("", "zstd")
        }

    def test_it_resumes_too(self, blob, base):
        headers = {"Accept-Encoding": "dcz", "Available-Dictionary": available(base.sha256)}
        first = blob(**headers)
        whole = body(first)
        rest = blob(**headers, **{"Range": "bytes=20-", "If-Range": first["ETag"]})
        assert rest.status_code == 206
        assert whole[:20] + body(rest) == whole
        # Without its dictionary the rest is of no use: the whole bundle comes instead.
        other = blob(**{"Range": "bytes=20-", "If-Range": first["ETag"]})
        assert (other.status_code, "Content-Encoding" in other) == (200, False)

    @pytest.mark.parametrize(
        "dictionary",
        [
            available("0" * 64),
            "0" * 64,
            ":not base64:",
            ":AAAA:",
            "::",
            "é",
            ":" + "A" * 10_000 + "=:",
        ],
    )
    def test_a_dictionary_that_is_unknown_or_malformed_changes_nothing(self, blob, base, content, dictionary):
        plain = blob(**{"Accept-Encoding": "dcz, gzip"})
        poisoned = blob(**{"Accept-Encoding": "dcz, gzip", "Available-Dictionary": dictionary})
        assert body(poisoned) == body(plain)
        assert dict(poisoned.items()) == dict(plain.items())
        assert plain["Vary"] == VARY

    @pytest.mark.parametrize("accepted", ["gzip, br", "dcb, gzip", "dcz;q=0, gzip", "gzip, *", "*"])
    def test_who_does_not_name_dcz_does_not_get_it(self, blob, base, accepted):
        response = blob(**{"Accept-Encoding": accepted, "Available-Dictionary": available(base.sha256)})
        assert response.get("Content-Encoding") != "dcz"

    def test_the_bundle_itself_is_no_dictionary_of_it(self, blob, bundle, base):
        response = blob(**{"Accept-Encoding": "dcz, br", "Available-Dictionary": available(bundle.sha256)})
        assert response["Content-Encoding"] == "br"

    def test_a_patch_that_is_not_offered_is_not_sent(self, blob, base):
        Delta.objects.update(offered=False)
        response = blob(**{"Accept-Encoding": "dcz, br", "Available-Dictionary": available(base.sha256)})
        assert response["Content-Encoding"] == "br"

    def test_it_costs_two_queries(self, blob, base, django_assert_num_queries):
        # 1. the bundle  2. the patch
        with django_assert_num_queries(2):
            blob(**{"Accept-Encoding": "dcz", "Available-Dictionary": available(base.sha256)})
        # Nobody looks for what the client would not take.
        with django_assert_num_queries(1):
            blob(**{"Accept-Encoding": "br", "Available-Dictionary": available(base.sha256)})


class TestPatches:
    """`/v1/blobs/{sha256}/delta/{base}`."""

    def test_a_patch_makes_the_new_archive(self, fetch, bundle, base, content):
        response = fetch(f"{bundle.sha256}/delta/{base.sha256}", **{"Accept-Encoding": "gzip, zstd"})
        sent = body(response)
        assert bsdiff4.patch(bytes_of(base.sha256), sent) == content
        assert response["ETag"] == f'"{hashlib.sha256(sent).hexdigest()}"'
        assert response["Repr-Digest"] == response["Content-Digest"] == digest(sent)
        assert response["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Vary"] == "Accept-Encoding"
        assert "Content-Encoding" not in response

    def test_the_catalog_names_what_the_addresses_give(self, client, bundle, base, content):
        roll_out(bundle, state="active")
        (release,) = build_catalog("stable", "linux")["releases"]
        (entry,) = release["bundles"]
        listed = {delta["kind"]: delta for delta in entry["deltas"]}
        assert {delta["base"] for delta in listed.values()} == {base.sha256}
        sent = body(client.get(listed["bsdiff4"]["url"]))
        assert (len(sent), hashlib.sha256(sent).hexdigest()) == (
            listed["bsdiff4"]["size"],
            listed["bsdiff4"]["sha256"],
        )
        assert bsdiff4.patch(bytes_of(base.sha256), sent) == content
        headers = {"Accept-Encoding": "dcz", "Available-Dictionary": available(base.sha256)}
        assert len(body(client.get(entry["url"], headers=headers))) == listed["dcz"]["size"]
        for coding, form in entry["encodings"].items():
            sent = body(client.get(entry["url"], headers={"Accept-Encoding": coding}))
            assert (len(sent), hashlib.sha256(sent).hexdigest()) == (form["size"], form["sha256"])

    def test_it_resumes(self, fetch, bundle, base):
        path = f"{bundle.sha256}/delta/{base.sha256}"
        first = fetch(path)
        whole = body(first)
        rest = fetch(path, **{"Range": "bytes=10-", "If-Range": first["ETag"]})
        assert (rest.status_code, whole[:10] + body(rest)) == (206, whole)
        assert fetch(path, **{"If-None-Match": first["ETag"]}).status_code == 304
        assert_problem(fetch(path, Range=f"bytes={len(whole)}-"), 416)
        assert fetch(path, "head")["Content-Length"] == str(len(whole))

    def test_where_there_is_none_the_whole_is_named(self, fetch, bundle, base):
        for other in ("0" * 64, "abc", "%00", bundle.sha256):
            response = fetch(f"{bundle.sha256}/delta/{other}")
            assert_problem(response, 404, "no patch from", f"/v1/blobs/{bundle.sha256}")
            assert response["Cache-Control"] == "no-store"
        assert response.json()["type"] == "urn:skyfold:problem:no-delta"

    def test_a_patch_to_an_unknown_bundle_is_not_found(self, fetch, base):
        assert_problem(fetch(f"{'0' * 64}/delta/{base.sha256}"), 404, "No bundle has the digest")
        assert_problem(fetch(f"xyz/delta/{base.sha256}"), 404, "is not a digest")

    def test_a_patch_is_no_blob(self, fetch, bundle, base):
        patch = bundle.deltas_to.get(kind=Delta.Kind.BSDIFF)
        assert_problem(fetch(patch.sha256), 404)

    def test_a_patch_costs_one_query_and_a_missing_one_two(
        self, fetch, bundle, base, django_assert_num_queries
    ):
        with django_assert_num_queries(1):
            fetch(f"{bundle.sha256}/delta/{base.sha256}")
        with django_assert_num_queries(2):
            fetch(f"{bundle.sha256}/delta/{'0' * 64}")
