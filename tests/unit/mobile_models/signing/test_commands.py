"""`manage.py keys` and `manage.py sign_release`, as people run them."""

import json

import pytest
from django.core.management import CommandError, call_command

from mobile_models.models import AuditEntry, PendingMetadata, Release
from mobile_models.signing import services, store, unlocking
from mobile_models.signing.keys import make_key, write_secret
from tests.repositories import PASSPHRASE, bundle_row, keys_below, release_row


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch, db):
    keys_below(tmp_path, settings)
    monkeypatch.delenv(unlocking.PASSPHRASE_VARIABLE, raising=False)
    return tmp_path


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "passphrase"
    write_secret(path, PASSPHRASE.encode())
    return path


@pytest.fixture
def release(db):
    return release_row("2026.1.1-1", bundle_row(1))


@pytest.fixture
def command(capsys):
    def run(*arguments):
        call_command(*[str(argument) for argument in arguments])
        return capsys.readouterr().out

    return run


@pytest.fixture
def files(folder, secret, command):
    """Three offline keys, two of which must sign."""
    command(
        "keys",
        "init",
        "--keys",
        3,
        "--threshold",
        2,
        "--passphrase-file",
        secret,
        "--keys-dir",
        folder / "held",
    )
    return sorted((folder / "held").glob("*.pem"))


def test_keys_are_made_for_production_and_shown(files, command, settings):
    assert len(files) == 3
    assert len(list(settings.KEYS_DIR.glob("online-*.pem"))) == 1
    table = command("keys", "status")
    assert "2 of 3" in table
    assert "DEVELOPMENT" not in table
    assert "this server" in table
    seen = json.loads(command("keys", "status", "--json"))
    assert seen["initialised"]
    assert not seen["development"]
    roles = {role["role"]: role for role in seen["roles"]}
    assert (roles["root"]["threshold"], len(roles["root"]["keys"])) == (2, 3)
    assert 364 < roles["root"]["days_left"] <= 365
    assert {key["holder"] for key in roles["linux"]["keys"]} == {path.stem for path in files}


def test_status_says_what_to_do_where_there_is_nothing(command):
    assert "keys init" in command("keys", "status")
    assert json.loads(command("keys", "status", "--json"))["roles"] == []


def test_development_keys_are_said_to_be_such(command):
    command("keys", "init", "--development")
    assert "DEVELOPMENT KEYS: they guard nothing" in command("keys", "status")


def test_a_release_is_signed_by_one_holder_after_another(files, secret, command, release):
    sign = ("sign_release", "2026.1.1-1", "--passphrase-file", secret, "--key")
    said = command(*sign, files[0])
    assert "linux 2: 1 of 2 signatures" in said
    assert "another holder runs `manage.py sign_release 2026.1.1-1`" in said
    assert "Waiting for signatures: release 2026.1.1-1" in command("keys", "status")
    with pytest.raises(CommandError, match="signed before"):
        command(*sign, files[0])
    assert "signed and published" in command(*sign, files[1])
    release.refresh_from_db()
    assert release.signed_at
    assert AuditEntry.objects.get(action="sign_release").actor_name == "manage.py sign_release"


def test_a_release_is_signed_where_there_is_no_network(files, secret, command, release, folder):
    request = folder / "request.json"
    command("sign_release", "2026.1.1-1", "--export", request)
    for path in files[:2]:
        said = command("keys", "sign", request, "--passphrase-file", secret, "--key", path)
        assert "linux: targets version 2" in said
        assert "1 bundles" in said
    assert "signed and published" in command("sign_release", "2026.1.1-1", "--import", request)
    assert store.targets("linux").signed.version == 2


def test_signatures_of_other_bytes_are_refused(files, secret, command, release, folder):
    request = folder / "request.json"
    command("sign_release", "2026.1.1-1", "--export", request)
    command("keys", "sign", request, "--passphrase-file", secret, "--key", files[0])
    Release.bundles.through.objects.create(release=release, bundle=bundle_row(2, variant="tflite_w8a8"))
    with pytest.raises(CommandError, match="export again"):
        command("sign_release", "2026.1.1-1", "--import", request)
    assert store.targets("linux").signed.version == 1


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"signing_request": 2, "documents": []}', '{"signing_request": 1, "documents": [1]}',
        '{"signing_request": 1, "documents": [{"role": "linux", "version": 1, "keys": {}, "payload": 3}]}',
        "[" * 100_000, '{"signing_request": 1, "documents": {"role": 1}}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_request_is_refused(files, secret, command, release, folder, content):
    request = folder / "request.json"
    request.write_text(content)
    with pytest.raises(CommandError, match="is no signing request"):
        command("sign_release", "2026.1.1-1", "--import", request)
    with pytest.raises(CommandError, match="is no signing request"):
        command("keys", "sign", request, "--passphrase-file", secret, "--key", files[0])


