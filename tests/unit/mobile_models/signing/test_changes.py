"""Changing keys, followed by a phone that trusts the first root."""

from datetime import UTC, datetime, timedelta

import pytest
from tuf.api.exceptions import BadVersionNumberError, ExpiredMetadataError, RepositoryError
from tuf.api.metadata import MetaFile

from mobile_models.errors import KeyRefused, ParameterInvalid, StateConflict
from mobile_models.models import AuditEntry, PendingMetadata
from mobile_models.signing import services, store, upkeep
from mobile_models.signing.documents import Holder
from mobile_models.signing.keys import make_key
from mobile_models.signing.online import online_signer
from tests.repositories import PASSPHRASE, bundle_row, release_row

CATALOG = "catalog/linux/stable.json"
TIMESTAMP = "/v1/tuf/metadata/timestamp.json"


@pytest.fixture
def five(tmp_path):
    return [make_key(tmp_path / "five", f"person{number}", PASSPHRASE) for number in range(5)]


def named(files):
    return [(file.key, Holder(file.path.stem)) for file in files]


def key_ids(role):
    return {key.keyid for key in store.charter().roles[role].keys}


def test_one_key_of_one_becomes_three_of_five_in_one_step(embedded, five, phone):
    release = release_row("2026.1.1-1", bundle_row(1))
    services.require_signed(release)
    phone()
    (old,) = services.development_signers()
    standings = services.rotate(
        group="offline",
        add=named(five),
        remove=[old.public_key.keyid],
        threshold=3,
        signers=[old, *(file.signer for file in five[:3])],
    )
    assert standings == []
    assert store.root().signed.version == 2
    charter = store.charter()
    for role in ("root", "targets", "ios", "android", "linux"):
        assert charter.roles[role].threshold == 3
        assert key_ids(role) == {file.key.keyid for file in five}
    assert not charter.development
    client = phone()
    assert client._trusted_set.root.version == 2
    assert phone(f"bundles/linux/{1:064x}.zip"), "what was signed before is signed again"
    with pytest.raises(KeyRefused):
        services.development_signers()


def test_a_new_root_needs_the_old_threshold_and_its_own(embedded, five):
    (old,) = services.development_signers()
    new = [file.signer for file in five]
    asked = {"group": "offline", "add": named(five), "remove": [old.public_key.keyid], "threshold": 3}
    root = services.rotate(**asked, signers=new[:3])[0]
    assert (root.role, root.missing) == ("root", 1), "the old key has not signed"
    assert store.root().signed.version == 1
    services.cancel()
    root = services.rotate(**asked, signers=[old, *new[:2]])[0]
    assert (root.role, root.missing) == ("root", 1), "a third new key has not signed"
    assert services.sign_waiting([new[3]]) == []
    assert store.root().signed.version == 2


def test_the_reason_of_a_change_is_kept_when_others_complete_it(held, five):
    one, two, _ = (file.signer for file in held)
    services.rotate(group="root", add=named(five[:1]), signers=[one], reason="a new colleague")
    services.sign_waiting([two])
    proposed, done = AuditEntry.objects.filter(action__in=["propose_rotate_keys", "sign_keys"]).order_by(
        "sequence"
    )
    assert proposed.reason == "a new colleague"
    assert proposed.after == done.after
    assert five[0].key.keyid in done.after["root"]["keys"]


def test_a_root_that_the_old_keys_did_not_sign_is_refused_by_the_phone(embedded, five, phone, fetcher):
    phone()
    forged = store.root()
    forged.signed.version = 2
    forged.signed.roles["root"].keyids = [five[0].key.keyid]
    forged.signed.keys[five[0].key.keyid] = five[0].key
    forged.sign(five[0].signer)
    fetcher.instead["/v1/tuf/metadata/2.root.json"] = forged.to_bytes()
    with pytest.raises(RepositoryError):
        phone()
    fetcher.instead.clear()
    assert phone(CATALOG)


