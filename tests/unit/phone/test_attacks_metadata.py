"""Attacks on signed metadata: refused, what was trusted is the same to the byte, and the model still runs."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from phone.errors import MetadataExpired
from phone.trust import LIMITS

PAST = timedelta(days=-1)


def resigned(content, *signers, **changes):
    """The same metadata with other fields, signed by whom a test likes."""
    metadata = Metadata.from_bytes(content)
    for name, value in changes.items():
        setattr(metadata.signed, name, value)
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def newest(repository, role):
    return "timestamp.json" if role == "timestamp" else f"{repository.versions[role]}.{role}.json"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "rollout", "linux"])
def test_arbitrary_software_unsigned_metadata(server, phone, bundles, installed, refused, role):
    server.offer(bundles[1], counter=2)
    name = newest(server.repository, role)
    server.repository.served[name] = resigned(server.repository.served[name])
    refused(phone.update(), "MetadataRefused")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "rollout", "linux"])
def test_arbitrary_software_wrongly_signed_metadata(server, phone, bundles, installed, refused, role):
    server.offer(bundles[1], counter=2)
    name = newest(server.repository, role)
    server.repository.served[name] = resigned(server.repository.served[name], CryptoSigner.generate_ed25519())
    refused(phone.update(), "MetadataRefused")


def test_arbitrary_software_another_catalog_than_was_signed(server, phone, bundles, installed, refused):
    server.offer(bundles[1], counter=2)
    for path, content in server.repository.files.items():
        server.repository.files[path] = content.replace(b"unmetered_then_any", b"unmetered_then_ANY")
    refused(phone.update(), "MetadataRefused")


def test_arbitrary_software_a_root_that_is_not_the_embedded_one(server, phone, bundles, installed, refused):
    """Somebody in between with a whole repository of his own."""
    server.repository = type(server.repository)()
    server.offer(bundles[1], counter=2)
    refused(phone.update(), "MetadataRefused")


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"signed": {}}', b"\xff" * 100, b"[" * 10_000])
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "linux", "root"])
def test_arbitrary_software_metadata_that_is_none(server, phone, bundles, installed, refused, role, broken):
    server.offer(bundles[1], counter=2)
    name = "2.root.json" if role == "root" else newest(server.repository, role)
    server.repository.served[name] = broken
    refused(phone.update(), "Refused")


@pytest.mark.parametrize(
    "change",
    [
        lambda catalog: catalog.update(catalog=2),
        lambda catalog: catalog.pop("policy"),
        lambda catalog: catalog.update(revoked="all"),
        lambda catalog: catalog.update(platform="ios"),
        lambda catalog: catalog["releases"][0].update(release_counter="many"),
        lambda catalog: catalog["releases"][0].update(release_counter=True),
        lambda catalog: catalog["releases"][0].update(conditions={"mood": "good"}),
        lambda catalog: catalog["releases"][0]["rollout"].update(basis_points=10_001),
        lambda catalog: catalog["releases"].append(catalog["releases"][0]),
        lambda catalog: catalog["releases"][0]["bundles"][0].update(sha256="../../state"),
        lambda catalog: catalog["releases"][0]["bundles"][0].update(size=-1),
        lambda catalog: catalog["releases"][0]["bundles"][0].update(url="//elsewhere/blob"),
        lambda catalog: catalog["releases"][0]["bundles"][0].update(encodings={"zstd": {"size": 1}}),
        lambda catalog: catalog["releases"][0]["bundles"][0].update(deltas=[{"kind": "bsdiff4"}]),
        lambda catalog: catalog["releases"][0]["bundles"][0].update(engine_min={"litert": "new"}),
        lambda catalog: catalog["releases"][0]["bundles"][0].update(app_range={"min": "x", "max": None}),
        lambda catalog: catalog["releases"][0].update(bundles=None),
        lambda catalog: catalog["reports"].update(url="https://elsewhere.example/"),
    ],
)
def test_a_signed_catalog_that_cannot_be_read_changes_nothing(
    server, phone, bundles, installed, refused, change
):
    server.offer(bundles[1], counter=2)
    change(server.catalog)
    document = json.dumps(server.catalog).encode()
    server.repository.add_file("rollout", "catalog/linux/stable.json", document)
    server.repository.publish()
    refused(phone.update(), "CatalogRefused")


def test_rollback_older_metadata(server, phone, bundles, refused):
    before = dict(server.repository.served)
    server.offer(bundles[1], counter=2)
    phone.update()
    newer = phone.trusted()
    server.repository.served.update(before)
    refused(phone.update(), "MetadataRefused", newer)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "rollout", "linux"])
def test_rollback_of_one_role(server, phone, bundles, installed, refused, role):
    """The older file under the newer name."""
    older = server.repository.served[newest(server.repository, role)]
    server.offer(bundles[1], counter=2)
    assert phone.update().outcome == "installed"
    newer = phone.trusted()
    server.publish()
    server.repository.served[newest(server.repository, role)] = older
    refused(phone.update(), "MetadataRefused", newer)


def test_rollback_same_version_with_other_content(server, phone, bundles, installed, refused):
    """Signed by the right key, but the phone has seen this version: it keeps what it saw."""
    repository = server.repository
    seen = repository.served["timestamp.json"]
    other = Metadata.from_bytes(seen).signed
    other.snapshot_meta.version += 1
    repository.served["timestamp.json"] = resigned(
        seen, *repository.signers["timestamp"], snapshot_meta=other.snapshot_meta
    )
    assert phone.update().outcome == "current"
    assert phone.trusted() == installed


def test_rollback_replayed_revocation_list(server, phone, bundles, installed, refused):
    """A bundle was revoked; the list from before is played again."""
    innocent = dict(server.repository.served)
    server.catalog["revoked"] = [phone.state.record.current]
    server.publish()
    phone.update()
    assert phone.state.record.revoked == (phone.state.record.current,)
    revoked = phone.trusted()
    server.repository.served.update(innocent)
    report = phone.update()
    assert "MetadataRefused" in report.reason
    assert phone.trusted() == revoked


def test_rollback_lower_release_counter(server, phone, bundles, installed, refused):
    """Validly signed by a stolen online key: the older release again, under its older counter."""
    server.offer(bundles[1], counter=2)
    phone.update()
    newer = {path: content for path, content in phone.trusted().items() if not path.startswith("trust/")}
    server.catalog["releases"] = [one for one in server.catalog["releases"] if one["release_counter"] == 1]
    server.publish()
    report = phone.update()
    assert (report.outcome, report.decision.action) == ("kept", "keep")
    after = {path: content for path, content in phone.trusted().items() if not path.startswith("trust/")}
    assert after == newer


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "rollout", "linux", "root"])
def test_freeze_expired_metadata(server, phone, bundles, installed, refused, role):
    server.repository.lifetimes[role] = PAST
    if role == "root":
        server.repository.rotate("root")
    server.offer(bundles[1], counter=2)
    report = phone.update()
    assert isinstance(report.error, MetadataExpired)
    assert "the installed model stays in use" in report.reason
    if role == "root":
        roots = {path for path in phone.trusted() if path not in installed}
        assert roots == {"trust/root_history/2.root.json"}
        installed = phone.trusted()
    refused(report, "expired", installed)


def test_freeze_the_phone_says_since_when_it_knows_nothing_new(server, phone, installed):
    """What it trusted runs out while the same old metadata is played."""
    assert phone.trust.stale_since(datetime.now(UTC)) is None
    later = datetime.now(UTC) + timedelta(days=366)
    since = phone.trust.stale_since(later)
    assert timedelta(0) < later - since < timedelta(days=2)


def test_fast_forward_and_recovery_by_rotation(server, phone, bundles, installed):
    """A stolen key signs version 99999; new keys for the role let the phone start from low numbers again."""
    repository = server.repository
    repository.versions.update(timestamp=99_998, snapshot=99_998)
    server.publish()
    assert phone.update().outcome == "current"
    assert phone.trust.versions()["timestamp"] == phone.trust.versions()["snapshot"] == 99_999
    repository.versions.update(timestamp=1, snapshot=1)
    server.publish()
    forwarded = phone.trusted()
    assert "MetadataRefused" in phone.update().reason
    assert phone.trusted() == forwarded
    repository.rotate("timestamp", "snapshot")
    second = server.offer(bundles[1], counter=2)
    assert phone.update().outcome == "installed"
    assert phone.state.usable().sha256 == second
    assert phone.trust.versions()["timestamp"] == repository.versions["timestamp"] < 10


@pytest.mark.parametrize("role", ["targets", "rollout", "linux"])
def test_mix_and_match_of_metadata_of_two_moments(server, phone, bundles, installed, refused, role):
    """Each file is validly signed, but they were never in force together."""
    server.offer(bundles[1], counter=2)
    older = server.repository.served[newest(server.repository, role)]
    server.publish()
    server.repository.served[newest(server.repository, role)] = older
    refused(phone.update(), "MetadataRefused")


@pytest.mark.parametrize(
    ("role", "limit"),
    [
        ("timestamp", LIMITS.timestamp_max_length),
        ("root", LIMITS.root_max_length),
        ("snapshot", LIMITS.snapshot_max_length),
    ],
)
def test_endless_data_metadata_over_its_limit(server, phone, bundles, installed, refused, role, limit):
    server.offer(bundles[1], counter=2)
    server.announce = False
    name = "2.root.json" if role == "root" else newest(server.repository, role)
    server.repository.served[name] = b" " * (limit + 1)
    refused(phone.update(), "exceeding the maximum allowed length")


def test_endless_data_a_catalog_over_its_limit(server, phone, installed, refused):
    server.repository.describe("rollout", "catalog/linux/stable.json", 10**9, "0" * 64)
    server.repository.publish()
    refused(phone.update(), "this phone reads at most")


def test_endless_data_a_long_chain_of_roots_ends(server, phone, bundles, installed):
    for _ in range(LIMITS.max_root_rotations + 5):
        server.repository.sign_root(server.repository.signers["root"])
    server.offer(bundles[1], counter=2)
    phone.update()
    assert phone.trust.versions()["root"] == LIMITS.max_root_rotations + 1


@pytest.mark.parametrize("headers", [False, True])
def test_slow_retrieval_of_metadata(server, phone, bundles, installed, refused, headers):
    server.offer(bundles[1], counter=2)
    server.drip, server.drip_headers = 0.02, headers
    started = time.monotonic()
    report = phone.update(seconds=0.4)
    assert time.monotonic() - started < 2
    refused(report, "DeadlineExceeded")


def test_key_compromise_rotation_from_one_of_one_to_three_of_five(server, phone, bundles, installed):
    repository = server.repository
    stolen = repository.signers["root"]
    repository.rotate("root", "targets", keys=5, threshold=3)
    repository.thresholds["linux"] = 1
    second = server.offer(bundles[1], counter=2)
    assert phone.update().outcome == "installed"
    assert phone.trust.versions()["root"] == 2
    assert phone.state.usable().sha256 == second
    rotated = phone.trusted()
    # The stolen key alone, and two of the five, are nobody.
    for signers in (stolen, repository.signers["root"][:2]):
        version = repository.versions["root"]
        repository.sign_root(signers)
        assert "MetadataRefused" in phone.update().reason
        assert phone.trusted() == rotated
        repository.versions["root"] = version


def test_key_compromise_who_has_the_old_key_cannot_keep_the_new_root_from_counting(
    server, phone, bundles, installed
):
    """The new root came, then the connection was taken over: the old timestamp key counts no more."""
    repository = server.repository
    stolen, older = repository.signers["timestamp"], repository.served["timestamp.json"]
    repository.rotate("timestamp")
    repository.served["timestamp.json"] = resigned(older, *stolen, version=50)
    assert "MetadataRefused" in phone.update().reason
    assert phone.trust.versions()["root"] == 2
    del repository.served["2.root.json"]
    assert "MetadataRefused" in phone.update().reason
    assert phone.state.usable().release == "2026.1.1-1"


def test_key_compromise_a_stolen_rollout_key_brings_in_no_digest(server, phone, bundles, installed, refused):
    """The catalog is validly signed; what it offers is not."""
    server.offer(bundles[1], counter=2)
    del server.repository.targets["linux"][server.entry["target"]]
    server.repository.publish()
    report = phone.update()
    refused(report, "offline keys signed no bundle")
    assert len(server.blob_requests()) == 1


def test_key_compromise_a_stolen_rollout_key_cannot_sign_for_a_bundle(
    server, phone, bundles, installed, refused
):
    """The rollout role names the bundle itself: nobody asks it about bundles."""
    server.offer(bundles[1], counter=2)
    target = server.entry["target"]
    server.repository.targets["rollout"][target] = server.repository.targets["linux"].pop(target)
    server.repository.publish()
    refused(phone.update(), "offline keys signed no bundle")


@pytest.mark.parametrize(
    "change",
    [
        {"variant": "tflite_w8a8"},
        {"format": "tflite", "precision": "fp32"},
        {"contract_sha256": "1" * 64},
        {"golden_sha256": "1" * 64},
        {"card_sha256": "1" * 64},
        {"size": 10},
    ],
)
def test_key_compromise_a_stolen_rollout_key_cannot_relabel_a_bundle(
    server, phone, bundles, installed, refused, change
):
    server.offer(bundles[1], counter=2)
    server.entry.update(change)
    server.publish()
    report = phone.update()
    refused(report, "offered, signed")
    assert len(server.blob_requests()) == 1
