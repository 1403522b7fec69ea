import pytest
from tuf.api.metadata import Metadata

from mobile_models import services as delivery
from mobile_models.signing import services, store
from tests.repositories import make_repository


@pytest.fixture
def embedded(db, tmp_path, settings):
    return make_repository(tmp_path, settings)


def test_a_new_repository_publishes_empty_catalogs(embedded):
    assert Metadata.from_bytes(embedded).signed.version == 1
    assert set(store.targets("rollout").signed.targets) == {
        f"catalog/{platform}/{channel}.json"
        for platform in ("ios", "android", "linux")
        for channel in ("stable", "beta")
    }
    assert not services.publish()


def test_a_release_signed_by_development_keys_is_published(embedded, approved):
    services.require_signed(approved)
    assert approved.signed_at
    delivery.start_rollout(release=approved, channel="stable")
    assert services.publish()
    phone = approved.bundles.get(variant="tflite_fp16")
    assert list(store.targets("linux").signed.targets) == [f"bundles/linux/{phone.sha256}.zip"]
