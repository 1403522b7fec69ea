import errno
import hashlib
import os
from pathlib import Path

import pytest

from mobile_models import services, storage
from mobile_models.errors import BundleRefused, NotPermitted, StorageFailed, TransitionNotAllowed
from mobile_models.models import AuditEntry, Bundle
from mobile_models.selectors import served_contracts
from mobile_models.services import bundles
from packager.bundle import open_bundle, wire_size, write_bundle
from packager.contract import contract_with_guidance
from packager.report import model_card
from tests.factories import build_bundle, make_user, short_contract, swap_artifact

pytestmark = pytest.mark.django_db


def nothing_stored(store):
    return not Bundle.objects.exists() and not any(path.is_file() for path in store.rglob("*"))


def test_a_registered_bundle_is_stored_and_described(archive):
    bundle = services.register_bundle(path=archive)
    assert storage.blob_path(bundle.sha256).read_bytes() == archive.read_bytes()
    assert (bundle.name, bundle.variant, bundle.format) == ("point", "tflite_fp16", "tflite")
    assert bundle.state == Bundle.State.VERIFIED
    assert (bundle.size, bundle.wire_size) == (archive.stat().st_size, wire_size(archive))
    assert bundle.platforms == ["ios", "android", "linux"]
    assert bundle.contract["name"] == "skyfold-point"
    golden = open_bundle(archive).members["golden.json"]
    assert bundle.golden_sha256 == hashlib.sha256(golden).hexdigest()
    assert storage.blob_path(bundle.card_sha256).read_bytes() == model_card(bundle.manifest)


def test_registering_again_after_a_refusal_is_told_by_the_audit_log(archive):
    bundle = services.register_bundle(path=archive, by=make_user("ann", "releaser"))
    services.register_bundle(path=archive)
    Bundle.objects.update(state=Bundle.State.REFUSED)
    services.register_bundle(path=archive)
    told = AuditEntry.objects.order_by("sequence").values_list("actor_name", "before__state", "after__state")
    assert list(told) == [("ann", "registered", "verified"), ("system", "refused", "verified")]
    assert bundle.sha256 in str(AuditEntry.objects.first().after)


def test_a_bundle_that_is_revoked_while_it_is_looked_at_stays_revoked(archive, monkeypatch):
    bundle = services.register_bundle(path=archive)
    Bundle.objects.update(state=Bundle.State.REFUSED)
    publish = storage.publish

    def revoked_in_between(blob):
        publish(blob)
        services.revoke_bundle(bundle=Bundle.objects.get(), reason="wrong units")

    monkeypatch.setattr(storage, "publish", revoked_in_between)
    with pytest.raises(BundleRefused, match=r"was revoked \(wrong units\)"):
        services.register_bundle(path=archive)
    bundle.refresh_from_db()
    assert bundle.state == Bundle.State.REFUSED


def test_a_bundle_that_is_good_again_is_published(archive, monkeypatch):
    told = []
    monkeypatch.setattr(bundles, "publish_soon", lambda: told.append("published"))
    services.register_bundle(path=archive)
    assert told == [], "no release has it yet"
    Bundle.objects.update(state=Bundle.State.REFUSED)
    services.register_bundle(path=archive)
    assert told == ["published"]


def test_who_may_not_register_stores_nothing(archive, store):
    with pytest.raises(NotPermitted, match=r"takes the permission mobile_models\.register_bundle"):
        services.register_bundle(path=archive, by=make_user("ann", "approver"))
    assert nothing_stored(store)


def test_a_revoked_bundle_does_not_come_back(archive):
    bundle = services.register_bundle(path=archive)
    services.revoke_bundle(bundle=bundle, reason="wrong units")
    with pytest.raises(BundleRefused, match=r"was revoked \(wrong units\)\. Package the model anew"):
        services.register_bundle(path=archive)
    with pytest.raises(TransitionNotAllowed, match=r"is revoked; .* Allowed now: nothing"):
        services.reverify_bundle(bundle=bundle)
    bundle.refresh_from_db()
    assert (bundle.state, bundle.refused_because) == ("refused", "Revoked. wrong units")


def test_the_servers_model_is_offered_to_no_phone(register):
    assert register("server_fp32").platforms == ["server"]


def test_the_same_bytes_are_one_row(archive, tmp_path):
    first = services.register_bundle(path=archive)
    copy = tmp_path / "copy.zip"
    copy.write_bytes(archive.read_bytes())
    assert services.register_bundle(path=copy) == first
    assert Bundle.objects.count() == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_a_foreign_file_is_refused_and_nothing_stored(tmp_path, store, content):
    foreign = tmp_path / "foreign.zip"
    foreign.write_bytes(content)
    with pytest.raises(BundleRefused):
        services.register_bundle(path=foreign)
    assert nothing_stored(store)


def test_a_truncated_bundle_is_refused_and_nothing_stored(archive, store):
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(BundleRefused):
        services.register_bundle(path=archive)
    assert nothing_stored(store)


