"""What can be done to the repository of signed metadata. Each service owns its transaction."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from secrets import token_urlsafe

from django.conf import settings
from django.db import transaction
from django.utils.timezone import now
from securesystemslib.signer import Signer

from mobile_models.errors import KeyRefused, ReleaseNotSigned, StateConflict
from mobile_models.models import Metadata, Release
from mobile_models.signing import pending, store
from mobile_models.signing.documents import (
    Charter,
    Holder,
    Trust,
    charter_of,
    files_document,
    root_document,
    targets_document,
)
from mobile_models.signing.files import platform_files
from mobile_models.signing.keys import KeyFile, load_signer, make_key, read_secret, write_secret
from mobile_models.signing.online import make_online_key
from mobile_models.signing.pending import Standing
from mobile_models.signing.publishing import bring_up_to_date, publish, publish_soon, refresh
from mobile_models.signing.roles import OFFLINE, ONLINE, PLATFORM_ROLES, ROOT, TARGETS, lifetime
from mobile_models.signing.store import is_initialised

__all__ = [
    "init_development",
    "init_repository",
    "is_initialised",
    "publish",
    "publish_soon",
    "refresh",
    "require_signed",
    "sign_release",
    "trusted_root",
]

logger = logging.getLogger(__name__)
DEVELOPMENT_KEY = "development"


def trusted_root() -> bytes:
    """The first root: what an app embeds.

    Raises:
        NotInitialised: there is no repository.
    """
    first = Metadata.objects.filter(role=ROOT, version=1).first()
    return bytes(first.content) if first else store.content(ROOT)


def init_repository(
    *, keys_dir: Path, passphrase: str | None, keys: int = 1, threshold: int = 1, development: bool = False
) -> None:
    """Make keys and the first metadata of every role.

    Args:
        keys_dir: where the offline keys' files go, each encrypted with the passphrase.
        passphrase: of the offline keys.
        keys: how many offline keys.
        threshold: how many of them must sign.
        development: mark the repository as one whose keys guard nothing.

    Raises:
        StateConflict: there is a repository already, or the threshold cannot be met.
        KeyRefused: a key cannot be made.
    """
    _check_threshold(keys, threshold)
    _check_new()
    name = DEVELOPMENT_KEY if development else "offline"
    made = [make_key(keys_dir, name, passphrase or "") for _ in range(keys)]
    online = make_online_key()
    charter = _charter(made, threshold, online, development=development)
    with transaction.atomic():
        _propose_all(charter)
        found_repository([file.signer for file in made])


def init_development() -> None:
    """Make a repository whose keys lie beside it, for a demonstration; nothing where there is one.

    Raises:
        StateConflict: this is production.
    """
    if is_initialised():
        return
    if settings.PRODUCTION:
        raise StateConflict(
            "Development keys guard nothing, and PRODUCTION is true. Run `manage.py keys init --keys 3 --threshold 2`."
        )
    path = _development_passphrase()
    if not path.exists():
        write_secret(path, token_urlsafe(32).encode())
    init_repository(keys_dir=Path(settings.KEYS_DIR), passphrase=read_secret(path).decode(), development=True)


def found_repository(signers: Sequence[Signer]) -> bool:
    """Sign the first metadata; True once everything has its threshold and the repository is there."""
    rows = list(pending.waiting(None))
    pending.add_signers(rows, signers)
    if not pending.is_complete(rows):
        return False
    pending.take(rows)
    return bring_up_to_date()


def require_signed(release: Release) -> None:
    """Make sure that phones can take a release: with development keys it is signed now.

    Raises:
        ReleaseNotSigned: its keys are held by people.
    """
    if release.signed_at is not None or not is_initialised():
        return
    try:
        sign_release(release=release, signers=development_signers())
    except KeyRefused as error:
        raise ReleaseNotSigned(
            f"Release {release.version} is not signed by the offline keys, so no phone would take it. "
            f"Run `manage.py sign_release {release.version}` where the keys are, then try again."
        ) from error


def development_signers() -> list[Signer]:
    """The development keys, unlocked.

    Raises:
        KeyRefused: this repository has none, or they cannot be read here.
    """
    charter = charter_of(store.root().signed, store.targets().signed)
    if not charter.development or settings.PRODUCTION:
        raise KeyRefused("The keys of this repository are held by people.")
    passphrase = read_secret(_development_passphrase()).decode()
    files = sorted(Path(settings.KEYS_DIR).glob(f"{DEVELOPMENT_KEY}-*.pem"))
    return [load_signer(path, passphrase) for path in files]


def sign_release(*, release: Release, signers: Sequence[Signer]) -> list[Standing]:
    """Sign the platforms' next metadata, with this release's bundles in it; published at the threshold.

    Returns:
        How far each role is; empty once the release is signed.

    Raises:
        NotInitialised: there is no repository.
        StateConflict: the release was withdrawn.
        KeyRefused: none of the keys has a part in what waits.
    """
    with transaction.atomic():
        if not store.lock():
            store.root()
        _propose_release(release)
        rows = list(pending.waiting(release))
        if rows and not pending.add_signers(rows, signers) and signers:
            raise KeyRefused(
                "None of the keys given has a part in the roles that wait, or each signed before."
            )
        if rows and not pending.is_complete(rows):
            return pending.standings(rows)
        pending.take(rows)
        Release.objects.filter(pk=release.pk).update(signed_at=now())
        release.refresh_from_db()
        bring_up_to_date()
    return []


def _propose_release(release: Release) -> None:
    """Put up each platform's next version where the one in force says something else."""
    if release.state == Release.State.WITHDRAWN:
        raise StateConflict(f"Release {release.version} is withdrawn; it cannot be signed. Choose another.")
    waiting = {row.role: row for row in pending.waiting(release)}
    for role in PLATFORM_ROLES:
        wanted = {file.path: file for file in platform_files(role, release)}
        current = store.targets(role).signed
        row = waiting.get(role)
        if wanted == current.targets:
            continue
        if row and row.version == current.version + 1 and pending.read(row).signed.targets == wanted:
            continue
        document = files_document(wanted.values(), version=current.version + 1, expires=_expiry(role))
        pending.propose(role, document, release)


