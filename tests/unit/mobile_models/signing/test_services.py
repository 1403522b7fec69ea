"""Publishing and signing, read back with python-tuf's own client."""

import json

import pytest
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata

from mobile_models.errors import KeyRefused, NotInitialised, ReleaseNotSigned, StateConflict
from mobile_models.models import Channel, Release, Revocation, Rollout
from mobile_models.models import Metadata as Row
from mobile_models.signing import publishing, services, store
from mobile_models.signing.keys import make_key
from mobile_models.signing.roles import ROLES
from tests.repositories import bundle_row, release_row

CATALOG = "catalog/linux/stable.json"


@pytest.fixture
def release(db):
    return release_row("2026.1.1-1", bundle_row(1), bundle_row(2, variant="server_fp32"))


def offer(release, **fields):
    channel = Channel.objects.get(name="stable")
    counter = channel.rollouts.count() + 1
    values = {"basis_points": 10_000, "salt": "s", "release_counter": counter}
    return Rollout.objects.create(channel=channel, release=release, **{**values, **fields})


def bundles_of(platform):
    return [path.split("/")[-1].removesuffix(".zip") for path in store.targets(platform).signed.targets]


def versions():
    return {role: store.newest(role).version for role in ROLES}


def test_nothing_is_published_or_required_before_there_is_a_repository(release):
    assert not services.is_initialised()
    assert not services.publish()
    assert not services.refresh()
    services.require_signed(release)
    with pytest.raises(NotInitialised, match="keys init"):
        services.trusted_root()
    with pytest.raises(NotInitialised, match="keys init"):
        services.sign_release(release=release)


def test_a_new_repository_publishes_empty_catalogs(embedded, phone):
    assert Metadata.from_bytes(embedded).signed.version == 1
    assert phone(CATALOG).length > 0
    assert set(store.targets("rollout").signed.targets) == {
        f"catalog/{platform}/{channel}.json"
        for platform in ("ios", "android", "linux")
        for channel in ("stable", "beta")
    }


def test_a_second_repository_is_refused(embedded, tmp_path):
    services.init_development()
    assert services.trusted_root() == embedded
    with pytest.raises(StateConflict, match="already"):
        services.init_repository(keys_dir=tmp_path / "others", passphrase="long enough for this")
    assert not (tmp_path / "others").exists()


def test_development_keys_are_marked_and_refused_in_production(embedded, settings, db):
    assert Metadata.from_bytes(embedded).signed.unrecognized_fields["x-skyfold-development"] is True
    Row.objects.all().delete()
    settings.PRODUCTION = True
    with pytest.raises(StateConflict, match="PRODUCTION"):
        services.init_development()
    assert not services.is_initialised()


def test_publishing_twice_publishes_once(embedded, release):
    before = versions()
    assert not services.publish()
    services.require_signed(release)
    offer(release)
    assert services.publish()
    after = versions()
    assert not services.publish()
    assert versions() == after
    assert {role for role in ROLES if after[role] != before[role]} == {
        "ios", "android", "linux", "rollout", "snapshot", "timestamp",
    }  # fmt: skip


def test_a_release_is_signed_with_what_its_bundles_are(embedded, release, phone):
    services.require_signed(release)
    assert release.signed_at
    target = phone(f"bundles/linux/{1:064x}.zip")
    assert target.custom == {
        "release": "2026.1.1-1",
        "variant": "tflite_fp16",
        "format": "tflite",
        "precision": "fp16",
        "contract_sha256": "c" * 64,
        "golden_sha256": "d" * 64,
        "card_sha256": None,
    }
    assert bundles_of("linux") == [f"{1:064x}"], "the server's own model is for no phone"


def test_a_catalog_names_only_what_the_offline_keys_signed(embedded, release, phone, caplog):
    offer(release)
    services.publish()
    assert catalog(phone)["releases"] == []
    assert f"{1:064x}" in caplog.text
    services.require_signed(release)
    services.publish()
    assert [entry["release"] for entry in catalog(phone)["releases"]] == ["2026.1.1-1"]


def catalog(phone):
    target = phone(CATALOG)
    document = publishing.TargetDocument.objects.get(path=CATALOG, sha256=target.hashes["sha256"])
    assert len(document.content) == target.length
    return json.loads(bytes(document.content))


def test_a_stolen_online_key_can_bring_in_no_digest(embedded, release, phone, fetcher):
    """The thief signs a rollout role with a bundle in it, and the snapshot and timestamp that lead there."""
    thief = publishing.online_signer(store.charter().roles["rollout"].keys)
    path = f"bundles/linux/{9:064x}.zip"
    forged = {}
    rollout = store.targets("rollout")
    rollout.signed.targets[path] = publishing.documents.target_file(path, size=10, sha256=f"{9:064x}")
    snapshot, timestamp = store.snapshot(), store.timestamp()
    for role, metadata in {"rollout": rollout, "snapshot": snapshot, "timestamp": timestamp}.items():
        metadata.signed.version += 1
        if role == "snapshot":
            snapshot.signed.meta["rollout.json"] = publishing.documents.MetaFile(rollout.signed.version)
        if role == "timestamp":
            timestamp.signed.snapshot_meta = publishing.documents.MetaFile(snapshot.signed.version)
        metadata.sign(thief)
        name = "timestamp" if role == "timestamp" else f"{metadata.signed.version}.{role}"
        forged[f"/v1/tuf/metadata/{name}.json"] = metadata.to_bytes()
    fetcher.instead = forged
    assert phone(path) is None
    assert phone(CATALOG) is not None, "the thief's metadata was taken: it is signed"
    # Nor can it sign for the platform: its role has other keys.
    linux = store.targets("linux")
    linux.signed.targets[path] = rollout.signed.targets[path]
    linux.signed.version += 1
    linux.sign(thief)
    with pytest.raises(Exception, match="linux was signed by 0/1"):
        store.targets().signed.verify_delegate("linux", linux.signed_bytes, linux.signatures)


