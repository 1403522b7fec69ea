"""The keys that a person has at hand: files with their passphrases, and key services by URI."""

import os
import sys
from collections.abc import Sequence
from getpass import getpass
from pathlib import Path

from securesystemslib.signer import Key, Signer

from mobile_models.errors import KeyRefused
from mobile_models.signing import pending, store
from mobile_models.signing.keys import load_signer, read_secret
from mobile_models.signing.online import signer_of

PASSPHRASE_VARIABLE = "SKYFOLD_KEY_PASSPHRASE"  # noqa: S105 - the variable's name


def signers_at_hand(
    *, files: Sequence[Path], passphrase_files: Sequence[Path], uris: Sequence[str], keys: Sequence[Key]
) -> list[Signer]:
    """Unlock the keys that were named.

    Args:
        files: key files.
        passphrase_files: one for each, in the same order, or one for all; asked for where none is given.
        uris: key services.
        keys: what a URI may sign for.

    Raises:
        KeyRefused: a key cannot be unlocked, or a URI is for none of the keys.
    """
    if len(passphrase_files) not in {0, 1, len(files)}:
        raise KeyRefused(
            f"{len(passphrase_files)} passphrase files were given for {len(files)} keys; allowed are one for "
            "each key, in the same order, or one for all."
        )
    passphrases = [read_passphrase(path) for path in passphrase_files]
    if len(passphrases) == 1:
        passphrases *= len(files)
    signers: list[Signer] = []
    for index, path in enumerate(files):
        passphrase = passphrases[index] if passphrases else ask_passphrase(f"Passphrase of {path.name}: ")
        signers.append(load_signer(path, passphrase))
    return [*signers, *(_signer_among(uri, keys) for uri in uris)]


def keys_in_use() -> list[Key]:
    """Every key that the repository trusts for something, and those that may sign what waits."""
    roles = store.charter().roles.values() if store.is_initialised() else ()
    keys = {key.keyid: key for trust in roles for key in trust.keys}
    waiting = list(pending.waiting(None))
    return list((keys | (pending.keys_of(waiting) if waiting else {})).values())


def new_passphrase(path: Path | None) -> str:
    """The passphrase for new keys: from a file, the environment, or asked for twice.

    Raises:
        KeyRefused: not the same twice, or there is nobody to ask.
    """
    if path is not None:
        return read_passphrase(path)
    passphrase = ask_passphrase("Passphrase for the new keys: ")
    if PASSPHRASE_VARIABLE not in os.environ and ask_passphrase("The same again: ") != passphrase:
        raise KeyRefused("The two passphrases differ. Nothing was made; try again.")
    return passphrase


def read_passphrase(path: Path) -> str:
    """A passphrase from a file that nobody else can read.

    Raises:
        KeyRefused: it is missing, open to others, or no text.
    """
    try:
        return read_secret(path).decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise KeyRefused(f"{path} is no UTF-8 text. Give the file that holds the passphrase.") from error


def ask_passphrase(prompt: str) -> str:
    """A passphrase from the environment, or from whoever sits at the terminal.

    Raises:
        KeyRefused: there is neither.
    """
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environ[PASSPHRASE_VARIABLE]
    if not sys.stdin.isatty():
        raise KeyRefused(
            "A passphrase is needed and there is no terminal to ask at. Give --passphrase-file FILE, or set "
            f"{PASSPHRASE_VARIABLE}."
        )
    return getpass(prompt)


def _signer_among(uri: str, keys: Sequence[Key]) -> Signer:
    """What a URI signs with: a key service does not say which of the keys it holds, so each is tried."""
    reasons = []
    for key in keys:
        try:
            return signer_of(uri, key)
        except KeyRefused as error:
            reasons.append(str(error))
    raise KeyRefused(
        f"{uri} signs for none of the {len(keys)} keys that are known. Give its public half with "
        f"--public-key or --add. {reasons[0] if reasons else ''}".strip()
    )
