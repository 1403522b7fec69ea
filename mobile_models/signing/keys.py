"""Keys as files: encrypted PKCS#8, one key a file, readable for its owner only."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import CryptoSigner, SSlibKey

from mobile_models.errors import KeyRefused

OTHERS = stat.S_IRWXG | stat.S_IRWXO
# What tells keys of one name apart in a file's name.
ID_LETTERS = 8
PUBLIC_SUFFIX = ".pub"
MIN_PASSPHRASE = 12


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key that was just made: where it lies, and what signs with it."""

    path: Path
    signer: CryptoSigner

    @property
    def key(self) -> SSlibKey:
        """The public half."""
        return self.signer.public_key


def make_key(folder: Path, name: str, passphrase: str) -> KeyFile:
    """Make an Ed25519 key: `name-<first digits of its id>.pem`, encrypted, and beside it the public half.

    Raises:
        KeyRefused: the passphrase is short, or the folder cannot be written.
    """
    if len(passphrase) < MIN_PASSPHRASE:
        raise KeyRefused(
            f"The passphrase has {len(passphrase)} characters; allowed are {MIN_PASSPHRASE} and more. It is "
            "all that guards the file: take several words."
        )
    private = Ed25519PrivateKey.generate()
    signer = CryptoSigner(private)
    path = folder / f"{name}-{signer.public_key.keyid[:ID_LETTERS]}.pem"
    encrypted = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_secret(path, encrypted)
    path.with_suffix(PUBLIC_SUFFIX).write_bytes(public)
    return KeyFile(path, signer)


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read, in a folder that only its owner can enter.

    Raises:
        KeyRefused: there is such a file already, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        # Filled first and named then: a process that is killed leaves no half of a key.
        descriptor, draft = mkstemp(dir=path.parent, prefix=".")  # with mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            path.hardlink_to(draft)
        finally:
            Path(draft).unlink()
    except OSError as error:
        raise KeyRefused(
            f"{path} cannot be written: {error.strerror}. Give a folder that you may write and that holds no "
            "such file."
        ) from error


def read_secret(path: Path) -> bytes:
    """Read a file that nobody else may read.

    Raises:
        KeyRefused: it is missing, unreadable, or open to others.
    """
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise KeyRefused(
            f"{path} cannot be read: {error.strerror}. Give the path of a file that `manage.py keys` made."
        ) from error
    if mode & OTHERS:
        raise KeyRefused(
            f"{path} has mode {stat.S_IMODE(mode):04o}, so others can read it; allowed is 0600. Run "
            f"`chmod 600 {path}`; if others could have read it, replace the key with `manage.py keys revoke`."
        )
    return content


def load_signer(path: Path, passphrase: str) -> CryptoSigner:
    """Unlock a key.

    Raises:
        KeyRefused: the file is missing, open to others, no key, not encrypted, or the passphrase is wrong.
    """
    content = read_secret(path)
    try:
        return CryptoSigner(load_pem_private_key(content, passphrase.encode() or None))
    except TypeError as error:
        given = "it is not encrypted" if passphrase else "no passphrase was given"
        raise KeyRefused(
            f"{path} cannot be unlocked: {given}. Encrypt it (`openssl pkcs8 -topk8`), give its passphrase."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyRefused(
            f"{path} cannot be unlocked: the passphrase is wrong, or it holds no PKCS#8 private key. Give "
            "its own passphrase and a file that `manage.py keys` made."
        ) from error


def load_public(path: Path) -> SSlibKey:
    """Read a public key, PEM.

    Raises:
        KeyRefused: the file is missing or holds no public key of a kind that can sign.
    """
    try:
        return SSlibKey.from_crypto(load_pem_public_key(path.read_bytes()))
    except OSError as error:
        raise KeyRefused(
            f"{path} cannot be read: {error.strerror}. Give the path of a public key."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyRefused(
            f"{path} holds no public key that signs; allowed are Ed25519, ECDSA and RSA in PEM. "
            "Give the .pub file beside the key, or what the key service exports."
        ) from error