def test_a_request_that_asks_for_no_such_key_is_not_signed(files, secret, command, release, folder):
    request = folder / "request.json"
    command("sign_release", "2026.1.1-1", "--export", request)
    stranger = make_key(folder, "stranger", PASSPHRASE)
    with pytest.raises(CommandError, match="asks for none of these keys"):
        command("keys", "sign", request, "--passphrase-file", secret, "--key", stranger.path)


def test_holders_who_made_their_own_keys_found_the_repository_together(command, secret, folder):
    for name in ("alice", "bob", "carol"):
        assert "Hand on" in command(
            "keys", "make", name, "--keys-dir", folder / name, "--passphrase-file", secret
        )
    public = [next((folder / name).glob("*.pub")) for name in ("alice", "bob", "carol")]
    named = [f"--public-key={path}={path.parent.name}" for path in public]
    said = command("keys", "init", *named, "--threshold", 2)
    assert "root 1: 0 of 2 signatures" in said
    assert not services.is_initialised()
    sign = ("keys", "sign", "--passphrase-file", secret, "--key")
    assert "1 of 2" in command(*sign, public[0].with_suffix(".pem"))
    assert "Published" in command(*sign, public[2].with_suffix(".pem"))
    assert services.is_initialised()
    assert {key["holder"] for key in json.loads(command("keys", "status", "--json"))["roles"][0]["keys"]} == {
        "alice", "bob", "carol",
    }  # fmt: skip


def test_keys_are_rotated_revoked_and_renewed(files, secret, command, folder):
    ours = [part for path in files[:2] for part in ("--key", path)]
    dave = make_key(folder, "dave", PASSPHRASE)
    gone = files[2].stem.removeprefix("offline-")
    said = command(
        "keys", "rotate", "offline", f"--add={dave.path.with_suffix('.pub')}=dave", "--remove", gone,
        *ours, "--passphrase-file", secret, "--reason", "left",
    )  # fmt: skip
    assert "Published" in said
    assert "dave" in command("keys", "status")
    assert AuditEntry.objects.get(action="rotate_keys").reason == "left"
    online = store.charter().roles["timestamp"].keys[0].keyid
    command("keys", "revoke", online[:8], *ours, "--passphrase-file", secret)
    assert store.charter().roles["timestamp"].keys[0].keyid != online
    before = store.root().signed.version
    command("keys", "renew", "--all", *ours, "--passphrase-file", secret)
    assert store.root().signed.version == before + 1


def test_a_change_without_keys_at_hand_waits_and_can_be_forgotten(files, command, folder):
    dave = make_key(folder, "dave", PASSPHRASE)
    said = command("keys", "rotate", "root", "--add", dave.path.with_suffix(".pub"))
    assert "root 2: 0 of 2 signatures" in said
    command("keys", "sign", "--export", folder / "change.json")
    assert json.loads((folder / "change.json").read_text())["purpose"] == "a change of keys"
    assert "Forgot 1" in command("keys", "cancel")
    assert not PendingMetadata.objects.exists()
    with pytest.raises(CommandError, match="No change of keys waits"):
        command("keys", "sign", "--export", folder / "again.json")


def test_a_change_is_signed_where_there_is_no_network(files, secret, command, folder):
    dave = make_key(folder, "dave", PASSPHRASE)
    command("keys", "rotate", "root", "--add", dave.path.with_suffix(".pub"))
    request = folder / "change.json"
    command("keys", "sign", "--export", request)
    ours = [part for path in files[:2] for part in ("--key", path)]
    command("keys", "sign", request, *ours, "--passphrase-file", secret)
    assert "Published" in command("keys", "sign", "--import", request)
    assert store.root().signed.version == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sign_release", "2020.1.1-1"), "the newest releases are 2026.1.1-1"),
        (("keys", "rotate", "bundles"), "allowed are offline, online"),
        (("keys", "rotate", "root", "--add", "nowhere.pub"), "Give the path of a public key"),
        (("keys", "revoke", "ffff"), "first digits of one of"),
        (("keys", "init", "--development"), None),
        (("keys", "init", "--keys", "2", "--threshold", "3"), "3 of 2 keys"),
        (("keys", "make", "x"), "no terminal"),
        (("keys", "init", "--online-public-key", "x.pub"), "TUF_ONLINE_KEY names no key"),
    ],
)
def test_wrong_arguments_are_one_sentence(files, command, release, arguments, sentence):
    if sentence is None:
        assert "There is a repository" in command(*arguments)
        return
    with pytest.raises(CommandError, match=sentence):
        command(*arguments)
