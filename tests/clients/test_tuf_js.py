"""npm's tuf-js, unmodified: another language's client of The Update Framework, from the first root on."""

import json
import shutil

import pytest

from mobile_models import services as delivery
from mobile_models import verification
from mobile_models.models import Channel
from mobile_models.signing import services, store
from packager.verify.artifact import verify_bundle
from tests.clients.conftest import HERE, need, run
from tests.factories import approve, build_bundle
from tests.repositories import make_repository

CATALOG = "catalog/ios/stable.json"


@pytest.fixture
def update(transactional_db, live_server, settings, tmp_path, monkeypatch):
    """Updates with tuf-js from a server that offers a release; gives what it said of each target."""
    node = shutil.which("node")
    need(node is not None and (HERE / "node/node_modules/tuf-js").is_dir(), "npm's tuf-js")
    settings.BLOBS_DIR = tmp_path / "blobs"
    monkeypatch.setattr(verification, "verify_archive", verify_bundle)
    Channel.objects.get_or_create(name="stable")
    phone = tmp_path / "phone"
    phone.mkdir()
    (phone / "root.json").write_bytes(make_repository(tmp_path, settings))
    paths = [build_bundle(tmp_path / f"{name}.zip", variant=name) for name in ("tflite_fp16", "server_fp32")]
    release = approve(
        delivery.create_release(bundles=[delivery.register_bundle(path=path) for path in paths])
    )
    delivery.start_rollout(release=release, channel="stable")

    def ask(*targets):
        return run([str(node), str(HERE / "node/update.cjs"), live_server.url, str(phone), *targets])

    return ask


def test_catalog_and_bundle_are_downloaded_and_their_digests_are_those_signed(update):
    (bundle,) = store.targets("ios").signed.targets
    unknown = f"bundles/ios/{'0' * 64}.zip"
    said = update(CATALOG, bundle, unknown)
    assert said["root"] == 1
    assert said["found"][unknown] is None
    assert said["found"][bundle]["sha256"] == bundle.split("/")[-1].removesuffix(".zip")
    assert said["found"][bundle]["custom"]["variant"] == "tflite_fp16"
    signed = store.targets("rollout").signed.targets[CATALOG]
    assert said["found"][CATALOG]["sha256"] == signed.hashes["sha256"]


def test_new_keys_are_followed_and_forged_metadata_is_refused(update):
    assert update(CATALOG)["root"] == 1
    services.rotate(group="online", signers=services.development_signers())
    assert update(CATALOG)["root"] == 2
    row = store.newest("timestamp")
    forged = json.loads(bytes(row.content))
    forged["signed"]["version"] += 1
    row.content = json.dumps(forged).encode()
    row.save()
    assert "error" in update(CATALOG)
