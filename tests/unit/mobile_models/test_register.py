import errno
import os
from pathlib import Path

import pytest

from mobile_models import services, storage
from mobile_models.errors import BundleRefused, StorageFailed
from mobile_models.models import Bundle
from mobile_models.selectors import served_contracts
from mobile_models.services import bundles
from packager.bundle import wire_size
from packager.contract import contract_with_guidance
from tests.factories import build_bundle, short_contract, swap_artifact

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
    from packager.bundle import open_bundle
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
    left = list(store.rglob("identity"))
    assert [path.read_bytes() for path in left] == [archive.read_bytes()]
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