def test_a_consistent_bundle_whose_model_computes_something_else_is_refused(archive, tmp_path, store):
    from packager.contract import reference_contract
    from tests.tiny_tflite import build_tflite

    other = build_tflite(reference_contract(), offset=3.0)
    swapped = swap_artifact(archive, tmp_path / "swapped.zip", other)
    open_bundle(swapped)
    with pytest.raises(BundleRefused):
        services.register_bundle(path=swapped)
    assert nothing_stored(store)


def test_a_bundle_of_a_contract_that_is_not_served_is_refused(tmp_path, store):
    path = build_bundle(tmp_path / "short.zip", contract=short_contract())
    with pytest.raises(BundleRefused, match=r"this server serves inputs for skyfold-point 1"):
        services.register_bundle(path=path)
    assert nothing_stored(store)


@pytest.mark.parametrize(
    ("format_", "artifact", "engine"),
    [
        ("onnx", "model.onnx", {"onnxruntime": "1.17"}),
        ("micro", "model.micro", {"tflite_micro": "2026.10.23"}),
    ],
)
def test_a_bundle_that_no_platform_takes_is_refused_before_it_is_stored(
    archive, tmp_path, store, monkeypatch, format_, artifact, engine
):
    whole = open_bundle(archive)
    files = {"onnx": tmp_path / artifact, "micro": tmp_path / artifact / "model.cc"}
    files[format_].parent.mkdir(exist_ok=True)
    files[format_].write_bytes(b"a model")
    manifest = {key: value for key, value in whole.manifest.items() if key != "files"}
    manifest |= {"format": format_, "artifact": artifact, "engine_min": engine, "variant": f"{format_}_w8a8"}
    manifest["sizes"] = {"artifact": 7, "model": 7, "arena": 1}
    path = tmp_path / "other.zip"
    write_bundle(
        path, artifact=tmp_path / artifact, manifest=manifest, golden=whole.golden, contract=whole.contract
    )
    # What is asked here is who may be offered it, not whether it runs.
    monkeypatch.setattr(bundles.verification, "verify_archive", lambda path: None)
    with pytest.raises(
        BundleRefused, match=rf"format is {format_}, which no platform .* take coreml, tflite"
    ):
        services.register_bundle(path=path)
    assert nothing_stored(store)


def test_a_bundle_of_the_contract_with_guidance_is_registered(tmp_path):
    path = build_bundle(tmp_path / "guided.zip", contract=contract_with_guidance())
    bundle = services.register_bundle(path=path)
    assert bundle.contract == {
        "name": "skyfold-point", "version": 2, "sha256": contract_with_guidance().digest
    }  # fmt: skip


def test_the_models_are_listed_with_every_contract_that_is_served(client):
    (model,) = client.get("/v1/models").json()["models"]
    assert [contract["version"] for contract in model["contracts"]] == [1, 2]
    assert model["contract"] == model["contracts"][0]
    assert {contract["sha256"] for contract in model["contracts"]} == set(served_contracts())


def test_a_file_that_is_gone_is_refused(tmp_path, store):
    with pytest.raises(BundleRefused, match=r"missing\.zip cannot be read: No such file"):
        services.register_bundle(path=tmp_path / "missing.zip")


def test_a_file_over_the_limit_is_refused_before_it_is_copied(archive, store, monkeypatch):
    monkeypatch.setattr(bundles, "MAX_BYTES", 1000)
    with pytest.raises(BundleRefused, match="a bundle has at most 1000"):
        services.register_bundle(path=archive)
    assert not store.exists()


def test_a_full_disk_leaves_neither_row_nor_blob(archive, store, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(StorageFailed):
        services.register_bundle(path=archive)
    assert nothing_stored(store)


def test_a_crash_before_the_row_leaves_a_whole_blob_and_registering_again_heals(archive, store):
    def crash(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundles, "_write_row", crash)
        with pytest.raises(KeyboardInterrupt):
            services.register_bundle(path=archive)
    assert not Bundle.objects.exists()
    left = [path for path in store.rglob("*") if path.is_file() and path.read_bytes() == archive.read_bytes()]
    assert len(left) == 1
    bundle = services.register_bundle(path=archive)
    assert storage.blob_path(bundle.sha256) in left


def test_a_blob_that_was_lost_comes_back(archive):
    bundle = services.register_bundle(path=archive)
    storage.blob_path(bundle.sha256).unlink()
    services.register_bundle(path=archive)
    assert storage.is_stored(bundle.sha256)


def test_a_rotten_bundle_is_found_refused_and_healed(archive):
    bundle = services.register_bundle(path=archive)
    path = storage.blob_path(bundle.sha256)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleRefused, match="gone or changed"):
        services.reverify_bundle(bundle=bundle)
    bundle.refresh_from_db()
    assert bundle.state == Bundle.State.REFUSED
    assert "gone or changed" in bundle.refused_because
    assert services.register_bundle(path=archive).state == Bundle.State.VERIFIED
    assert services.reverify_bundle(bundle=bundle).refused_because == ""
