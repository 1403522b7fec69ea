"""What holders are shown before they sign, and what they are not made to sign."""

import base64
import json

import pytest

from mobile_models.errors import KeyRefused, ParameterInvalid, SignatureRefused
from mobile_models.models import PendingMetadata
from mobile_models.signing import exchange, releases, services, store, unlocking
from mobile_models.signing.documents import Holder
from mobile_models.signing.founding import Ring
from mobile_models.signing.keys import load_signer, make_key
from tests.repositories import PASSPHRASE, bundle_row, held_repository, keys_below, release_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(tmp_path, settings):
    return held_repository(tmp_path, settings, keys=2, threshold=1)


@pytest.fixture
def request_file(held, tmp_path):
    """A release's request for signatures."""
    release = release_row("2026.1.1-1", bundle_row(1))
    releases.propose_release(release)
    path = tmp_path / "request.json"
    exchange.export_request(releases.waiting_rows(release), path, purpose="a release")
    return path


def change(path, payload):
    """Put other bytes under the first role."""
    document = json.loads(path.read_text())
    document["documents"][0]["payload"] = payload
    path.write_text(json.dumps(document))


def test_without_a_key_a_request_is_only_shown(request_file):
    before = request_file.read_bytes()
    said = exchange.sign_request(request_file, [])
    assert f"  bundles/linux/{1:064x}.zip 2026.1.1-1 tflite_fp16" in said
    assert "Nothing was signed" in said[-1]
    assert request_file.read_bytes() == before


def test_a_change_of_keys_is_shown_with_who_is_trusted_then(held, tmp_path):
    other = make_key(tmp_path, "other", PASSPHRASE).key
    services.rotate(group="offline", add=[(other, Holder("other"))], threshold=2)
    path = tmp_path / "change.json"
    rows = list(PendingMetadata.objects.all())
    exchange.export_request(rows, path, purpose="a change of keys")
    said = "\n".join(exchange.sign_request(path, [held[0].signer]))
    assert said.count("2 of 3, ") == 2 + 3, "root and targets in the root, platforms in the targets"
    assert other.keyid[:8] in said
    assert f"Signed root with {held[0].key.keyid[:8]}." in said


@pytest.mark.parametrize(
    "content", [b"hello", b"[]", b"\xff\xfe", b'{"_type":"targets","targets":5}', b"{}, {}"]
)
def test_bytes_that_are_no_metadata_are_not_signed(held, request_file, content):
    change(request_file, base64.b64encode(content).decode())
    with pytest.raises(ParameterInvalid, match="damaged"):
        exchange.sign_request(request_file, [held[0].signer])


def test_bytes_that_are_no_base64_are_not_signed(held, request_file):
    change(request_file, "é")
    with pytest.raises(ParameterInvalid, match="damaged"):
        exchange.sign_request(request_file, [held[0].signer])


@pytest.mark.parametrize("role", ["root", "targets", "snapshot"])
def test_metadata_of_another_kind_under_a_platform_is_not_signed(held, request_file, role):
    other = {"root": store.root, "targets": store.targets, "snapshot": store.snapshot}[role]()
    change(request_file, base64.b64encode(other.signed_bytes).decode())
    before = request_file.read_bytes()
    with pytest.raises(ParameterInvalid, match="under ios are other metadata"):
        exchange.sign_request(request_file, [held[0].signer])
    assert request_file.read_bytes() == before


def test_a_request_that_nobody_signed_is_not_taken(request_file):
    rows = list(PendingMetadata.objects.all())
    with pytest.raises(SignatureRefused, match="bears no signature"):
        exchange.import_signatures(rows, request_file)


def test_a_key_without_a_part_is_told_so(held, tmp_path):
    services.rotate(group="offline", threshold=2)
    stranger = make_key(tmp_path, "stranger", PASSPHRASE)
    with pytest.raises(KeyRefused, match="can add a signature"):
        services.sign_waiting([stranger.signer])
    services.sign_waiting([held[0].signer])
    with pytest.raises(KeyRefused, match="signed before"):
        services.sign_waiting([held[0].signer])


def test_a_key_that_is_named_twice_is_refused(held, tmp_path):
    added = (make_key(tmp_path, "twice", PASSPHRASE).key, Holder("twice"))
    with pytest.raises(ParameterInvalid, match="given twice"):
        services.rotate(group="offline", add=[added, added])


def test_a_repository_is_not_founded_on_one_holder_who_counts_twice(tmp_path, settings):
    keys_below(tmp_path, settings)
    made = make_key(tmp_path, "alice", PASSPHRASE)
    with pytest.raises(ParameterInvalid, match="given twice"):
        services.found_repository(offline=Ring.of_files([made, made]), threshold=2)
    assert not PendingMetadata.objects.exists()


def test_a_key_service_may_sign_for_a_key_that_only_waits(tmp_path, settings):
    keys_below(tmp_path, settings)
    made = make_key(tmp_path, "alice", PASSPHRASE)
    ring = Ring((made.key,), {made.key.keyid: Holder("alice")})
    services.found_repository(offline=ring, threshold=1)
    assert unlocking.keys_in_use() == [made.key]
    assert services.sign_waiting([load_signer(made.path, PASSPHRASE)]) == []


def test_a_passphrase_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "passphrase"
    path.write_bytes(b"\xff\xfe" * 8)
    path.chmod(0o600)
    with pytest.raises(KeyRefused, match="no UTF-8 text"):
        unlocking.read_passphrase(path)