def _propose_all(charter: Charter) -> None:
    pending.propose(ROOT, root_document(charter, version=1, expires=_expiry(ROOT)))
    pending.propose(TARGETS, targets_document(charter, version=1, expires=_expiry(TARGETS)))
    for role in PLATFORM_ROLES:
        pending.propose(role, files_document(platform_files(role), version=1, expires=_expiry(role)))


def _charter(made: Sequence[KeyFile], threshold: int, online: KeyFile, *, development: bool) -> Charter:
    offline = Trust(tuple(file.key for file in made), threshold)
    roles = dict.fromkeys(OFFLINE, offline) | dict.fromkeys(ONLINE, Trust((online.key,)))
    holders = {file.key.keyid: Holder(file.path.stem) for file in made}
    return Charter(roles, holders | {online.key.keyid: Holder("this server")}, development=development)


def _expiry(role: str) -> datetime:
    return (now() + lifetime(role)).replace(microsecond=0)


def _development_passphrase() -> Path:
    return Path(settings.KEYS_DIR) / f"{DEVELOPMENT_KEY}.passphrase"


def _check_threshold(keys: int, threshold: int) -> None:
    if not 1 <= threshold <= keys:
        raise StateConflict(
            f"{threshold} of {keys} keys cannot be: allowed are thresholds from 1 to the number of keys."
        )


def _check_new() -> None:
    if is_initialised():
        raise StateConflict(
            "There is a repository already; phones trust its root. Run `manage.py keys status` to see it and "
            "`manage.py keys rotate` to change its keys."
        )