@pytest.mark.parametrize("step", ["rotate", "revoke"])
def test_a_new_online_key_recovers_phones_from_a_fast_forward(embedded, phone, fetcher, step):
    """A thief of the online key publishes version 99999; phones believe it until the key is replaced."""
    phone(CATALOG)
    thief = online_signer(store.charter().roles["timestamp"].keys)
    rollout, snapshot, timestamp = store.targets("rollout"), store.snapshot(), store.timestamp()
    for metadata in (rollout, snapshot, timestamp):
        metadata.signed.version = 99_999
    snapshot.signed.meta["rollout.json"] = MetaFile(99_999)
    timestamp.signed.snapshot_meta = MetaFile(99_999)
    for metadata in (rollout, snapshot, timestamp):
        metadata.sign(thief)
    fetcher.instead = {
        TIMESTAMP: timestamp.to_bytes(),
        "/v1/tuf/metadata/99999.snapshot.json": snapshot.to_bytes(),
        "/v1/tuf/metadata/99999.rollout.json": rollout.to_bytes(),
    }
    assert phone(CATALOG)
    fetcher.instead.clear()
    with pytest.raises(BadVersionNumberError):
        phone()

    before = {role: store.newest(role).version for role in ("rollout", "snapshot", "timestamp")}
    signers = services.development_signers()
    if step == "rotate":
        assert services.rotate(group="online", signers=signers) == []
    else:
        assert services.revoke(keyid=thief.public_key.keyid, signers=signers, reason="stolen") == []
    client = phone()
    assert client._trusted_set.timestamp.version == before["timestamp"] + 1
    assert client._trusted_set.snapshot.version == before["snapshot"] + 1
    assert phone(CATALOG)
    for role in ("rollout", "snapshot", "timestamp"):
        assert thief.public_key.keyid not in key_ids(role)
        assert store.newest(role).version == before[role] + 1
    assert services.publish() is False


def test_revoking_a_held_key_signs_again_what_it_signed(held, tmp_path, phone):
    release = release_row("2026.1.1-1", bundle_row(1))
    one, two, three = (file.signer for file in held)
    services.sign_release(release=release, signers=[one, two])
    phone()
    lost = one.public_key.keyid
    spare = make_key(tmp_path, "spare", PASSPHRASE)
    assert (
        services.revoke(keyid=lost[:8], add=named([spare]), signers=[two, three], reason="laptop stolen")
        == []
    )
    for role in ("root", "targets", "ios", "android", "linux"):
        metadata = store.root() if role == "root" else store.targets(role)
        assert lost not in key_ids(role)
        assert lost not in metadata.signatures
        assert len(key_ids(role)) == 3
    assert phone(f"bundles/linux/{1:064x}.zip")
    entry = AuditEntry.objects.get(action="revoke_key")
    assert entry.reason == "laptop stolen"
    assert lost in entry.before["root"]["keys"]
    assert lost not in entry.after["root"]["keys"]


def test_a_platform_can_have_keys_of_its_own(embedded, five, phone):
    (old,) = services.development_signers()
    own = five[0]
    services.rotate(group="ios", add=named([own]), remove=[old.public_key.keyid], signers=[old, own.signer])
    assert key_ids("ios") == {own.key.keyid}
    assert key_ids("android") == {old.public_key.keyid}
    release = release_row("2026.1.1-1", bundle_row(1))
    standings = services.sign_release(release=release, signers=[old])
    assert {standing.role: standing.missing for standing in standings} == {"ios": 1, "android": 0, "linux": 0}
    assert services.sign_release(release=release, signers=[own.signer]) == []
    assert phone(f"bundles/ios/{1:064x}.zip")


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        ({"group": "bundles"}, ParameterInvalid, "allowed are offline, online, root"),
        ({"group": "offline", "remove": ["ffff0000"]}, ParameterInvalid, "first digits of one of"),
        ({"group": "offline", "remove": [""]}, ParameterInvalid, "first digits of one of"),
        ({"group": "root", "threshold": 2}, StateConflict, "2 of 1 keys for root cannot be"),
        ({"group": "root", "threshold": 0}, StateConflict, "0 of 1 keys for root cannot be"),
        ({"group": "online", "threshold": 2}, ParameterInvalid, "allowed is 1"),
    ],
)
def test_what_cannot_be_changed_is_refused(embedded, asked, error, sentence):
    with pytest.raises(error, match=sentence):
        services.rotate(**asked, signers=services.development_signers())
    assert not PendingMetadata.objects.exists()


def test_the_last_key_of_a_role_is_not_revoked_without_another(embedded):
    (old,) = services.development_signers()
    with pytest.raises(StateConflict, match="1 of 0 keys"):
        services.revoke(keyid=old.public_key.keyid, signers=[old])
    with pytest.raises(ParameterInvalid, match="already"):
        services.rotate(group="root", add=[(old.public_key, Holder("again"))], signers=[old])


def test_a_change_is_not_mixed_with_another(held, five):
    one, two, _ = (file.signer for file in held)
    services.rotate(group="root", add=named(five[:1]), signers=[one])
    with pytest.raises(StateConflict, match="keys cancel"):
        services.rotate(group="root", add=named(five[1:2]), signers=[one])
    services.cancel()
    with pytest.raises(StateConflict, match="No change of keys waits"):
        services.sign_waiting([two])


