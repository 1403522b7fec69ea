"""Key files: made for their owner only, refused when anything about them is wrong."""

import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Signer

from mobile_models.errors import KeyRefused
from mobile_models.signing import unlocking
from mobile_models.signing.keys import load_public, load_signer, make_key, read_secret, write_secret
from mobile_models.signing.online import key_path, make_online_key, online_signer, signer_of
from tests.repositories import PASSPHRASE, keys_below


@pytest.fixture
def made(tmp_path):
    return make_key(tmp_path / "keys", "alice", PASSPHRASE)


def write_key(path, private, encryption):
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    path.chmod(0o600)
    return path


def test_a_key_is_encrypted_and_its_owner_s_alone(made):
    assert made.path.name == f"alice-{made.key.keyid[:8]}.pem"
    assert made.path.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    assert load_signer(made.path, PASSPHRASE).public_key == made.key
    assert load_public(made.path.with_suffix(".pub")) == made.key
    assert len(list(made.path.parent.iterdir())) == 2, "nothing else is left beside them"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o644])
def test_a_key_that_others_can_read_is_refused(made, mode):
    made.path.chmod(mode)
    with pytest.raises(KeyRefused, match=rf"mode {mode:04o}.*chmod 600"):
        load_signer(made.path, PASSPHRASE)


def test_a_wrong_passphrase_a_missing_file_and_what_is_no_key_are_refused(made, tmp_path):
    with pytest.raises(KeyRefused, match="passphrase is wrong"):
        load_signer(made.path, "another passphrase")
    with pytest.raises(KeyRefused, match="no passphrase was given"):
        load_signer(made.path, "")
    with pytest.raises(KeyRefused, match="No such file"):
        load_signer(tmp_path / "nowhere.pem", PASSPHRASE)
    other = tmp_path / "other.pem"
    write_secret(other, b"not a key")
    with pytest.raises(KeyRefused, match=r"no PKCS#8 private key"):
        load_signer(other, PASSPHRASE)
    with pytest.raises(KeyRefused, match="holds no public key"):
        load_public(other)
    with pytest.raises(KeyRefused, match="Give the path of a public key"):
        load_public(tmp_path / "nowhere.pub")


def test_a_key_that_is_not_encrypted_is_refused(tmp_path):
    path = write_key(tmp_path / "plain.pem", ec.generate_private_key(ec.SECP256R1()), NoEncryption())
    with pytest.raises(KeyRefused, match=r"not encrypted.*openssl pkcs8"):
        load_signer(path, PASSPHRASE)


def test_keys_of_other_kinds_sign_or_are_refused(tmp_path):
    curve = ec.generate_private_key(ec.SECP256R1())
    path = write_key(tmp_path / "curve.pem", curve, BestAvailableEncryption(PASSPHRASE.encode()))
    signer = load_signer(path, PASSPHRASE)
    signer.public_key.verify_signature(signer.sign(b"bytes"), b"bytes")
    old = dsa.generate_private_key(1024)
    path = write_key(tmp_path / "dsa.pem", old, BestAvailableEncryption(PASSPHRASE.encode()))
    with pytest.raises(KeyRefused, match="cannot be unlocked"):
        load_signer(path, PASSPHRASE)
    public = tmp_path / "dsa.pub"
    public.write_bytes(old.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(KeyRefused, match="allowed are Ed25519"):
        load_public(public)


def test_no_file_is_overwritten_and_short_passphrases_are_refused(tmp_path):
    write_secret(tmp_path / "secret", b"first")
    with pytest.raises(KeyRefused, match="holds no such file"):
        write_secret(tmp_path / "secret", b"second")
    assert read_secret(tmp_path / "secret") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    with pytest.raises(KeyRefused, match="5 characters; allowed are 12"):
        make_key(tmp_path, "short", "12345")


def test_the_online_key_is_found_by_its_id(tmp_path, settings):
    keys_below(tmp_path, settings)
    first, second = make_online_key(), make_online_key()
    assert key_path(first.key) != key_path(second.key)
    assert online_signer([first.key]).public_key == first.key
    settings.TUF_ONLINE_KEY = [f"file:{second.path}", f"file:{first.path}"]
    assert online_signer([first.key]).public_key == first.key, "the second URI is its"
    settings.TUF_ONLINE_KEY = [f"file:{second.path}"]
    with pytest.raises(KeyRefused, match=f"is key {second.key.keyid[:8]}, not {first.key.keyid[:8]}"):
        online_signer([first.key])
    settings.TUF_ONLINE_PASSPHRASE_FILE.chmod(0o644)
    with pytest.raises(KeyRefused, match="others can read it"):
        online_signer([second.key])


class Service(Signer):
    """A key service that holds one key, whatever it is asked for."""

    held: CryptoSigner

    def __init__(self, key):
        self._key = key

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri, public_key, secrets_handler=None):
        if priv_key_uri.endswith("unreachable"):
            raise OSError("no route to host")
        return cls(public_key)

    @property
    def public_key(self):
        return self._key

    def sign(self, payload):
        signature = self.held.sign(payload)
        signature.keyid = self._key.keyid
        return signature


@pytest.fixture
def service(monkeypatch):
    Service.held = CryptoSigner.generate_ecdsa()
    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "testkms", Service)
    return Service.held.public_key


def test_a_key_service_is_tried_before_it_is_believed(service, made):
    assert signer_of("testkms:key", service).public_key == service
    with pytest.raises(KeyRefused, match="does not sign for key"):
        signer_of("testkms:key", made.key)
    with pytest.raises(KeyRefused, match="no route to host"):
        signer_of("testkms:unreachable", service)
    with pytest.raises(KeyRefused, match="Unsupported private key scheme"):
        signer_of("nonsense:key", service)


def test_what_is_at_hand_is_unlocked_in_order(made, service, tmp_path, monkeypatch):
    bob = make_key(tmp_path / "keys", "bob", "bob's long passphrase")
    secrets = []
    for number, text in enumerate([PASSPHRASE, "bob's long passphrase\n"]):
        secrets.append(tmp_path / f"secret{number}")
        write_secret(secrets[-1], text.encode())

    def at_hand(files, passphrase_files, uris=()):
        signers = unlocking.signers_at_hand(
            files=files, passphrase_files=passphrase_files, uris=uris, keys=[made.key, service]
        )
        return [signer.public_key for signer in signers]

    assert at_hand([made.path, bob.path], secrets, ["testkms:key"]) == [made.key, bob.key, service]
    with pytest.raises(KeyRefused, match="2 passphrase files were given for 1 keys"):
        at_hand([made.path], secrets)
    with pytest.raises(KeyRefused, match="passphrase is wrong"):
        at_hand([made.path, bob.path], secrets[:1])
    with pytest.raises(KeyRefused, match="none of the 2 keys"):
        at_hand([], [], ["testkms:unreachable"])
    monkeypatch.setenv(unlocking.PASSPHRASE_VARIABLE, PASSPHRASE)
    assert at_hand([made.path], []) == [made.key]


def test_a_passphrase_is_asked_for_twice_at_a_terminal_only(monkeypatch):
    monkeypatch.delenv(unlocking.PASSPHRASE_VARIABLE, raising=False)
    with pytest.raises(KeyRefused, match="no terminal"):
        unlocking.new_passphrase(None)
    answers = iter(["a long passphrase", "a long passphrase", "a long passphrase", "a lnog passphrase"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(unlocking, "getpass", lambda prompt: next(answers))
    assert unlocking.new_passphrase(None) == "a long passphrase"
    with pytest.raises(KeyRefused, match="differ"):
        unlocking.new_passphrase(None)