def test_a_release_of_held_keys_is_not_signed_by_the_server(held, release):
    with pytest.raises(ReleaseNotSigned, match=r"manage\.py sign_release 2026\.1\.1-1"):
        services.require_signed(release)
    assert release.signed_at is None


def test_a_release_is_published_at_the_threshold(held, release):
    before = versions()
    one, two, _ = (file.signer for file in held)
    standings = services.sign_release(release=release, signers=[one])
    assert [(standing.role, len(standing.signed), standing.missing) for standing in standings] == [
        ("ios", 1, 1), ("android", 1, 1), ("linux", 1, 1),
    ]  # fmt: skip
    assert "linux 2: 1 of 2 signatures" in map(str, standings)
    assert versions() == before
    assert Release.objects.get().signed_at is None

    with pytest.raises(KeyRefused, match="None of the keys"):
        services.sign_release(release=release, signers=[one])
    assert services.sign_release(release=release, signers=[two]) == []
    assert release.signed_at
    assert bundles_of("ios") == [f"{1:064x}"]
    services.require_signed(release)


def test_signatures_count_only_for_what_is_wanted_when_the_next_one_comes(held, release):
    one, two, three = (file.signer for file in held)
    services.sign_release(release=release, signers=[one])
    late = bundle_row(3, variant="tflite_w8a8")
    Release.bundles.through.objects.create(release=release, bundle=late)
    standings = services.sign_release(release=release, signers=[two])
    assert {standing.missing for standing in standings} == {1}, "the first signature was of other bytes"
    assert services.sign_release(release=release, signers=[three]) == []
    assert sorted(bundles_of("linux")) == [f"{1:064x}", late.sha256]


def test_a_foreign_key_signs_nothing(held, release, tmp_path):
    foreign = make_key(tmp_path, "stranger", "a stranger's passphrase")
    with pytest.raises(KeyRefused, match="no part"):
        services.sign_release(release=release, signers=[foreign.signer])


def test_revoked_and_withdrawn_bundles_leave_at_the_next_signing(embedded, release, phone):
    services.require_signed(release)
    second = release_row("2026.1.2-1", bundle_row(4), bundle_row(5, variant="tflite_w8a8"))
    services.require_signed(second)
    assert len(bundles_of("android")) == 3
    Revocation.objects.create(bundle=second.bundles.get(variant="tflite_w8a8"), reason="wrong")
    Release.objects.filter(pk=release.pk).update(state=Release.State.WITHDRAWN)
    third = release_row("2026.1.3-1", bundle_row(6))
    services.require_signed(third)
    assert sorted(bundles_of("android")) == [f"{4:064x}", f"{6:064x}"]
    assert phone(f"bundles/android/{1:064x}.zip") is None


def test_a_withdrawn_release_is_not_signed(held, release):
    one, two, _ = (file.signer for file in held)
    services.sign_release(release=release, signers=[one])
    Release.objects.update(state=Release.State.WITHDRAWN)
    with pytest.raises(StateConflict, match="withdrawn"):
        services.sign_release(release=release, signers=[two])
    other = release_row("2026.1.2-1", bundle_row(7))
    services.sign_release(release=other, signers=[one, two])
    assert other.signed_at


def test_two_releases_do_not_mix_their_signatures(held, release):
    one, *_ = (file.signer for file in held)
    other = release_row("2026.1.2-1", bundle_row(7))
    services.sign_release(release=release, signers=[one])
    with pytest.raises(StateConflict, match=r"release 2026\.1\.1-1.*keys cancel"):
        services.sign_release(release=other, signers=[one])
    services.cancel()
    assert services.sign_release(release=other, signers=[one])


def test_a_bundle_of_two_releases_stays_while_one_of_them_is_good(embedded, release):
    again = release_row("2026.1.2-1", *release.bundles.all())
    services.require_signed(release)
    before = versions()
    services.require_signed(again)
    assert again.signed_at
    assert versions()["linux"] == before["linux"], "nothing new to sign"
    Release.objects.filter(pk=release.pk).update(state=Release.State.WITHDRAWN)
    services.require_signed(release_row("2026.1.3-1", bundle_row(8)))
    assert sorted(bundles_of("linux")) == [f"{1:064x}", f"{8:064x}"]


def test_an_offer_without_an_online_key_is_refused_and_nothing_changes(embedded, release, settings):
    services.require_signed(release)
    offer(release)
    before = versions()
    for path in settings.KEYS_DIR.glob("online-*.pem"):
        path.unlink()
    with pytest.raises(KeyRefused, match="cannot be read"):
        services.publish()
    assert versions() == before


def test_a_client_refuses_metadata_that_the_threshold_did_not_sign(held, release, phone, fetcher):
    one, two, _ = (file.signer for file in held)
    services.sign_release(release=release, signers=[one, two])
    linux = store.targets("linux")
    linux.signatures.pop(one.public_key.keyid)
    fetcher.instead["/v1/tuf/metadata/2.linux.json"] = linux.to_bytes()
    with pytest.raises(RepositoryError):
        phone(f"bundles/linux/{1:064x}.zip")
    fetcher.instead.clear()
    assert phone(f"bundles/linux/{1:064x}.zip")