def test_a_change_of_keys_goes_before_a_release_that_waits(held, five):
    release = release_row("2026.1.1-1", bundle_row(1))
    one, two, three = (file.signer for file in held)
    services.sign_release(release=release, signers=[one])
    lost = three.public_key.keyid
    assert services.revoke(keyid=lost, add=named(five[:1]), signers=[one, two]) == []
    standings = services.sign_release(release=release, signers=[two])
    assert {standing.missing for standing in standings} == {1}, "the first signature was of an older version"
    assert services.sign_release(release=release, signers=[one]) == []


def test_a_release_waits_for_a_change_of_keys_that_waits(held, five):
    release = release_row("2026.1.1-1", bundle_row(1))
    one, two, _ = (file.signer for file in held)
    services.revoke(keyid=one.public_key.keyid, add=named(five[:1]), signers=[two])
    with pytest.raises(StateConflict, match="a change of keys"):
        services.sign_release(release=release, signers=[two])


def test_a_rotation_whose_online_key_cannot_be_used_changes_nothing(embedded, five):
    signers = services.development_signers()
    old = key_ids("timestamp")
    with pytest.raises(KeyRefused, match="cannot be read"):
        services.rotate(group="online", add=named(five[:1]), remove=list(old), signers=signers)
    assert key_ids("timestamp") == old
    assert store.root().signed.version == 1
    assert not PendingMetadata.objects.exists()


def later(monkeypatch, **time):
    moment = store.newest("timestamp").created + timedelta(**time)
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)
    for module in ("roles", "publishing", "upkeep"):
        monkeypatch.setattr(f"mobile_models.signing.{module}.now", lambda: moment)
    return moment


def test_what_the_online_key_signs_is_renewed_at_half_its_life(embedded, monkeypatch):
    before = {role: store.newest(role).version for role in ("rollout", "snapshot", "timestamp")}
    later(monkeypatch, hours=11)
    assert not services.refresh()
    moment = later(monkeypatch, hours=13)
    assert services.refresh()
    assert store.newest("timestamp").version == before["timestamp"] + 1
    assert store.newest("timestamp").expires == (moment + timedelta(days=1)).replace(microsecond=0)
    assert store.newest("snapshot").version == before["snapshot"]
    later(monkeypatch, days=4)
    assert services.refresh()
    assert store.newest("rollout").version == before["rollout"] + 1
    assert store.newest("snapshot").version == before["snapshot"] + 1


def test_development_keys_renew_their_part_and_held_ones_are_asked(held, monkeypatch):
    later(monkeypatch, days=50)
    services.refresh()
    assert store.targets().signed.version == 1
    one, two, _ = (file.signer for file in held)
    standings = services.renew(signers=[one])
    assert [standing.role for standing in standings] == ["targets", "ios", "android", "linux"]
    assert services.sign_waiting([two]) == []
    assert store.targets().signed.version == 2
    assert services.renew(signers=[one]) == [], "nothing is half gone"


def test_development_keys_renew_themselves(embedded, monkeypatch):
    later(monkeypatch, days=50)
    assert services.refresh()
    assert store.targets("ios").signed.version == 2
    assert store.root().signed.version == 1


def test_everything_can_be_renewed_at_any_age(embedded):
    services.renew(signers=services.development_signers(), everything=True)
    assert store.root().signed.version == 2


def test_a_phone_refuses_what_expired(embedded, phone, fetcher):
    phone()
    old = store.timestamp()
    old.signed.expires = datetime(2020, 1, 1, tzinfo=UTC)
    old.signed.version += 1
    old.sign(online_signer(store.charter().roles["timestamp"].keys))
    fetcher.instead[TIMESTAMP] = old.to_bytes()
    with pytest.raises(ExpiredMetadataError):
        phone()


def test_old_snapshots_and_catalogs_are_forgotten_but_not_what_is_in_force(embedded, monkeypatch):
    channels = store.targets("rollout").signed.targets
    for _ in range(3):
        services.renew(signers=services.development_signers(), everything=True)
    later(monkeypatch, days=40)
    assert services.forget() > 0
    assert store.newest("snapshot")
    assert store.newest("timestamp")
    kept = upkeep.TargetDocument.objects.values_list("path", flat=True)
    assert set(kept) == set(channels)
    assert upkeep.Metadata.objects.filter(role="root").count() == 4, "phones follow the chain of roots"
    assert services.forget() == 0
