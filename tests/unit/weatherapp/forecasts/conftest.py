import pytest

from mobile_models.models import Bundle, Channel, Release, Rollout
from packager.bundle import open_bundle
from tests.factories import build_bundle


@pytest.fixture(scope="session")
def server_archive(tmp_path_factory):
    """A real bundle around a small TFLite model with a dynamic batch."""
    return build_bundle(tmp_path_factory.mktemp("bundle") / "server.zip", variant="server_fp32", batch=None)


@pytest.fixture
def live(db, monkeypatch, server_archive):
    """A live release whose server model is the small one."""
    archive = open_bundle(server_archive)
    bundle = Bundle.objects.create(
        sha256=archive.sha256,
        size=archive.size,
        wire_sha256=archive.sha256,
        wire_size=archive.size,
        name="point",
        variant="server_fp32",
        format="tflite",
        contract_sha256=archive.contract.digest,
        manifest=dict(archive.manifest),
        state=Bundle.State.VERIFIED,
    )
    release = Release.objects.create(version="2026.07.04-1", state=Release.State.LIVE)
    release.bundles.add(bundle)
    channel, _ = Channel.objects.get_or_create(name="stable")
    Rollout.objects.create(channel=channel, release=release, basis_points=10_000, salt="s", release_counter=1)
    monkeypatch.setattr("mobile_models.selectors.blob_path", lambda sha256: server_archive)
    return release
