"""Sign a release: its bundles' digests, by the offline keys of each platform."""

from collections.abc import Sequence
from pathlib import Path

from django.db import transaction
from django.utils.timezone import now
from securesystemslib.signer import Signer

from mobile_models import audit
from mobile_models.errors import KeyRefused, ReleaseNotSigned, StateConflict
from mobile_models.models import PendingMetadata, Release
from mobile_models.signing import exchange, pending, store
from mobile_models.signing.documents import files_document
from mobile_models.signing.files import platform_files
from mobile_models.signing.founding import development_signers
from mobile_models.signing.pending import Standing
from mobile_models.signing.publishing import bring_up_to_date
from mobile_models.signing.roles import PLATFORM_ROLES, expiry

COMMAND = "manage.py sign_release"


def require_signed(release: Release) -> None:
    """Make sure that phones can take a release: with development keys it is signed now.

    Raises:
        ReleaseNotSigned: its keys are held by people.
    """
    if release.signed_at is not None or not store.is_initialised():
        return
    try:
        standings = sign_release(release=release, signers=development_signers())
    except KeyRefused as error:
        raise _not_signed(release) from error
    if standings:
        raise _not_signed(release)


def sign_release(*, release: Release, signers: Sequence[Signer] = ()) -> list[Standing]:
    """Sign the platforms' next metadata, with this release's bundles in it; published at the threshold.

    Bundles that were revoked, and those of withdrawn releases, are not in it any more.

    Args:
        release: what phones shall be able to take.
        signers: the keys at hand; with none, the bytes to sign are only put up.

    Returns:
        How far each role is; empty once the release is signed.

    Raises:
        NotInitialised: there is no repository.
        StateConflict: the release was withdrawn, or something else waits for the same keys.
        KeyRefused: none of the keys has a part in what waits.
    """
    with transaction.atomic():
        rows = propose_release(release)
        if rows and signers and not pending.add_signers(rows, signers):
            raise KeyRefused(
                "None of the keys given can add a signature: each signed before, or has no part in the "
                "platforms' roles. `manage.py keys status` lists who may sign."
            )
        return publish_if_complete(release, rows)


def import_signatures(*, release: Release, path: Path) -> list[Standing]:
    """Take signatures that were made elsewhere; published at the threshold.

    Raises:
        ParameterInvalid: the file is no signing request.
        SignatureRefused: a signature is not of what waits now.
        NotInitialised, StateConflict: as `sign_release`.
    """
    with transaction.atomic():
        rows = propose_release(release)
        exchange.import_signatures(rows, path)
        return publish_if_complete(release, rows)


def waiting_rows(release: Release) -> list[PendingMetadata]:
    """What waits for signatures of a release."""
    return list(pending.waiting(release))


def propose_release(release: Release) -> list[PendingMetadata]:
    """Put up the next version of every platform that would say something else with this release.

    Raises:
        NotInitialised, StateConflict: as `sign_release`.
    """
    store.lock()
    release.refresh_from_db()
    if release.state == Release.State.WITHDRAWN:
        raise StateConflict(f"Release {release.version} is withdrawn; it cannot be signed. Choose another.")
    for role in PLATFORM_ROLES:
        _propose(role, release)
    return list(pending.waiting(release))


def publish_if_complete(release: Release, rows: Sequence[PendingMetadata]) -> list[Standing]:
    """Publish a release's metadata once it has its thresholds; else say how far it is."""
    if rows and not pending.is_complete(rows):
        return pending.standings(rows)
    before = {"signed_at": release.signed_at}
    signed = {standing.role: standing.signed for standing in pending.standings(rows)} if rows else {}
    pending.take(rows)
    Release.objects.filter(pk=release.pk).update(signed_at=now())
    release.refresh_from_db()
    after = {"signed_at": release.signed_at, "signed_by": signed}
    audit.record(action="sign_release", row=release, by=None, before=before, after=after, actor_name=COMMAND)
    bring_up_to_date()
    return []


def _propose(role: str, release: Release) -> None:
    current = store.targets(role).signed
    wanted = {file.path: file for file in platform_files(role, release)}
    row = PendingMetadata.objects.filter(role=role).select_related("release").first()
    if row is not None and row.release != release:
        _give_way(row, release)
        row = None
    if wanted == current.targets:
        pending.waiting(release).filter(role=role).delete()
        return
    # Signatures of before count for as long as they are of what is wanted now.
    if row and row.version == current.version + 1 and pending.read(row).signed.targets == wanted:
        return
    document = files_document(wanted.values(), version=current.version + 1, expires=expiry(role))
    pending.propose(role, document, release)


def _give_way(row: PendingMetadata, release: Release) -> None:
    """Forget what waits for a withdrawn release; leave anything else to the people who began it."""
    other = row.release
    if other is not None and other.state == Release.State.WITHDRAWN:
        pending.waiting(other).delete()
        return
    what = f"release {other.version}" if other else "a change of keys"
    raise StateConflict(
        f"{row.role} waits for signatures of {what}, so release {release.version} cannot be signed yet. "
        "Finish that first, or forget it with `manage.py keys cancel`."
    )


def _not_signed(release: Release) -> ReleaseNotSigned:
    return ReleaseNotSigned(
        f"Release {release.version} is not signed by the offline keys, so no phone would take it. "
        f"Run `manage.py sign_release {release.version}` where the keys are, then try again."
    )
