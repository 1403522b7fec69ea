from itertools import count

import pytest

from mobile_models import services, verification
from mobile_models.errors import BundleRefused
from packager.errors import PackagerError
from packager.verify.artifact import verify_bundle
from tests.delivery_rows import make_bundle, manifest
from tests.factories import approve, build_bundle, evaluation


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.BLOBS_DIR = tmp_path / "blobs"
    return settings.BLOBS_DIR


@pytest.fixture(autouse=True)
def verify_here(monkeypatch):
    """The same verification without the second a new process takes; its own test starts the process."""

    def verify(path):
        try:
            verify_bundle(path)
        except PackagerError as error:
            raise BundleRefused(str(error)) from error

    monkeypatch.setattr(verification, "verify_archive", verify)


@pytest.fixture
def archive(tmp_path):
    return build_bundle(tmp_path / "phone.zip")


@pytest.fixture
def register(tmp_path, db):
    def make(variant, **manifest):
        path = build_bundle(tmp_path / f"{variant}.zip", variant=variant, **manifest)
        return services.register_bundle(path=path)

    return make


@pytest.fixture
def drafted(db):
    """Drafts of releases whose bundles are rows without archives; `worse` times the usual errors."""
    numbers = count(0xA000)

    def make(*variants, worse=1.0, by=None, version=None, **more):
        chosen = variants or ("tflite_fp16", "server_fp32")
        bundles = [
            make_bundle(
                variant, f"{next(numbers):x}", manifest=manifest(variant, scores=evaluation(worse)), **more
            )
            for variant in chosen
        ]
        return services.create_release(bundles=bundles, by=by, version=version)

    return make


@pytest.fixture
def ready(drafted):
    """Approved releases, likewise."""
    return lambda *variants, **more: approve(drafted(*variants, **more))


@pytest.fixture
def draft(register):
    return services.create_release(bundles=[register("tflite_fp16"), register("server_fp32")])


@pytest.fixture
def approved(draft):
    return approve(draft)
