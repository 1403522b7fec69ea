"""python-tuf's own client, unmodified, against a live server: metadata, catalogs and bundles over HTTP."""

import json
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadHTTPError, ExpiredMetadataError, RepositoryError

from mobile_models import services as delivery
from mobile_models import verification
from mobile_models.models import Channel, Metadata
from mobile_models.signing import services, store
from mobile_models.signing.documents import Holder
from mobile_models.signing.keys import make_key
from mobile_models.signing.online import online_signer
from packager.verify.artifact import verify_bundle
from tests.factories import approve, build_bundle
from tests.repositories import PASSPHRASE, make_repository, updater

CATALOG = "catalog/linux/stable.json"


@pytest.fixture
def root(transactional_db, settings, tmp_path, monkeypatch):
    """The root that an app embeds, of a server with the usual channels."""
    settings.BLOBS_DIR = tmp_path / "blobs"
    monkeypatch.setattr(verification, "verify_archive", verify_bundle)
    Channel.objects.get_or_create(name="stable")
    return make_repository(tmp_path, settings)


@pytest.fixture
def release(root, tmp_path):
    """A release on offer to everyone; publishing follows from the rollout's commit."""
    paths = [build_bundle(tmp_path / f"{name}.zip", variant=name) for name in ("tflite_fp16", "server_fp32")]
    made = approve(delivery.create_release(bundles=[delivery.register_bundle(path=path) for path in paths]))
    delivery.start_rollout(release=made, channel="stable")
    return made


@pytest.fixture
def check(root, live_server, tmp_path):
    """A phone that checks for news, with one folder for the whole test."""

    def make():
        client = updater(tmp_path / "phone", root, server=live_server.url)
        client.refresh()
        return client

    return make


def read(client, path):
    target = client.get_targetinfo(path)
    return Path(client.download_target(target)).read_bytes()


def test_a_phone_trusts_the_first_root_and_downloads_the_catalog_and_the_bundle(check, release):
    client = check()
    catalog = json.loads(read(client, CATALOG))
    (entry,) = catalog["releases"][0]["bundles"]
    assert catalog["releases"][0]["release"] == release.version
    target = client.get_targetinfo(entry["target"])
    assert target.hashes["sha256"] == entry["sha256"]
    assert target.custom["golden_sha256"] == entry["golden_sha256"]
    assert len(read(client, entry["target"])) == entry["size"]
    assert client.get_targetinfo(f"bundles/linux/{'0' * 64}.zip") is None
    assert client.get_targetinfo("elsewhere/stable.json") is None


def test_a_phone_sees_a_halt_at_its_next_check(check, release):
    assert json.loads(read(check(), CATALOG))["releases"]
    rollout = release.rollouts.get()
    delivery.halt_rollout(rollout=rollout, reason="crashes")
    assert json.loads(read(check(), CATALOG))["releases"] == []


def test_a_phone_follows_the_root_from_one_key_of_one_to_three_of_five(check, release, tmp_path):
    check()
    five = [make_key(tmp_path / "five", f"person{number}", PASSPHRASE) for number in range(5)]
    (old,) = services.development_signers()
    services.rotate(
        group="offline",
        add=[(file.key, Holder(file.path.stem)) for file in five],
        remove=[old.public_key.keyid],
        threshold=3,
        signers=[old, *(file.signer for file in five[1:4])],
    )
    services.rotate(group="online", signers=[file.signer for file in five[:3]])
    client = check()
    assert store.root().signed.version == 3
    assert json.loads(read(client, CATALOG))["releases"][0]["release"] == release.version
    (entry,) = json.loads(read(client, CATALOG))["releases"][0]["bundles"]
    assert client.get_targetinfo(entry["target"])


def test_a_phone_refuses_an_expired_timestamp(check, root):
    check()
    stale = store.timestamp()
    stale.signed.version += 1
    stale.signed.expires = stale.signed.expires.replace(year=2020)
    stale.sign(online_signer(store.charter().roles["timestamp"].keys))
    Metadata.objects.create(
        role="timestamp", version=stale.signed.version, content=stale.to_bytes(), expires=stale.signed.expires
    )
    with pytest.raises(ExpiredMetadataError):
        check()
    assert services.refresh(), "beat replaces what expired"
    assert check()


def test_a_phone_refuses_a_platform_role_below_its_threshold(check, release, tmp_path):
    one, two = (make_key(tmp_path / "two", f"person{number}", PASSPHRASE) for number in range(2))
    old = services.development_signers()
    named = [(file.key, Holder(file.path.stem)) for file in (one, two)]
    both = [*old, one.signer, two.signer]
    services.rotate(group="linux", add=named, remove=[old[0].public_key.keyid], threshold=2, signers=both)
    path = next(iter(store.targets("linux").signed.targets))
    assert check().get_targetinfo(path)
    row = store.newest("linux")
    weak = store.targets("linux")
    weak.signatures.pop(one.key.keyid)
    # Not through any service: a database that somebody edited.
    Metadata.objects.filter(pk=row.pk).update(content=weak.to_bytes())
    Metadata.objects.filter(role__in=["snapshot", "timestamp"]).delete()
    services.publish()
    (tmp_path / "phone/linux.json").unlink()
    with pytest.raises(RepositoryError):
        check().get_targetinfo(path)


def test_what_was_never_published_is_a_404_problem(check, root, live_server):
    client = check()
    with pytest.raises(DownloadHTTPError) as caught:
        client._download_metadata("root", 10_000, 2)
    assert caught.value.status_code == 404
