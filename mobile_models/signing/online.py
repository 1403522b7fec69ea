"""The online key: named by a URI in the settings, or a file that `manage.py keys` made."""

from collections.abc import Sequence
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import unquote, urlsplit

from django.conf import settings
from securesystemslib.signer import Key, Signer

from mobile_models.errors import KeyRefused
from mobile_models.signing.keys import ID_LETTERS, KeyFile, load_signer, make_key, read_secret, write_secret

NAME = "online"
# Who holds the online key.
THIS_SERVER = "this server"
FILE = "file"
PROBE = b"Does this key sign for the role?"


def online_signer(keys: Sequence[Key]) -> Signer:
    """What signs with one of these keys: the first that can be opened.

    Raises:
        KeyRefused: none of them; says why for each.
    """
    reasons = []
    for key in keys:
        for uri in settings.TUF_ONLINE_KEY or [f"{FILE}:{key_path(key)}"]:
            try:
                return signer_of(uri, key)
            except KeyRefused as error:
                reasons.append(str(error))
    raise KeyRefused(" ".join(reasons))


def signer_of(uri: str, key: Key, passphrase: str | None = None) -> Signer:
    """A signer by its URI, tried once: a key service would sign with whatever key it holds.

    Args:
        uri: `file:PATH`, or what securesystemslib knows: awskms, gcpkms, azurekms, hsm, hv, gnupg.
        key: the public half that it must belong to.
        passphrase: of a file; the online key's own where none is given.

    Raises:
        KeyRefused: it cannot be opened, or is another key.
    """
    scheme, _, _ = uri.partition(":")
    if scheme == FILE:
        path = Path(unquote(urlsplit(uri).path))
        signer: Signer = load_signer(path, online_passphrase() if passphrase is None else passphrase)
    else:
        signer = _remote(uri, key)
    if signer.public_key.keyid != key.keyid:
        raise KeyRefused(
            f"{uri} is key {signer.public_key.keyid[:ID_LETTERS]}, not {key.keyid[:ID_LETTERS]}."
        )
    return signer


def key_path(key: Key) -> Path:
    """Where the file of an online key lies."""
    return Path(settings.KEYS_DIR) / f"{NAME}-{key.keyid[:ID_LETTERS]}.pem"


def make_online_key() -> KeyFile:
    """Make an online key as a file; its passphrase lies beside it unless the settings name another place."""
    if not settings.TUF_ONLINE_PASSPHRASE_FILE.exists():
        write_secret(settings.TUF_ONLINE_PASSPHRASE_FILE, token_urlsafe(32).encode())
    return make_key(Path(settings.KEYS_DIR), NAME, online_passphrase())


def online_passphrase() -> str:
    """The passphrase of the online key's file.

    Raises:
        KeyRefused: its file is missing or open to others.
    """
    return read_secret(settings.TUF_ONLINE_PASSPHRASE_FILE).decode().strip()


def _remote(uri: str, key: Key) -> Signer:
    try:
        signer = Signer.from_priv_key_uri(uri, key)
        key.verify_signature(signer.sign(PROBE), PROBE)
    # A key service fails in its own library's ways; whatever it is, this key cannot sign now.
    except Exception as error:
        raise KeyRefused(
            f"{uri} does not sign for key {key.keyid[:ID_LETTERS]}: {error}. Check the URI, that its library "
            "is installed, and that this process may use the key."
        ) from error
    return signer
