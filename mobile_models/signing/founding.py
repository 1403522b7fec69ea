"""The first metadata of every role, and the keys that sign it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe

from django.conf import settings
from django.db import transaction
from securesystemslib.signer import Key, Signer

from mobile_models.errors import KeyRefused, StateConflict
from mobile_models.models import Metadata
from mobile_models.signing import changes, pending, store
from mobile_models.signing.documents import (
    Charter,
    Holder,
    Trust,
    files_document,
    root_document,
    targets_document,
)
from mobile_models.signing.files import platform_files
from mobile_models.signing.keys import KeyFile, load_signer, make_key, read_secret, write_secret
from mobile_models.signing.online import THIS_SERVER, make_online_key
from mobile_models.signing.pending import Standing
from mobile_models.signing.roles import (
    DEVELOPMENT_NAME,
    OFFLINE,
    ONLINE,
    PLATFORM_ROLES,
    ROOT,
    TARGETS,
    expiry,
)


@dataclass(frozen=True, slots=True)
class Ring:
    """Keys, who holds each, and what can sign with some of them now."""

    keys: tuple[Key, ...]
    holders: Mapping[str, Holder]
    signers: Sequence[Signer] = field(default=())

    @classmethod
    def of_files(cls, files: Sequence[KeyFile]) -> "Ring":
        """The ring of keys that were just made; a file's name says who holds it until somebody says more."""
        return cls(
            keys=tuple(file.key for file in files),
            holders={file.key.keyid: Holder(file.path.stem) for file in files},
            signers=[file.signer for file in files],
        )


def trusted_root() -> bytes:
    """The first root: what an app embeds.

    Raises:
        NotInitialised: there is no repository.
    """
    first = Metadata.objects.filter(role=ROOT, version=1).first()
    return bytes(first.content) if first else store.content(ROOT)


def init_repository(
    *, keys_dir: Path, passphrase: str | None, keys: int = 1, threshold: int = 1, development: bool = False
) -> list[Standing]:
    """Make offline keys as files, an online key, and the first metadata of every role.

    Args:
        keys_dir: where the offline keys' files go, each encrypted with the passphrase.
        passphrase: of the offline keys.
        keys: how many offline keys.
        threshold: how many of them must sign.
        development: whether to mark the keys as ones that guard nothing.

    Raises:
        StateConflict: there is a repository already, or the threshold cannot be met.
        KeyRefused: a key cannot be made.
    """
    changes.check_threshold(threshold, keys)
    _check_new()
    name = DEVELOPMENT_NAME if development else "offline"
    made = [make_key(keys_dir, name, passphrase or "") for _ in range(keys)]
    return found_repository(offline=Ring.of_files(made), threshold=threshold)


def init_development() -> None:
    """Make a repository whose keys lie beside it, for a demonstration; nothing where there is one.

    Raises:
        StateConflict: this is production.
    """
    if store.is_initialised():
        return
    if settings.PRODUCTION:
        raise StateConflict(
            "Development keys guard nothing, and PRODUCTION is true. Run `manage.py keys init --keys 3 "
            "--threshold 2`."
        )
    path = _development_passphrase()
    if not path.exists():
        write_secret(path, token_urlsafe(32).encode())
    passphrase = read_secret(path).decode()
    init_repository(keys_dir=Path(settings.KEYS_DIR), passphrase=passphrase, development=True)


def development_signers() -> list[Signer]:
    """The development keys, unlocked.

    Raises:
        KeyRefused: this repository has none, or they cannot be read here.
    """
    if settings.PRODUCTION or not store.charter().development:
        raise KeyRefused("The keys of this repository are held by people.")
    passphrase = read_secret(_development_passphrase()).decode()
    files = sorted(Path(settings.KEYS_DIR).glob(f"{DEVELOPMENT_NAME}-*.pem"))
    return [load_signer(path, passphrase) for path in files]


def found_repository(*, offline: Ring, threshold: int, online: Ring | None = None) -> list[Standing]:
    """Write the first metadata of every role and sign it with the keys at hand.

    Args:
        offline: the keys of root, targets and the platforms.
        threshold: how many of them must sign.
        online: the key of the online roles; without one, a file is made.

    Returns:
        How far each role is; empty once there is a repository. Until then its holders sign.

    Raises:
        ParameterInvalid: a key was named twice.
        StateConflict: there is a repository already, or the threshold cannot be met.
    """
    changes.check_different(offline.keys)
    changes.check_threshold(threshold, len(offline.keys))
    _check_new()
    online = online or _online_file()
    charter = Charter(
        roles=dict.fromkeys(OFFLINE, Trust(offline.keys, threshold))
        | dict.fromkeys(ONLINE, Trust(online.keys)),
        holders={**offline.holders, **online.holders},
    )
    with transaction.atomic():
        _check_new()
        pending.drop_all()
        pending.propose(ROOT, root_document(charter, version=1, expires=expiry(ROOT)))
        pending.propose(TARGETS, targets_document(charter, version=1, expires=expiry(TARGETS)))
        for role in PLATFORM_ROLES:
            files = platform_files(role)
            pending.propose(role, files_document(files, version=1, expires=expiry(role)))
        return changes.sign_waiting(offline.signers, action="init_repository")


def _online_file() -> Ring:
    key = make_online_key().key
    return Ring((key,), {key.keyid: Holder(THIS_SERVER)})


def _development_passphrase() -> Path:
    return Path(settings.KEYS_DIR) / f"{DEVELOPMENT_NAME}.passphrase"


def _check_new() -> None:
    if store.is_initialised():
        raise StateConflict(
            "There is a repository already; phones trust its root. Run `manage.py keys status` to see it and "
            "`manage.py keys rotate` to change its keys."
        )
